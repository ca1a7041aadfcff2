//! Target tracking as EC2 Auto Scaling does it: two alarms over the group's average CPU, and the
//! size that would bring it to the target.
//!
//! Pure; its clock are the data points, one a minute in real life. As AWS' user guide has it: more
//! instances soon, fewer late; an instance that warms up counts for the size and not for the
//! metric; nothing shrinks while one warms up; a size is rounded up, so that the target is not
//! exceeded by what was just removed.

use std::collections::VecDeque;

/// The lower alarm's share of the target: an assumption, since AWS chooses it. The user guide of
/// Application Auto Scaling, the sister for other services, says "usually more than 10% lower".
/// Alarms that others published stand at 90 % for services of ECS (63 of 70, 72 of 80) and at 70 %
/// for groups of EC2 (35 of 50, 14 of 20); `aws cloudwatch describe-alarms` tells. Under a steady
/// load it does not matter to one or two instances: one is enough only below half the target.
pub(super) const LOW_SHARE: f64 = 0.9;

/// What is to be kept, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Average CPU of the group, 0 to 1.
    pub(super) target: f64,
    /// Data points in a row above the target until the group grows.
    pub(super) high_points: usize,
    /// Data points in a row below [`Policy::low`] until the group shrinks.
    pub(super) low_points: usize,
    pub(super) min: u32,
    pub(super) max: u32,
}

impl Policy {
    /// The lower alarm's threshold.
    pub(super) fn low(&self) -> f64 {
        self.target * LOW_SHARE
    }
}

/// The group at a data point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its desired capacity.
    pub(super) size: u32,
    /// Instances whose CPU counts.
    pub(super) warm: u32,
}

/// The alarms' memory.
#[derive(Debug)]
pub(super) struct Tracker {
    policy: Policy,
    points: VecDeque<f64>,
}

impl Tracker {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            points: VecDeque::new(),
        }
    }

    /// Takes the average CPU of the warm instances; the size to have now, if it is another one.
    pub(super) fn observe(&mut self, cpu: f64, group: Group) -> Option<u32> {
        let Policy { min, max, .. } = self.policy;
        self.points.push_back(cpu);
        if self.points.len() > self.policy.high_points.max(self.policy.low_points) {
            self.points.pop_front();
        }
        let size = needed(group.warm, cpu, self.policy.target).clamp(min, max);
        let grows = self.last(self.policy.high_points, |it| it > self.policy.target);
        let shrinks = self.last(self.policy.low_points, |it| it < self.policy.low());
        let warming = group.warm < group.size;
        match size {
            size if size > group.size && grows => Some(size),
            size if size < group.size && shrinks && !warming => Some(size),
            _ => None,
        }
    }

    /// Whether the last data points, so many of them, are all so.
    fn last(&self, count: usize, is: impl Fn(f64) -> bool) -> bool {
        self.points.len() >= count && self.points.iter().rev().take(count).all(|it| is(*it))
    }
}

/// How many instances would have the target, if so many have this CPU.
fn needed(warm: u32, cpu: f64, target: f64) -> u32 {
    // Less than a thousandth of an instance is noise of the division, and needs no further one.
    let exact = f64::from(warm) * cpu / target - 0.001;
    (1..u32::from(u16::MAX))
        .find(|size| f64::from(*size) >= exact)
        .unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        target: 0.4,
        high_points: 3,
        low_points: 15,
        min: 1,
        max: 4,
    };

    /// What comes of the same data point again and again: after how many, and which size.
    fn first(cpu: f64, group: Group) -> Option<(usize, u32)> {
        let mut tracker = Tracker::new(POLICY);
        (1..=30).find_map(|count| Some((count, tracker.observe(cpu, group)?)))
    }

    fn all_warm(size: u32) -> Group {
        Group { size, warm: size }
    }

    #[test]
    fn it_grows_after_three_points_to_what_the_target_needs() {
        assert_eq!(first(0.41, all_warm(1)), Some((3, 2)));
        assert_eq!(first(0.75, all_warm(1)), Some((3, 2)));
        assert_eq!(first(0.81, all_warm(1)), Some((3, 3)));
        assert_eq!(first(1.0, all_warm(3)), Some((3, 4)), "not beyond max");
        assert_eq!(
            first(0.4, all_warm(1)),
            None,
            "the target itself is no alarm"
        );
    }

    #[test]
    fn it_shrinks_after_fifteen_points_to_what_still_fits() {
        assert_eq!(first(0.0, all_warm(2)), Some((15, 1)), "not below min");
        assert_eq!(first(0.19, all_warm(2)), Some((15, 1)));
        assert_eq!(first(0.21, all_warm(2)), None, "one would have 42 %");
        assert_eq!(first(0.35, all_warm(2)), None);
        assert_eq!(first(0.2, all_warm(4)), Some((15, 2)));
        assert_eq!(first(0.38, all_warm(4)), None, "between the alarms");
    }

    #[test]
    fn two_shrink_below_half_the_target_whatever_the_alarm() {
        let shrinks = |percent: &u32| first(f64::from(*percent) / 100.0, all_warm(2)).is_some();
        let most = (0..=36).filter(shrinks).max().unwrap();
        assert_eq!(most, 20);
        // So far below the target that an alarm at 70 % of it changes nothing.
        assert!(f64::from(most) / 100.0 < POLICY.target * 0.7);
    }

    #[test]
    fn one_point_in_between_begins_anew() {
        let mut tracker = Tracker::new(POLICY);
        let points = [0.9, 0.9, 0.4, 0.9, 0.9];
        let sizes = points.map(|cpu| tracker.observe(cpu, all_warm(1)));
        assert_eq!(sizes, [None; 5]);
        assert_eq!(tracker.observe(0.5, all_warm(1)), Some(2));
    }

    #[test]
    fn who_warms_up_is_not_ordered_again() {
        let warming = Group { size: 2, warm: 1 };
        assert_eq!(first(0.75, warming), None);
        assert_eq!(
            first(1.0, warming),
            Some((3, 3)),
            "one more is needed all the same"
        );
        assert_eq!(first(0.0, warming), None, "nothing shrinks meanwhile");
    }
}
