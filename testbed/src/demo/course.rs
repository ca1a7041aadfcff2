//! What to do next, from what is seen. Law: pure; it is told samples and says actions. Conditions
//! end a step; a deadline ends the wait for them.

use super::plan::{
    GOAL, HOLD, HOLD_DEADLINE, JUDGE_AGAIN, OFFER_TOLERANCE, STEADY, STEP_DEADLINE, STEP_LEAST,
    STOP_DEADLINE, TARGET, TOLERANCE, offered,
};
use crate::report::Sample;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    /// Look again.
    Wait,
    /// Set the number of clients.
    Clients(u32),
    /// Ask for the verdict.
    Judge,
    /// It is over.
    End,
}

/// Where the demo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// At this step of the load.
    Load(usize),
    /// At the last step, which has settled, or was given up.
    Hold,
    /// The load was stopped.
    Stopped,
}

/// The course of one demo.
#[derive(Debug)]
pub(super) struct Course {
    /// Clients of each step.
    clients: Vec<u32>,
    stage: Stage,
    /// When the stage began.
    since: f64,
    /// Since when everything is as it should be.
    good: Option<f64>,
    /// Since when the goal is held.
    held: Option<f64>,
    /// When a verdict may be asked for again.
    judge: f64,
    /// When each step settled, the end of the load included.
    settled: Vec<Option<f64>>,
}

