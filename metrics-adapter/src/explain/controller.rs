//! What the HPA's controller makes of what its metrics ask for.
//!
//! Follows `reconcileAutoscaler` of kubernetes 1.36, `pkg/controller/podautoscaler/horizontal.go`,
//! with the feature gates that it has by default: `HPAConfigurableTolerance` is on, `HPAScaleToZero`
//! is off, so that a target without replicas is left alone. Time is told by the caller.

use std::time::Duration;

use jiff::Timestamp;

use super::autoscaler::{Metric, Source};
use super::behavior::{Behavior, Changes};
use super::proposal::{Proposal, Tolerance, Unknown};

/// kube-controller-manager's flags.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// `--horizontal-pod-autoscaler-downscale-stabilization`.
    pub downscale_stabilization: Duration,
    /// `--horizontal-pod-autoscaler-tolerance`, as parts of 1.
    pub tolerance: f64,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            downscale_stabilization: Duration::from_secs(300),
            tolerance: 0.1,
        }
    }
}

/// `minReplicas` and `maxReplicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The fewest replicas.
    pub min: i32,
    /// The most replicas.
    pub max: i32,
}

/// Why there are as many replicas as there are: the reason of the HPA's condition that tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Wanted, and allowed.
    DesiredWithinRange,
    /// The target has no replicas, and stays so.
    ScalingDisabled,
    /// Too little is known for a change: the first of the metrics that have no value. The
    /// condition names its type too.
    FailedGetMetric(usize),
    /// `maxReplicas`; for replicas beyond it, which need no metric, the controller sets no
    /// condition.
    TooManyReplicas,
    /// `minReplicas`, likewise.
    TooFewReplicas,
    /// Policies upwards.
    ScaleUpLimit,
    /// Policies downwards.
    ScaleDownLimit,
    /// Fewer replicas were wanted shortly before.
    ScaleUpStabilized,
    /// More replicas were wanted shortly before.
    ScaleDownStabilized,
}

impl Reason {
    /// The condition's word, for an HPA with these metrics.
    pub fn word(self, metrics: &[Metric]) -> &'static str {
        match self {
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::ScalingDisabled => "ScalingDisabled",
            Self::FailedGetMetric(metric) => match metrics.get(metric).map(|it| &it.source) {
                Some(Source::Object { .. }) => "FailedGetObjectMetric",
                Some(Source::External { .. }) => "FailedGetExternalMetric",
                Some(Source::Resource {
                    container: None, ..
                }) => "FailedGetResourceMetric",
                Some(Source::Resource { .. }) => "FailedGetContainerResourceMetric",
                Some(Source::Pods { .. }) | None => "FailedGetPodsMetric",
            },
            Self::TooManyReplicas => "TooManyReplicas",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
            Self::ScaleUpStabilized => "ScaleUpStabilized",
            Self::ScaleDownStabilized => "ScaleDownStabilized",
        }
    }
}

/// The outcome of one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Replicas from now on.
    pub desired: i32,
    /// What the metrics ask for; `None` where they were not asked, or too little is known.
    pub wanted: Option<i32>,
    /// Which metric asks for the most.
    pub metric: Option<usize>,
    /// Why it is `desired` that counts.
    pub reason: Reason,
}

/// One HPA's controller, with what it remembers.
#[derive(Clone, Debug)]
pub struct Controller {
    bounds: Bounds,
    behavior: Option<Behavior>,
    flags: Flags,
    /// What was wanted, and when.
    recommendations: Vec<(Timestamp, i32)>,
    changes: Changes,
}

impl Controller {
    /// A controller that has just begun to look after an HPA.
    pub fn new(bounds: Bounds, behavior: Option<Behavior>, flags: Flags) -> Self {
        Self {
            bounds,
            behavior,
            flags,
            recommendations: Vec::new(),
            changes: Changes::default(),
        }
    }

    /// What is tolerated of each metric.
    pub fn tolerance(&self) -> Tolerance {
        let of = |own: fn(&Behavior) -> Option<f64>| {
            let own = self.behavior.as_ref().and_then(own);
            own.unwrap_or(self.flags.tolerance)
        };
        Tolerance {
            up: of(|behavior| behavior.up.tolerance),
            down: of(|behavior| behavior.down.tolerance),
        }
    }

    /// One sync: from what there is and what each metric asks for to what there shall be.
    pub fn sync(
        &mut self,
        now: Timestamp,
        current: i32,
        proposals: &[Result<Proposal, Unknown>],
    ) -> Decision {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
        let decision = self.decide(now, current, proposals);
        if decision.desired != current
            && let Some(behavior) = &self.behavior
        {
            self.changes.add(behavior, now, current, decision.desired);
        }
        decision
    }

