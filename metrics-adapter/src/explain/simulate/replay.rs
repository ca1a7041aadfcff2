//! One candidate's controller over the recorded time. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::history::{History, Timeline};
use super::{Mode, Model, PodName};
use crate::explain::autoscaler::{Autoscaler, Metric, Source, Target};
use crate::explain::controller::{Controller, Decision, Flags};
use crate::explain::pod::{Patience, Pod, Reading, Readings, Status};
use crate::explain::proposal::{self, PodTarget, Proposal, Situation, Unknown};

/// All that was recorded.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) timeline: Timeline,
    /// One for each metric of the candidates.
    pub(super) metrics: Vec<History>,
    /// The pods that there were, at every sync.
    pub(super) pods: Vec<BTreeSet<PodName>>,
    /// The replicas that there were, at every sync.
    pub(super) replicas: Vec<Option<i32>>,
}

impl Recording {
    /// Without `pods` they are those with a value; without `replicas` it is their number.
    pub(super) fn new(
        timeline: Timeline,
        metrics: Vec<History>,
        pods: Option<Vec<BTreeSet<PodName>>>,
        replicas: Option<Vec<Option<i32>>>,
    ) -> Self {
        let syncs = timeline.syncs() as usize;
        let is_per_pod = |history: &History| matches!(history, History::PerPod(_));
        let tells_pods = pods.is_some() || metrics.iter().any(is_per_pod);
        let pods = pods.unwrap_or_else(|| {
            let mut union = vec![BTreeSet::new(); syncs];
            for history in &metrics {
                let History::PerPod(by_sync) = history else {
                    continue;
                };
                for (all, values) in union.iter_mut().zip(by_sync) {
                    all.extend(values.keys().cloned());
                }
            }
            union
        });
        let counted = || {
            let count = |pods: &BTreeSet<PodName>| i32::try_from(pods.len()).ok();
            let counts = pods.iter().map(count);
            counts.map(|it| it.filter(|_| tells_pods)).collect()
        };
        Self {
            replicas: replicas.unwrap_or_else(counted),
            timeline,
            metrics,
            pods,
        }
    }

    /// The replicas at the first sync at which there were any.
    pub(super) fn first_replicas(&self) -> Option<i32> {
        let mut replicas = self.replicas.iter().flatten();
        replicas.find(|count| **count > 0).copied()
    }

    /// The recorded values of the pods that there were.
    pub(super) fn values(&self, metric: usize, sync: usize) -> BTreeMap<PodName, i64> {
        match &self.metrics[metric] {
            History::PerPod(by_sync) => {
                let values = by_sync[sync].iter();
                let values = values.filter(|(name, _)| self.pods[sync].contains(*name));
                values
                    .map(|(name, value)| (Arc::clone(name), *value))
                    .collect()
            }
            History::Whole(_) => BTreeMap::new(),
        }
    }
}

/// What all candidates have in common.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    /// One for each metric of the recording.
    pub(super) models: Vec<Model>,
    pub(super) startup: Duration,
    /// What a pod requests, in thousandths: one for each metric of the recording.
    pub(super) requests: Vec<Option<i64>>,
    /// Replicas at the beginning.
    pub(super) initial: i32,
    pub(super) flags: Flags,
}

/// One sync.
#[derive(Clone, Debug)]
pub(super) struct Sync {
    /// Replicas before it.
    pub(super) before: i32,
    /// Pods that counted.
    pub(super) ready: usize,
    /// What each metric asked for.
    pub(super) proposals: Vec<Result<Proposal, Unknown>>,
    pub(super) decision: Decision,
}

/// Simulated pods at most, summed over the syncs: each costs time at its sync, and the last ones
/// memory.
const MAX_PODS: usize = 10_000_000;