impl Course {
    /// Begins with the first step's clients running already.
    pub(super) fn new(clients: Vec<u32>) -> Self {
        Self {
            clients,
            stage: Stage::Load(0),
            since: 0.0,
            good: None,
            held: None,
            judge: 0.0,
            settled: Vec::new(),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// When the stage began.
    pub(super) fn since(&self) -> f64 {
        self.since
    }

    /// Clients that run now.
    pub(super) fn clients(&self) -> u32 {
        match self.stage {
            Stage::Load(step) => self.clients.get(step).copied().unwrap_or(0),
            Stage::Hold => self.clients.last().copied().unwrap_or(0),
            Stage::Stopped => 0,
        }
    }

    /// When each step settled; `None` for one that was given up.
    pub(super) fn settled(&self) -> &[Option<f64>] {
        &self.settled
    }

    /// How long the goal is held already.
    pub(super) fn held(&self, now: f64) -> Option<f64> {
        self.held.map(|since| now - since)
    }

    /// Takes notice of a sample.
    pub(super) fn observe(&mut self, sample: &Sample) -> Action {
        let now = sample.t;
        let holds = holds_goal(sample);
        self.held = self.held.filter(|_| holds).or(holds.then_some(now));
        let good = match self.stage {
            Stage::Stopped => is_back(sample),
            Stage::Load(_) | Stage::Hold => is_settled(sample, self.clients()),
        };
        self.good = self.good.filter(|_| good).or(good.then_some(now));
        let steady = self.good.is_some_and(|since| now - since >= STEADY);
        let late = |deadline: f64| now - self.since >= deadline;
        match self.stage {
            Stage::Load(step) if (steady && late(STEP_LEAST)) || late(STEP_DEADLINE) => {
                self.settled.push(self.good.filter(|_| steady));
                let next = step + 1;
                if let Some(clients) = self.clients.get(next).copied() {
                    self.enter(Stage::Load(next), now);
                    Action::Clients(clients)
                } else {
                    self.enter(Stage::Hold, now);
                    Action::Wait
                }
            }
            Stage::Hold => {
                let long = self.held(now).is_some_and(|it| it >= HOLD.as_secs_f64());
                if (long && now >= self.judge) || late(HOLD_DEADLINE) {
                    self.judge = now + JUDGE_AGAIN;
                    Action::Judge
                } else {
                    Action::Wait
                }
            }
            Stage::Stopped if steady || late(STOP_DEADLINE) => {
                self.settled.push(self.good.filter(|_| steady));
                Action::End
            }
            Stage::Load(_) | Stage::Stopped => Action::Wait,
        }
    }

    /// Takes notice of a verdict; a negative one is final only when it is late.
    pub(super) fn judged(&mut self, held: bool, now: f64) -> Action {
        if self.stage == Stage::Hold && (held || now - self.since >= HOLD_DEADLINE) {
            self.enter(Stage::Stopped, now);
            return Action::Clients(0);
        }
        Action::Wait
    }

    fn enter(&mut self, stage: Stage, now: f64) {
        self.stage = stage;
        self.since = now;
        self.good = None;
    }
}

/// Whether the goal is held at this moment.
fn holds_goal(sample: &Sample) -> bool {
    sample.rps.is_some_and(|rps| rps >= GOAL.min_rps)
        && sample
            .mean
            .is_some_and(|mean| mean * 1e3 < GOAL.max_mean_ms)
}

/// Whether the offered requests are handled well, by as many pods as the HPA wants, and the HPA has
/// no reason to want more.
fn is_settled(sample: &Sample, clients: u32) -> bool {
    let offered = offered(clients);
    let near = |rps: f64| (rps - offered).abs() <= OFFER_TOLERANCE * offered;
    let enough = |per_pod: f64| per_pod <= TARGET.rps_per_pod * (1.0 + TOLERANCE);
    let wanted = sample.desired.filter(|pods| *pods > 0);
    sample.clients == Some(clients)
        && wanted.is_some_and(|pods| enough(offered / f64::from(pods)))
        && sample.desired == sample.ready
        && sample.rps.is_some_and(near)
        && sample.metric.is_some_and(enough)
        && sample
            .mean
            .is_some_and(|mean| mean * 1e3 < GOAL.max_mean_ms)
}

/// Whether one pod is left, and no more are wanted. (The HPA's own count is up to 15 s old.)
fn is_back(sample: &Sample) -> bool {
    sample.desired == Some(1) && sample.ready == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_sample(t: f64, clients: u32, rps: f64, pods: u32) -> Sample {
        Sample {
            t,
            rps: Some(rps),
            mean: Some(0.045),
            metric: Some(rps / f64::from(pods)),
            desired: Some(pods),
            current: Some(pods),
            ready: Some(pods),
            clients: Some(clients),
            ..Sample::default()
        }
    }

    #[test]
    fn a_step_ends_when_it_was_steady() {
        let mut course = Course::new(vec![1, 6]);
        assert_eq!(course.observe(&mk_sample(0.0, 1, 3.0, 1)), Action::Wait);
        assert_eq!(course.observe(&mk_sample(1.0, 1, 9.8, 1)), Action::Wait);
        let dip = mk_sample(3.0, 1, 9.0, 1);
        assert_eq!(course.observe(&dip), Action::Wait, "begins anew");
        assert_eq!(course.observe(&mk_sample(4.0, 1, 9.8, 1)), Action::Wait);
        assert_eq!(course.observe(&mk_sample(9.0, 1, 9.8, 1)), Action::Wait);
        assert_eq!(
            course.observe(&mk_sample(STEP_LEAST, 1, 9.8, 1)),
            Action::Clients(6)
        );
        assert_eq!(course.settled(), [Some(4.0)]);
        assert_eq!(
            (course.stage(), course.since()),
            (Stage::Load(1), STEP_LEAST)
        );
        let steady = |t| mk_sample(t, 6, 60.0, 2);
        assert_eq!(course.observe(&steady(40.0)), Action::Wait);
        assert_eq!(course.observe(&steady(44.0)), Action::Wait);
        assert_eq!(course.observe(&steady(45.0)), Action::Wait, "the last step");
        assert_eq!(course.stage(), Stage::Hold);
    }

    #[test]
    fn what_keeps_a_step_from_being_settled() {
        let good = mk_sample(0.0, 11, 110.0, 4);
        assert!(is_settled(&good, 11));
        for (what, bad) in [
            (
                "a pod starts",
                Sample {
                    ready: Some(3),
                    ..good
                },
            ),
            (
                "the HPA wants more",
                Sample {
                    desired: Some(5),
                    ..good
                },
            ),
            (
                "too few requests",
                Sample {
                    rps: Some(104.0),
                    ..good
                },
            ),
            (
                "slow",
                Sample {
                    mean: Some(0.1),
                    ..good
                },
            ),
            (
                "the HPA will want more",
                Sample {
                    metric: Some(36.0),
                    ..good
                },
            ),
            (
                "a client starts",
                Sample {
                    clients: Some(10),
                    ..good
                },
            ),
            (
                "the metric does not show it yet",
                Sample {
                    desired: Some(3),
                    ready: Some(3),
                    ..good
                },
            ),
            ("no data", Sample { mean: None, ..good }),
            (
                "no HPA",
                Sample {
                    desired: None,
                    ready: None,
                    current: None,
                    ..good
                },
            ),
        ] {
            assert!(!is_settled(&bad, 11), "{what}");
        }
    }

    #[test]
    fn a_step_that_never_settles_is_given_up() {
        let mut course = Course::new(vec![1, 6]);
        let stuck = |t| mk_sample(t, 1, 5.0, 1);
        assert_eq!(course.observe(&stuck(STEP_DEADLINE - 1.0)), Action::Wait);
        assert_eq!(course.observe(&stuck(STEP_DEADLINE)), Action::Clients(6));
        assert_eq!(course.settled(), [None]);
    }

    /// Brings a course with one step to the wait for the goal, at 15 s.
    fn mk_holding() -> Course {
        let mut course = Course::new(vec![17]);
        for t in [0.0, STEP_LEAST] {
            assert_eq!(course.observe(&mk_sample(t, 17, 170.0, 5)), Action::Wait);
        }
        assert_eq!(course.stage(), Stage::Hold);
        course
    }

    #[test]
    fn the_goal_is_judged_after_its_window_and_again_until_it_is_held() {
        let mut course = mk_holding();
        assert_eq!(course.observe(&mk_sample(59.0, 17, 170.0, 5)), Action::Wait);
        assert_eq!(
            course.observe(&mk_sample(60.0, 17, 170.0, 5)),
            Action::Judge
        );
        assert_eq!(course.judged(false, 61.0), Action::Wait);
        assert_eq!(course.observe(&mk_sample(62.0, 17, 170.0, 5)), Action::Wait);
        assert_eq!(
            course.observe(&mk_sample(65.0, 17, 170.0, 5)),
            Action::Judge
        );
        assert_eq!(course.judged(true, 66.0), Action::Clients(0));
        assert_eq!((course.stage(), course.clients()), (Stage::Stopped, 0));
    }

    #[test]
    fn a_miss_begins_the_window_anew() {
        let mut course = mk_holding();
        course.observe(&mk_sample(50.0, 17, 149.0, 5));
        assert_eq!(course.held(50.0), None);
        assert_eq!(course.observe(&mk_sample(60.0, 17, 170.0, 5)), Action::Wait);
        assert_eq!(course.held(61.0), Some(1.0));
    }

    #[test]
    fn a_goal_that_is_never_held_ends_with_a_negative_verdict() {
        let mut course = mk_holding();
        let late = STEP_LEAST + HOLD_DEADLINE;
        assert_eq!(
            course.observe(&mk_sample(late, 17, 100.0, 5)),
            Action::Judge
        );
        assert_eq!(course.judged(false, late), Action::Clients(0));
    }

    #[test]
    fn it_ends_at_one_pod_or_late() {
        let mut course = mk_holding();
        course.observe(&mk_sample(60.0, 17, 170.0, 5));
        course.judged(true, 60.0);
        assert_eq!(course.observe(&mk_sample(61.0, 0, 100.0, 5)), Action::Wait);
        assert_eq!(course.observe(&mk_sample(90.0, 0, 0.0, 1)), Action::Wait);
        assert_eq!(course.observe(&mk_sample(95.0, 0, 0.0, 1)), Action::End);
        assert_eq!(course.settled(), [Some(0.0), Some(90.0)]);

        let mut course = mk_holding();
        course.observe(&mk_sample(60.0, 17, 170.0, 5));
        course.judged(true, 60.0);
        let late = mk_sample(60.0 + STOP_DEADLINE, 0, 0.0, 5);
        assert_eq!(course.observe(&late), Action::End);
        assert_eq!(course.settled(), [Some(0.0), None]);
    }
}
