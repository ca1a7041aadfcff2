//! When the next request is due: a pure schedule, in times since the start.
//!
//! Law: no bursts. A client that is late does not catch up: the slots that passed are missed, and
//! counted.

use std::str::FromStr;
use std::time::Duration;

/// What the frequency is the distance between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// The starts of two requests.
    #[default]
    Interval,
    /// The end of a request and the start of the next; nothing can be missed.
    Sleep,
}

/// Not a pacing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown pacing {0:?}, expected interval or sleep")]
pub struct Unknown(String);

/// The schedule of one run.
#[derive(Debug)]
pub struct Plan {
    pacing: Pacing,
    distance: Duration,
    /// The first slot that is neither used nor missed; `None` before the first request.
    next: Option<Duration>,
}

/// One request's place in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it is due; not before the time that was asked with.
    pub at: Duration,
    /// How many slots passed unused since the previous one.
    pub missed: u64,
}

impl Plan {
    /// A schedule whose first request is due at once; a distance of 0 is back to back.
    #[must_use]
    pub fn new(pacing: Pacing, distance: Duration) -> Self {
        Self {
            pacing,
            distance,
            next: None,
        }
    }

    /// Whether time is divided into slots at all; back to back it is not.
    #[must_use]
    pub fn has_slots(&self) -> bool {
        !self.distance.is_zero()
    }

    /// Takes the next slot that is still to be had at `now`.
    pub fn next(&mut self, now: Duration) -> Slot {
        let slot = match self.next {
            None => Slot { at: now, missed: 0 },
            Some(_) if self.distance.is_zero() => Slot { at: now, missed: 0 },
            Some(_) if self.pacing == Pacing::Sleep => Slot {
                at: now + self.distance,
                missed: 0,
            },
            Some(next) => {
                let late = now.saturating_sub(next).as_nanos();
                let missed = late.div_ceil(self.distance.as_nanos());
                let missed = u64::try_from(missed).unwrap_or(u64::MAX);
                let skipped = u32::try_from(missed).unwrap_or(u32::MAX);
                Slot {
                    at: next + self.distance * skipped,
                    missed,
                }
            }
        };
        self.next = Some(slot.at + self.distance);
        slot
    }
}

impl FromStr for Pacing {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "interval" => Ok(Self::Interval),
            "sleep" => Ok(Self::Sleep),
            other => Err(Unknown(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn slot(at: u64, missed: u64) -> Slot {
        Slot { at: ms(at), missed }
    }

    #[test]
    fn fast_answers_leave_the_schedule_alone() {
        let mut plan = Plan::new(Pacing::Interval, ms(100));
        assert_eq!(plan.next(ms(3)), slot(3, 0));
        assert_eq!(plan.next(ms(45)), slot(103, 0));
        assert_eq!(plan.next(ms(203)), slot(203, 0));
        assert_eq!(plan.next(ms(204)), slot(303, 0));
    }

    #[test]
    fn late_answers_skip_slots_without_a_burst() {
        let mut plan = Plan::new(Pacing::Interval, ms(100));
        assert_eq!(plan.next(ms(0)), slot(0, 0));
        assert_eq!(plan.next(ms(101)), slot(200, 1));
        assert_eq!(plan.next(ms(555)), slot(600, 3));
        assert_eq!(plan.next(ms(601)), slot(700, 0));
        assert_eq!(plan.next(ms(800)), slot(800, 0));
    }

    #[test]
    fn requests_and_missed_slots_add_up_to_the_time_passed() {
        let mut plan = Plan::new(Pacing::Interval, ms(10));
        let (mut now, mut requests, mut missed) = (ms(0), 0, 0);
        // Latencies from 0 to 36 ms, in no particular order.
        for step in 0..1_000_u64 {
            let slot = plan.next(now);
            requests += 1;
            missed += slot.missed;
            assert!(slot.at >= now);
            assert_eq!(slot.at.as_millis() / 10, u128::from(requests + missed - 1));
            now = slot.at + ms(step * 7 % 37);
        }
    }

    #[test]
    fn sleeping_counts_from_the_answer() {
        let mut plan = Plan::new(Pacing::Sleep, ms(100));
        assert_eq!(plan.next(ms(0)), slot(0, 0));
        assert_eq!(plan.next(ms(250)), slot(350, 0));
        assert_eq!(plan.next(ms(400)), slot(500, 0));
    }

    #[test]
    fn zero_is_back_to_back() {
        let mut plan = Plan::new(Pacing::Interval, ms(0));
        assert_eq!(plan.next(ms(0)), slot(0, 0));
        assert_eq!(plan.next(ms(7)), slot(7, 0));
        assert_eq!(plan.next(ms(7)), slot(7, 0));
    }

    #[test]
    fn only_known_pacings() {
        assert_eq!("interval".parse(), Ok(Pacing::Interval));
        assert_eq!("sleep".parse(), Ok(Pacing::Sleep));
        assert_eq!("burst".parse::<Pacing>(), Err(Unknown("burst".to_owned())));
    }
}
