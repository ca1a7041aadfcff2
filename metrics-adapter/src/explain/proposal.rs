//! How many replicas one metric asks for.
//!
//! Follows kubernetes 1.36, `pkg/controller/podautoscaler/replica_calculator.go`, number for
//! number: golden vectors of its own functions are replayed by `tests/golden`. All values are
//! whole thousandths, and are cut off where there they are.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::pod::{Groups, Patience, Pod, Readings};

/// How far a metric may be from its target without consequence, as parts of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Above the target.
    pub up: f64,
    /// Below the target.
    pub down: f64,
}

impl Default for Tolerance {
    /// `--horizontal-pod-autoscaler-tolerance`.
    fn default() -> Self {
        Self { up: 0.1, down: 0.1 }
    }
}

impl Tolerance {
    /// Whether a ratio is so near to 1 that it changes nothing.
    pub(super) fn covers(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// Why a metric asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The metric has no value at all.
    #[error("the metric has no value")]
    NoValue,
    /// There is no pod to count with.
    #[error("there is no pod")]
    NoPods,
    /// No pod that counts has a value.
    #[error("no pod that counts has a value (pods might be unready)")]
    NoReadings,
    /// A pod requests nothing of the resource, and so has no utilization.
    #[error("pod {0} has no request of the resource")]
    NoRequest(Arc<str>),
    /// The pods that have values request nothing.
    #[error("the requests of the pods with values add up to 0")]
    NoRequests,
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Replicas, before limits of any kind.
    pub replicas: i32,
    /// The usage, as the HPA's status tells it: thousandths, or percents of a utilization.
    pub usage: i64,
    /// The usage as parts of the target, before anything is put in for pods without a value.
    pub ratio: f64,
}

/// What is known besides the metric.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Replicas now, `spec.replicas` of the target's scale.
    pub current: i32,
    /// The pods of the target.
    pub pods: &'a [Pod],
    /// What changes nothing.
    pub tolerance: Tolerance,
    /// What new pods may do.
    pub patience: Patience,
    /// The present.
    pub now: Timestamp,
}

/// The target of a metric of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodTarget {
    /// A mean of so many thousandths.
    AverageValue(i64),
    /// A mean of so many percents of what the pods request.
    Utilization(i32),
}

/// A metric that is measured per pod: `Pods`, `Resource`, `ContainerResource`.
///
/// # Errors
/// [`Unknown`].
pub fn of_pods(
    situation: &Situation<'_>,
    mut readings: Readings,
    target: PodTarget,
    is_cpu: bool,
) -> Result<Proposal, Unknown> {
    let Situation {
        current,
        pods,
        tolerance,
        patience,
        now,
    } = *situation;
    if pods.is_empty() {
        return Err(Unknown::NoPods);
    }
    let groups = Groups::new(pods, &readings, is_cpu, patience, now);
    for name in groups.ignored.iter().chain(&groups.unready) {
        readings.remove(name);
    }
    if readings.is_empty() {
        return Err(Unknown::NoReadings);
    }
    if let PodTarget::Utilization(_) = target
        && let Some(pod) = pods.iter().find(|pod| pod.request.is_none())
    {
        return Err(Unknown::NoRequest(Arc::clone(&pod.name)));
    }
    let mut values: Vec<(&Arc<str>, i64)> = readings
        .iter()
        .map(|(name, reading)| (name, reading.value))
        .collect();
    let requests: Requests<'_> = match target {
        PodTarget::AverageValue(_) => Requests::new(),
        PodTarget::Utilization(_) => pods
            .iter()
            .filter_map(|pod| Some((&*pod.name, pod.request?)))
            .collect(),
    };
    let (ratio, usage) = target.ratio(&values, &requests)?;
    let proposal = |replicas| Proposal {
        replicas,
        usage,
        ratio,
    };
    let counts_unready = !groups.unready.is_empty() && ratio > 1.0;
    if !counts_unready && groups.missing.is_empty() {
        if tolerance.covers(ratio) {
            return Ok(proposal(current));
        }
        return Ok(proposal(ceil(ratio * count(groups.ready))));
    }
    // What is not known is taken so that it speaks against the change.
    if ratio < 1.0 {
        let of = |name| (name, target.full(name, &requests));
        values.extend(groups.missing.iter().map(of));
    } else if ratio > 1.0 {
        values.extend(groups.missing.iter().map(|name| (name, 0)));
    }
    if counts_unready {
        values.extend(groups.unready.iter().map(|name| (name, 0)));
    }
    let (cautious, _) = target.ratio(&values, &requests)?;
    let turns = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
    if tolerance.covers(cautious) || turns {
        return Ok(proposal(current));
    }
    let replicas = ceil(cautious * count(values.len()));
    if (cautious < 1.0 && replicas > current) || (cautious > 1.0 && replicas < current) {
        return Ok(proposal(current));
    }
    Ok(proposal(replicas))
}

