//! Pods as the HPA's controller sees them, and what it makes of those that cannot be judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// A pod's `status.phase`, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// Started, or `Unknown`.
    Running,
    /// Ended well; it counts as if it had to have a value.
    Succeeded,
    /// Ended badly.
    Failed,
}

/// A status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

/// A pod's condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it is ready.
    pub status: Status,
    /// Since when.
    pub since: Timestamp,
}

/// What counts of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: Arc<str>,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether it has a `deletionTimestamp`.
    pub deleted: bool,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// The condition `Ready`; new pods have none.
    pub readiness: Option<Readiness>,
    /// What it requests of the resource that is judged, in thousandths.
    pub request: Option<i64>,
}

impl Pod {
    /// A running pod that has been ready for long.
    pub fn ready(name: Arc<str>) -> Self {
        Self {
            name,
            phase: Phase::Running,
            deleted: false,
            started: Some(Timestamp::UNIX_EPOCH),
            readiness: Some(Readiness {
                status: Status::True,
                since: Timestamp::UNIX_EPOCH,
            }),
            request: None,
        }
    }

    /// Whether it counts for metrics that are not about pods.
    pub fn is_ready(&self) -> bool {
        let ready = self.readiness.map(|readiness| readiness.status);
        self.phase == Phase::Running && ready == Some(Status::True)
    }
}

/// A pod's value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In thousandths.
    pub value: i64,
    /// When it was true.
    pub timestamp: Timestamp,
    /// The time that it looks back on.
    pub window: Duration,
}

/// The values of a metric by pod.
pub type Readings = BTreeMap<Arc<str>, Reading>;

/// How long new pods have for getting ready, as flags of kube-controller-manager say.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub initialization: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub readiness_delay: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            initialization: Duration::from_secs(300),
            readiness_delay: Duration::from_secs(30),
        }
    }
}

/// Pods by what becomes of their values.
#[derive(Debug, Default)]
pub struct Groups {
    /// How many count as they are.
    pub ready: usize,
    /// Those that are not ready yet: they count as 0 when there is too much, else not at all.
    pub unready: Vec<Arc<str>>,
    /// Those without a value.
    pub missing: Vec<Arc<str>>,
    /// Those that are about to go, or have failed.
    pub ignored: Vec<Arc<str>>,
}

impl Groups {
    /// Sorts pods. Only for CPU does readiness count (`is_cpu`): starting is work, and says
    /// nothing about the load. As `groupPods` of kubernetes' `replica_calculator.go`.
    pub fn new(
        pods: &[Pod],
        readings: &Readings,
        is_cpu: bool,
        patience: Patience,
        now: Timestamp,
    ) -> Self {
        let mut groups = Self::default();
        for pod in pods {
            let name = || Arc::clone(&pod.name);
            if pod.deleted || pod.phase == Phase::Failed {
                groups.ignored.push(name());
            } else if pod.phase == Phase::Pending {
                groups.unready.push(name());
            } else {
                match readings.get(&pod.name) {
                    None => groups.missing.push(name()),
                    Some(reading) if is_cpu && pod.is_starting(reading, patience, now) => {
                        groups.unready.push(name());
                    }
                    Some(_) => groups.ready += 1,
                }
            }
        }
        groups
    }
}

impl Pod {
    /// Whether its CPU usage is that of a start.
    fn is_starting(&self, reading: &Reading, patience: Patience, now: Timestamp) -> bool {
        let (Some(started), Some(readiness)) = (self.started, self.readiness) else {
            return true;
        };
        let unready = readiness.status == Status::False;
        if started + patience.initialization > now {
            // The window must not reach back into the time before it was ready.
            unready || reading.timestamp < readiness.since + reading.window
        } else {
            // Later only those count that have never been ready.
            unready && started + patience.readiness_delay > readiness.since
        }
    }
}
