//! `spec.behavior`: how fast the number of replicas may change.

use std::time::Duration;

use jiff::Timestamp;

/// Both directions, with the API server's defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// Upwards.
    pub up: ScalingRules,
    /// Downwards.
    pub down: ScalingRules,
}

/// One direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`; downwards `None` is the controller's own.
    pub window: Option<Duration>,
    /// `selectPolicy`.
    pub select: Select,
    /// `policies`, at least one.
    pub policies: Vec<Policy>,
    /// `tolerance`, as parts of 1; `None` is the controller's own.
    pub tolerance: Option<f64>,
}

impl ScalingRules {
    /// The API server's defaults upwards: 4 pods or 100 % in 15 s, at once.
    pub fn up() -> Self {
        let period = Duration::from_secs(15);
        Self {
            window: Some(Duration::ZERO),
            select: Select::Max,
            policies: vec![
                Policy {
                    step: Step::Pods(4),
                    period,
                },
                Policy {
                    step: Step::Percent(100),
                    period,
                },
            ],
            tolerance: None,
        }
    }

    /// The API server's defaults downwards: 100 % in 15 s, after the controller's own window.
    pub fn down() -> Self {
        Self {
            window: None,
            select: Select::Max,
            policies: vec![Policy {
                step: Step::Percent(100),
                period: Duration::from_secs(15),
            }],
            tolerance: None,
        }
    }

    fn longest_period(&self) -> Duration {
        let periods = self.policies.iter().map(|policy| policy.period);
        periods.max().unwrap_or_default()
    }
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: this direction is barred.
    Disabled,
}

/// A limit of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much.
    pub step: Step,
    /// In which time.
    pub period: Duration,
}

/// How much may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many pods.
    Pods(i32),
    /// So many percents of the replicas at the period's start.
    Percent(i32),
}

/// Rescalings of the past.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    up: Vec<Change>,
    down: Vec<Change>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: Timestamp,
    /// How many replicas, without a sign.
    replicas: i32,
    /// No policy of its own direction looks back so far.
    outdated: bool,
}

impl Changes {
    /// Remembers a rescaling. Of the outdated ones the last makes room for it, as in the
    /// controller: the others stay, and the other direction's policies may still see them.
    pub(super) fn add(&mut self, behavior: &Behavior, now: Timestamp, from: i32, to: i32) {
        let (changes, rules) = if to > from {
            (&mut self.up, &behavior.up)
        } else {
            (&mut self.down, &behavior.down)
        };
        let cutoff = now - rules.longest_period();
        for change in changes.iter_mut() {
            change.outdated |= change.at < cutoff;
        }
        let change = Change {
            at: now,
            replicas: (to - from).abs(),
            outdated: false,
        };
        match changes.iter_mut().rfind(|change| change.outdated) {
            Some(outdated) => *outdated = change,
            None => changes.push(change),
        }
    }

    /// Replicas at the start of a period that ends now.
    fn at_start(&self, current: i32, now: Timestamp, period: Duration) -> i32 {
        let cutoff = now - period;
        let sum = |changes: &[Change]| -> i32 {
            let within = changes.iter().filter(|change| change.at > cutoff);
            within.map(|change| change.replicas).sum()
        };
        current - sum(&self.up) + sum(&self.down)
    }

    /// The most replicas that the rules upwards allow.
    pub(super) fn most(&self, rules: &ScalingRules, current: i32, now: Timestamp) -> i32 {
        let proposals = rules.policies.iter().map(|policy| {
            let start = self.at_start(current, now, policy.period);
            match policy.step {
                // Wraps around, as the controller's does: so much allows nothing.
                Step::Pods(pods) => start.wrapping_add(pods),
                // Rounded up, so that a small percentage is a step all the same.
                Step::Percent(percent) => {
                    whole((f64::from(start) * (1.0 + f64::from(percent) / 100.0)).ceil())
                }
            }
        });
        let limit = match rules.select {
            Select::Disabled => None,
            Select::Min => proposals.min(),
            Select::Max => proposals.max(),
        };
        limit.unwrap_or(current).max(current)
    }

    /// The fewest replicas that the rules downwards allow.
    pub(super) fn fewest(&self, rules: &ScalingRules, current: i32, now: Timestamp) -> i32 {
        let proposals = rules.policies.iter().map(|policy| {
            let start = self.at_start(current, now, policy.period);
            match policy.step {
                Step::Pods(pods) => start.wrapping_sub(pods),
                Step::Percent(percent) => {
                    whole(f64::from(start) * (1.0 - f64::from(percent) / 100.0))
                }
            }
        });
        let limit = match rules.select {
            Select::Disabled => None,
            Select::Min => proposals.max(),
            Select::Max => proposals.min(),
        };
        limit.unwrap_or(current).min(current)
    }
}

/// Cut off toward zero.
fn whole(replicas: f64) -> i32 {
    // Casts saturate.
    #[allow(clippy::cast_possible_truncation)]
    let replicas = replicas as i32;
    replicas
}
