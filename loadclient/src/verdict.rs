//! Whether the goal was held: a pure judgement over samples on a regular grid.
//!
//! Law: the goal is held only if every step of the whole window holds; a step without data does
//! not hold.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Distance between two samples.
pub const STEP: Duration = Duration::from_secs(5);

/// What has to be held.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// At least this many requests per second.
    pub min_rps: f64,
    /// A mean latency below this, in milliseconds.
    pub max_mean_ms: f64,
}

/// The worst and the average of the samples that exist.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The one farthest from (or farthest beyond) the goal.
    pub worst: f64,
    /// The mean over the steps.
    pub average: f64,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether every step held.
    pub held: bool,
    /// What was asked.
    pub goal: Goal,
    /// The length of the window.
    pub window_seconds: u64,
    /// How many steps it has.
    pub steps: usize,
    /// Steps with too few requests per second.
    pub steps_below_rps: usize,
    /// Steps with too high a mean.
    pub steps_above_mean: usize,
    /// Steps without data for one or both.
    pub steps_without_data: usize,
    /// Requests per second.
    pub rps: Option<Figures>,
    /// Mean latency in milliseconds.
    pub mean_ms: Option<Figures>,
}

/// How many steps a window has: both ends count.
#[must_use]
pub fn steps(window: Duration) -> usize {
    usize::try_from(window.as_nanos().div_ceil(STEP.as_nanos())).unwrap_or(usize::MAX - 1) + 1
}

/// Judges samples of requests per second and of mean latency in seconds, one per step; `None` or
/// not a number where there is no data.
#[must_use]
pub fn judge(goal: Goal, window: Duration, rps: &[Option<f64>], mean: &[Option<f64>]) -> Verdict {
    let finite = |sample: Option<f64>| sample.filter(|value| value.is_finite());
    let at = |samples: &[Option<f64>], step: usize| finite(samples.get(step).copied().flatten());
    let steps = steps(window);
    let rps: Vec<_> = (0..steps).map(|step| at(rps, step)).collect();
    let mean_ms: Vec<_> = (0..steps)
        .map(|step| at(mean, step).map(|mean| mean * 1e3))
        .collect();
    let below = rps
        .iter()
        .flatten()
        .filter(|rps| **rps < goal.min_rps)
        .count();
    let above = mean_ms
        .iter()
        .flatten()
        .filter(|mean| **mean >= goal.max_mean_ms)
        .count();
    let pairs = rps.iter().zip(&mean_ms);
    let without = pairs
        .filter(|(rps, mean)| rps.is_none() || mean.is_none())
        .count();
    Verdict {
        held: below == 0 && above == 0 && without == 0,
        goal,
        window_seconds: window.as_secs(),
        steps,
        steps_below_rps: below,
        steps_above_mean: above,
        steps_without_data: without,
        rps: figures(&rps, f64::min),
        mean_ms: figures(&mean_ms, f64::max),
    }
}

fn figures(samples: &[Option<f64>], worse: fn(f64, f64) -> f64) -> Option<Figures> {
    let samples: Vec<f64> = samples.iter().copied().flatten().collect();
    let worst = samples.iter().copied().reduce(worse)?;
    Some(Figures {
        worst,
        average: samples.iter().sum::<f64>() / samples.len() as f64,
    })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            goal,
            window_seconds,
            steps,
            ..
        } = self;
        let word = if self.held { "held" } else { "not held" };
        writeln!(
            f,
            "goal {word}: at least {} requests/s at a mean below {} ms over {window_seconds} s",
            goal.min_rps, goal.max_mean_ms
        )?;
        let figures = |figures: Option<Figures>, unit: &str| match figures {
            Some(Figures { worst, average }) => {
                format!("worst {worst:.1}{unit}, average {average:.1}{unit}")
            }
            None => "no data".to_owned(),
        };
        writeln!(f, "requests/s: {}", figures(self.rps, ""))?;
        writeln!(f, "mean latency: {}", figures(self.mean_ms, " ms"))?;
        write!(
            f,
            "of {steps} steps: {} below the rate, {} above the mean, {} without data",
            self.steps_below_rps, self.steps_above_mean, self.steps_without_data
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal = Goal {
        min_rps: 150.0,
        max_mean_ms: 100.0,
    };
    const WINDOW: Duration = Duration::from_secs(10);

    fn verdict(rps: &[f64], mean: &[f64]) -> Verdict {
        let some = |samples: &[f64]| samples.iter().copied().map(Some).collect::<Vec<_>>();
        judge(GOAL, WINDOW, &some(rps), &some(mean))
    }

    #[test]
    fn held_if_every_step_holds() {
        let verdict = verdict(&[150.0, 160.0, 170.0], &[0.04, 0.05, 0.0999]);
        assert!(verdict.held);
        assert_eq!(
            verdict.rps,
            Some(Figures {
                worst: 150.0,
                average: 160.0
            })
        );
        assert_eq!(verdict.mean_ms.unwrap().worst, 99.9);
    }

    #[test]
    fn one_step_is_enough_to_fail() {
        let slow = verdict(&[200.0; 3], &[0.04, 0.1, 0.04]);
        assert!(!slow.held, "a mean of exactly 100 ms is not below 100 ms");
        assert_eq!((slow.steps_below_rps, slow.steps_above_mean), (0, 1));
        let few = verdict(&[200.0, 149.9, 200.0], &[0.04; 3]);
        assert!(!few.held);
        assert_eq!((few.steps_below_rps, few.steps_above_mean), (1, 0));
    }

    #[test]
    fn missing_data_is_not_held() {
        let nothing = judge(GOAL, WINDOW, &[], &[]);
        assert!(!nothing.held);
        assert_eq!((nothing.steps_without_data, nothing.rps), (3, None));
        // 0 requests/s make a mean of 0 / 0.
        let idle = judge(
            Goal {
                min_rps: 0.0,
                ..GOAL
            },
            WINDOW,
            &[Some(0.0); 3],
            &[Some(f64::NAN), Some(0.01), Some(0.01)],
        );
        assert!(!idle.held);
        assert_eq!(idle.steps_without_data, 1);
        assert!(
            !verdict(&[200.0, 200.0], &[0.04, 0.04]).held,
            "a step is missing at the end"
        );
    }

    #[test]
    fn a_window_counts_both_ends_and_is_never_shortened() {
        assert_eq!(steps(Duration::from_secs(60)), 13);
        assert_eq!(steps(Duration::from_secs(61)), 14);
        assert_eq!(steps(Duration::from_secs(1)), 2);
    }

    #[test]
    fn the_text_says_what_and_why() {
        let text = verdict(&[200.0, 100.0, 200.0], &[0.04, 0.05, 0.06]).to_string();
        let expected = "goal not held: at least 150 requests/s at a mean below 100 ms over 10 s\n\
                        requests/s: worst 100.0, average 166.7\n\
                        mean latency: worst 60.0 ms, average 50.0 ms\n\
                        of 3 steps: 1 below the rate, 0 above the mean, 0 without data";
        assert_eq!(text, expected);
    }
}