/// Replays the recording; `places` tells where each metric of the candidate is in it. Fails where
/// there would be too many pods.
pub(super) fn replay(
    recording: &Recording,
    autoscaler: &Autoscaler,
    places: &[usize],
    settings: &Settings,
) -> Result<Vec<Sync>, String> {
    let Autoscaler {
        bounds, behavior, ..
    } = autoscaler;
    let mut controller = Controller::new(*bounds, behavior.clone(), settings.flags);
    let mut simulated = 0_usize;
    let mut fleet = Fleet::new(settings.initial, recording.timeline.from());
    let mut syncs = Vec::new();
    let moments = (0..recording.timeline.syncs()).map(|sync| recording.timeline.at(sync));
    for (sync, now) in moments.enumerate() {
        let pods = match settings.mode {
            Mode::Modelled => fleet.pods(now),
            Mode::AsRecorded => {
                let names = recording.pods[sync].iter();
                names.map(|name| Pod::ready(Arc::clone(name))).collect()
            }
        };
        let current = fleet.replicas();
        let propose = |(metric, place): (&Metric, &usize)| {
            let mut pods = pods.clone();
            if matches!(metric.source, Source::Resource { .. }) {
                let request = settings.requests[*place];
                pods.iter_mut().for_each(|pod| pod.request = request);
            }
            let situation = Situation {
                current,
                pods: &pods,
                tolerance: controller.tolerance(),
                patience: Patience::default(),
                now,
            };
            let model = (settings.mode == Mode::Modelled).then(|| settings.models[*place]);
            propose(recording, (*place, sync), metric, &situation, model)
        };
        let proposals: Vec<_> = autoscaler.metrics.iter().zip(places).map(propose).collect();
        let decision = controller.sync(now, current, &proposals);
        syncs.push(Sync {
            before: current,
            ready: pods.iter().filter(|pod| pod.is_ready()).count(),
            proposals,
            decision,
        });
        simulated = simulated.saturating_add(usize::try_from(decision.desired).unwrap_or(0));
        if simulated > MAX_PODS {
            return Err(format!(
                "at {now} it wants {} replicas; at most {MAX_PODS} pods are simulated, summed over \
                 the syncs (maxReplicas, --sync-period)",
                decision.desired
            ));
        }
        fleet.scale(decision.desired, now + settings.startup);
    }
    Ok(syncs)
}

/// What one metric asks for.
fn propose(
    recording: &Recording,
    (place, sync): (usize, usize),
    metric: &Metric,
    situation: &Situation<'_>,
    model: Option<Model>,
) -> Result<Proposal, Unknown> {
    match &recording.metrics[place] {
        History::Whole(values) => {
            let value = values[sync].ok_or(Unknown::NoValue)?;
            match metric.target {
                Target::AverageValue(target) => {
                    Ok(proposal::of_whole_per_pod(situation, value, target))
                }
                Target::Value(target) => proposal::of_whole(situation, value, target),
                // The manifest's reader has no such metric.
                Target::Utilization(_) => Err(Unknown::NoValue),
            }
        }
        History::PerPod(_) => {
            let recorded = recording.values(place, sync);
            let values = match model {
                None => recorded,
                Some(model) => modelled(&recorded, situation.pods, model),
            };
            if values.is_empty() {
                return Err(Unknown::NoValue);
            }
            let reading = |(name, value)| {
                let reading = Reading {
                    value,
                    timestamp: situation.now,
                    window: Duration::ZERO,
                };
                (name, reading)
            };
            let readings: Readings = values.into_iter().map(reading).collect();
            let target = match metric.target {
                Target::Utilization(percents) => PodTarget::Utilization(percents),
                Target::AverageValue(milli) | Target::Value(milli) => {
                    PodTarget::AverageValue(milli)
                }
            };
            proposal::of_pods(situation, readings, target, metric.source.is_cpu())
        }
    }
}

/// The values that the simulated pods would have had: those that are ready have equal ones.
fn modelled(
    recorded: &BTreeMap<PodName, i64>,
    pods: &[Pod],
    model: Model,
) -> BTreeMap<PodName, i64> {
    let serving: Vec<&Pod> = pods.iter().filter(|pod| pod.is_ready()).collect();
    let among = match model {
        Model::Split => serving.len(),
        Model::Recorded => recorded.len(),
    };
    if recorded.is_empty() || among == 0 {
        return BTreeMap::new();
    }
    let sum = recorded
        .values()
        .fold(0_i64, |sum, value| sum.saturating_add(*value));
    let each = sum / i64::try_from(among).unwrap_or(i64::MAX);
    let names = serving.into_iter().map(|pod| Arc::clone(&pod.name));
    names.map(|name| (name, each)).collect()
}

/// The simulated pods, the oldest first.
struct Fleet {
    /// Names, and when they have values.
    pods: Vec<(PodName, Timestamp)>,
}

impl Fleet {
    fn new(replicas: i32, ready: Timestamp) -> Self {
        let mut fleet = Self { pods: Vec::new() };
        fleet.scale(replicas, ready);
        fleet
    }

    fn replicas(&self) -> i32 {
        i32::try_from(self.pods.len()).unwrap_or(i32::MAX)
    }

    /// New pods are ready at `ready`; the newest go first.
    fn scale(&mut self, replicas: i32, ready: Timestamp) {
        let wanted = usize::try_from(replicas).unwrap_or(0);
        self.pods.truncate(wanted);
        for index in self.pods.len()..wanted {
            self.pods.push((format!("pod-{index:04}").into(), ready));
        }
    }

    fn pods(&self, now: Timestamp) -> Vec<Pod> {
        let pod = |(name, ready): &(PodName, Timestamp)| {
            let mut pod = Pod::ready(Arc::clone(name));
            if *ready > now
                && let Some(readiness) = &mut pod.readiness
            {
                readiness.status = Status::False;
            }
            pod
        };
        self.pods.iter().map(pod).collect()
    }
}