    fn decide(
        &mut self,
        now: Timestamp,
        current: i32,
        proposals: &[Result<Proposal, Unknown>],
    ) -> Decision {
        let Bounds { min, max } = self.bounds;
        let unasked = |desired, reason| Decision {
            desired,
            wanted: None,
            metric: None,
            reason,
        };
        if current == 0 {
            return unasked(0, Reason::ScalingDisabled);
        }
        if current > max {
            return unasked(max, Reason::TooManyReplicas);
        }
        if current < min {
            return unasked(min, Reason::TooFewReplicas);
        }
        let Some((wanted, metric)) = largest(proposals, current) else {
            let first = proposals.iter().position(Result::is_err);
            return unasked(current, Reason::FailedGetMetric(first.unwrap_or(0)));
        };
        let (stabilized, stabilizing) = self.stabilize(now, current, wanted);
        let (desired, limiting) = self.limit(now, current, stabilized);
        let reason = match limiting {
            Some(limiting) => limiting,
            None if stabilized != wanted => stabilizing,
            None => Reason::DesiredWithinRange,
        };
        Decision {
            desired,
            wanted: Some(wanted),
            metric,
            reason,
        }
    }

    /// Takes back what would be a short-lived change.
    fn stabilize(&mut self, now: Timestamp, current: i32, wanted: i32) -> (i32, Reason) {
        let default = self.flags.downscale_stabilization;
        let Some(behavior) = &self.behavior else {
            let cutoff = now - default;
            self.recommendations.retain(|(at, _)| *at >= cutoff);
            self.recommendations.push((now, wanted));
            return (
                largest_of(&self.recommendations),
                Reason::ScaleDownStabilized,
            );
        };
        let up_cutoff = now - behavior.up.window.unwrap_or_default();
        let down_cutoff = now - behavior.down.window.unwrap_or(default);
        let since = |cutoff: Timestamp| {
            let recent = self.recommendations.iter();
            let recent = recent.filter(move |(at, _)| *at > cutoff);
            recent.map(|(_, wanted)| *wanted)
        };
        let least = since(up_cutoff).fold(wanted, i32::min);
        let most = since(down_cutoff).fold(wanted, i32::max);
        let cutoff = up_cutoff.min(down_cutoff);
        self.recommendations.retain(|(at, _)| *at >= cutoff);
        self.recommendations.push((now, wanted));
        let reason = if wanted >= current {
            Reason::ScaleUpStabilized
        } else {
            Reason::ScaleDownStabilized
        };
        // Not `clamp`: where the two cross, the largest has the last word.
        (current.max(least).min(most), reason)
    }

    /// Keeps to the bounds, and to what may change at a time.
    fn limit(&self, now: Timestamp, current: i32, wanted: i32) -> (i32, Option<Reason>) {
        let Bounds { min, max } = self.bounds;
        let Some(behavior) = &self.behavior else {
            // Doubling, or 4 to begin with.
            let most = current.saturating_mul(2).max(4);
            let (most, reason) = if max > most {
                (most, Reason::ScaleUpLimit)
            } else {
                (max, Reason::TooManyReplicas)
            };
            return if wanted < min {
                (min, Some(Reason::TooFewReplicas))
            } else if wanted > most {
                (most, Some(reason))
            } else {
                (wanted, None)
            };
        };
        if wanted > current {
            let most = self.changes.most(&behavior.up, current, now);
            let (most, reason) = if max > most {
                (most, Reason::ScaleUpLimit)
            } else {
                (max, Reason::TooManyReplicas)
            };
            if wanted > most {
                return (most, Some(reason));
            }
        } else if wanted < current {
            let fewest = self.changes.fewest(&behavior.down, current, now);
            let (fewest, reason) = if min < fewest {
                (fewest, Reason::ScaleDownLimit)
            } else {
                (min, Reason::TooFewReplicas)
            };
            if wanted < fewest {
                return (fewest, Some(reason));
            }
        }
        (wanted, None)
    }
}

/// The largest proposal and whose it is; `None` where no metric has one, or some have none and
/// the others ask for less than there is.
fn largest(proposals: &[Result<Proposal, Unknown>], current: i32) -> Option<(i32, Option<usize>)> {
    let mut wanted = 0;
    let mut metric = None;
    let mut failed = 0;
    for (index, proposal) in proposals.iter().enumerate() {
        match proposal {
            Err(_) => failed += 1,
            Ok(proposal) => {
                if wanted == 0 || proposal.replicas > wanted {
                    (wanted, metric) = (proposal.replicas, Some(index));
                }
            }
        }
    }
    let is_unknown = failed >= proposals.len() || (failed > 0 && wanted < current);
    (!is_unknown).then_some((wanted.max(0), metric))
}

fn largest_of(recommendations: &[(Timestamp, i32)]) -> i32 {
    let wanted = recommendations.iter().map(|(_, wanted)| *wanted);
    wanted.max().unwrap_or(0)
}