/// What each pod requests, in thousandths; empty where it does not count.
type Requests<'a> = HashMap<&'a str, i64>;

impl PodTarget {
    /// The mean as parts of the target, and as the HPA's status tells it.
    fn ratio(
        self,
        values: &[(&Arc<str>, i64)],
        requests: &Requests<'_>,
    ) -> Result<(f64, i64), Unknown> {
        match self {
            Self::AverageValue(target) => {
                let total = values.iter().map(|(_, value)| *value);
                let total = total.fold(0, i64::saturating_add);
                // There is at least one value, see above.
                let mean = total / i64::try_from(values.len()).unwrap_or(i64::MAX);
                Ok((float(mean) / float(target), mean))
            }
            Self::Utilization(target) => {
                let (mut used, mut requested) = (0_i64, 0_i64);
                for (name, value) in values {
                    if let Some(request) = requests.get(&***name) {
                        used = used.saturating_add(*value);
                        requested = requested.saturating_add(*request);
                    }
                }
                if requested == 0 {
                    return Err(Unknown::NoRequests);
                }
                let percents = used.saturating_mul(100) / requested;
                Ok((float(percents) / f64::from(target), percents))
            }
        }
    }

    /// What a pod without a value is taken to use where less would mean fewer replicas: the
    /// target, or all that it requests.
    fn full(self, name: &Arc<str>, requests: &Requests<'_>) -> i64 {
        match self {
            Self::AverageValue(target) => target,
            Self::Utilization(target) => {
                let request = requests.get(&**name).copied().unwrap_or(0);
                request * i64::from(target.max(100)) / 100
            }
        }
    }
}

/// A metric of the whole with a target for the whole: `Object` and `External` with `value`.
///
/// # Errors
/// [`Unknown::NoPods`].
pub fn of_whole(situation: &Situation<'_>, usage: i64, target: i64) -> Result<Proposal, Unknown> {
    let ratio = float(usage) / float(target);
    let replicas = if situation.current == 0 {
        ceil(ratio)
    } else if situation.tolerance.covers(ratio) {
        situation.current
    } else if situation.pods.is_empty() {
        return Err(Unknown::NoPods);
    } else {
        let ready = situation.pods.iter().filter(|pod| pod.is_ready()).count();
        ceil(ratio * count(ready))
    };
    Ok(Proposal {
        replicas,
        usage,
        ratio,
    })
}

/// A metric of the whole with a target for each pod: `Object` and `External` with
/// `averageValue`. Of the pods only the number counts, which here is that of the scale's status.
pub fn of_whole_per_pod(situation: &Situation<'_>, usage: i64, target: i64) -> Proposal {
    let ratio = float(usage) / (float(target) * f64::from(situation.current));
    let replicas = if situation.tolerance.covers(ratio) {
        situation.current
    } else {
        ceil(float(usage) / float(target))
    };
    // Cast: between 0 and the usage, but for no replicas, where there is no mean.
    #[allow(clippy::cast_possible_truncation)]
    let mean = (float(usage) / f64::from(situation.current)).ceil() as i64;
    Proposal {
        replicas,
        usage: mean,
        ratio,
    }
}

/// Up to the next whole number of replicas; what is beyond all numbers is the largest one.
fn ceil(replicas: f64) -> i32 {
    // Casts saturate.
    #[allow(clippy::cast_possible_truncation)]
    let replicas = replicas.ceil() as i32;
    replicas
}

/// Thousandths of values that are told apart; beyond 2^53 Go rounds alike.
#[allow(clippy::cast_precision_loss)]
const fn float(milli: i64) -> f64 {
    milli as f64
}

/// A number of pods.
#[allow(clippy::cast_precision_loss)]
const fn count(pods: usize) -> f64 {
    pods as f64
}
