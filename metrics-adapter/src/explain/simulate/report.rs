//! What came of a simulation, in figures: the JSON output, and all that table and picture show.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::history::History;
use super::question::Question;
use super::replay::{Recording, Settings, Sync};
use super::{Candidate, Mode};
use crate::explain::autoscaler::{Metric, Source, Target};
use crate::explain::controller::Reason;

/// A simulation. Lists over time have one element for each of `times`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The HPA's name.
    pub autoscaler: String,
    /// Its namespace.
    pub namespace: String,
    /// What it scales, for instance `Deployment/server`.
    pub workload: String,
    /// Seconds between two syncs.
    pub sync_period_seconds: f64,
    /// `modelled` or `as-recorded`.
    pub mode: &'static str,
    /// What is assumed, and what is left out.
    pub notes: Vec<String>,
    /// The moments of the syncs.
    pub times: Vec<Time>,
    /// What was recorded.
    pub recorded: Recorded,
    /// What would have been.
    pub candidates: Vec<Candidature>,
}

/// A time, in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What was recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Replicas over time.
    pub replicas: Vec<Option<i32>>,
    /// Changes of their number.
    pub rescales: Vec<Rescale>,
    /// The metrics of all candidates.
    pub metrics: Vec<RecordedMetric>,
    /// What else was asked for.
    pub shown: Vec<Shown>,
}

/// What is shown beside, as recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// As it was named.
    pub name: String,
    /// What Prometheus was asked.
    pub query: String,
    /// The values.
    pub values: Vec<Option<f64>>,
}

/// A recorded metric.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedMetric {
    /// For instance `pods/requests_per_second`.
    pub metric: String,
    /// Whether each pod has a value.
    pub per_pod: bool,
    /// `split` or `recorded`.
    pub model: &'static str,
    /// The rule, or the flag.
    pub origin: String,
    /// What Prometheus was asked.
    pub query: String,
    /// The sum over all pods, or the value of the whole.
    pub totals: Vec<Option<f64>>,
    /// The mean of the pods.
    pub means: Vec<Option<f64>>,
}

/// A candidate, and what it would have done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidature {
    /// The file, or what was typed.
    pub name: String,
    /// `minReplicas`.
    pub min_replicas: i32,
    /// `maxReplicas`.
    pub max_replicas: i32,
    /// Its metrics.
    pub metrics: Vec<Goal>,
    /// In a few figures.
    pub summary: Summary,
    /// Changes of the number of replicas.
    pub rescales: Vec<Rescale>,
    /// Replicas after each sync.
    pub replicas: Vec<i32>,
    /// Pods that counted at each sync.
    pub ready: Vec<usize>,
    /// What the metrics asked for at each sync, before limits.
    pub wanted: Vec<Option<i32>>,
    /// Why it became what it became: the reasons of the HPA's conditions.
    pub reasons: Vec<&'static str>,
}

/// A metric of a candidate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// For instance `pods/requests_per_second`.
    pub metric: String,
    /// Its place among the recorded ones.
    pub recorded: usize,
    /// In words.
    pub target: String,
    /// In the unit of `usage`.
    pub value: f64,
    /// What the HPA would have seen: a mean, a whole, or percents.
    pub usage: Vec<Option<f64>>,
    /// Why there is no usage: each cause once.
    pub errors: Vec<String>,
}

/// A candidate in a few figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The fewest replicas.
    pub fewest: i32,
    /// The mean over time.
    pub mean: f64,
    /// The most replicas.
    pub most: i32,
    /// Replicas times hours.
    pub pod_hours: f64,
    /// How often their number changed.
    pub rescales: usize,
    /// The part of the syncs at which a metric was above its target by more than the tolerance.
    pub above_target: f64,
    /// The part of the syncs at which a metric had no value; the others may decide without it.
    pub metric_missing: f64,
    /// The part of the syncs at which that held the replicas.
    pub held: f64,
    /// The part of the syncs after which there were as many as recorded.
    pub as_recorded: f64,
}

/// A change of the number of replicas.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rescale {
    /// When.
    pub time: Time,
    /// Replicas before.
    pub from: i32,
    /// Replicas after.
    pub to: i32,
    /// Why not more, or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The metric that asked for the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<f64>,
}

/// What a report is made of.
pub(super) struct Material<'a> {
    pub(super) namespace: &'a str,
    pub(super) candidates: &'a [Candidate],
    pub(super) sources: &'a [Source],
    pub(super) questions: &'a [Question],
    pub(super) recording: &'a Recording,
    pub(super) shown: Vec<Shown>,
    pub(super) settings: &'a Settings,
    pub(super) runs: &'a [Vec<Sync>],
    pub(super) notes: Vec<String>,
}

pub(super) fn assemble(material: &Material<'_>) -> Report {
    let timeline = material.recording.timeline;
    let times: Vec<Time> = (0..timeline.syncs())
        .map(|sync| Time(timeline.at(sync)))
        .collect();
    let first = &material.candidates[0].autoscaler;
    let hours = timeline.step().as_secs_f64() / 3600.0;
    Report {
        autoscaler: first.name.clone(),
        namespace: material.namespace.to_owned(),
        workload: first.workload.to_string(),
        sync_period_seconds: timeline.step().as_secs_f64(),
        mode: match material.settings.mode {
            Mode::Modelled => "modelled",
            Mode::AsRecorded => "as-recorded",
        },
        notes: material.notes.clone(),
        recorded: recorded(material, &times),
        candidates: material
            .candidates
            .iter()
            .zip(material.runs)
            .map(|(candidate, run)| {
                candidature(candidate, run, &times, &material.recording.replicas, hours)
            })
            .collect(),
        times,
    }
}

fn recorded(material: &Material<'_>, times: &[Time]) -> Recorded {
    let recording = material.recording;
    let mut rescales = Vec::new();
    let mut last = None;
    for (time, replicas) in times.iter().zip(&recording.replicas) {
        if let Some(to) = *replicas {
            if let Some(from) = last.filter(|from| *from != to) {
                rescales.push(Rescale {
                    time: *time,
                    from,
                    to,
                    reason: None,
                    metric: None,
                    usage: None,
                });
            }
            last = Some(to);
        }
    }
    let metric = |(place, (source, question)): (usize, (&Source, &Question))| {
        let (mut totals, mut means) = (Vec::new(), Vec::new());
        for sync in 0..times.len() {
            let (total, mean) = match &recording.metrics[place] {
                History::Whole(values) => (values[sync], None),
                History::PerPod(_) => {
                    let values = recording.values(place, sync);
                    let sum = values
                        .values()
                        .fold(0_i64, |sum, value| sum.saturating_add(*value));
                    let pods = i64::try_from(values.len()).unwrap_or(i64::MAX);
                    let some = !values.is_empty();
                    (some.then_some(sum), some.then(|| sum / pods))
                }
            };
            totals.push(total.map(units));
            means.push(mean.map(units));
        }
        RecordedMetric {
            metric: source.to_string(),
            per_pod: source.is_per_pod(),
            model: material.settings.models[place].as_str(),
            origin: question.origin.clone(),
            query: question.promql.clone(),
            totals,
            means,
        }
    };
    let metrics = material.sources.iter().zip(material.questions);
    Recorded {
        replicas: recording.replicas.clone(),
        rescales,
        metrics: metrics.enumerate().map(metric).collect(),
        shown: material.shown.clone(),
    }
}

fn candidature(
    candidate: &Candidate,
    run: &[Sync],
    times: &[Time],
    recorded: &[Option<i32>],
    hours: f64,
) -> Candidature {
    let autoscaler = &candidate.autoscaler;
    let goals: Vec<Goal> = autoscaler
        .metrics
        .iter()
        .zip(&candidate.places)
        .enumerate()
        .map(|(index, (metric, place))| goal(index, metric, *place, run))
        .collect();
    let rescale = |(index, (sync, time)): (usize, (&Sync, &Time))| {
        let metric = sync.decision.metric;
        (sync.decision.desired != sync.before).then(|| Rescale {
            time: *time,
            from: sync.before,
            to: sync.decision.desired,
            reason: Some(sync.decision.reason.word(&autoscaler.metrics)),
            metric: metric.map(|metric| goals[metric].metric.clone()),
            usage: metric.and_then(|metric| goals[metric].usage[index]),
        })
    };
    let rescales: Vec<Rescale> = run
        .iter()
        .zip(times)
        .enumerate()
        .filter_map(rescale)
        .collect();
    let replicas: Vec<i32> = run.iter().map(|sync| sync.decision.desired).collect();
    let tolerated = 1.0 + tolerance(candidate);
    let above = |sync: &&Sync| {
        let mut ratios = sync
            .proposals
            .iter()
            .flatten()
            .map(|proposal| proposal.ratio);
        ratios.any(|ratio| ratio > tolerated)
    };
    let part = |part: usize| count(part) / count(run.len());
    let sum: f64 = replicas.iter().copied().map(f64::from).sum();
    let equal = replicas.iter().zip(recorded);
    let summary = Summary {
        fewest: replicas.iter().copied().min().unwrap_or(0),
        mean: sum / count(run.len()),
        most: replicas.iter().copied().max().unwrap_or(0),
        pod_hours: sum * hours,
        rescales: rescales.len(),
        above_target: part(run.iter().filter(above).count()),
        metric_missing: part(
            run.iter()
                .filter(|sync| sync.proposals.iter().any(Result::is_err))
                .count(),
        ),
        held: part(
            run.iter()
                .filter(|sync| matches!(sync.decision.reason, Reason::FailedGetMetric(_)))
                .count(),
        ),
        as_recorded: part(equal.filter(|(own, other)| Some(**own) == **other).count()),
    };
    Candidature {
        name: candidate.name.clone(),
        min_replicas: autoscaler.bounds.min,
        max_replicas: autoscaler.bounds.max,
        metrics: goals,
        summary,
        rescales,
        ready: run.iter().map(|sync| sync.ready).collect(),
        wanted: run.iter().map(|sync| sync.decision.wanted).collect(),
        reasons: run
            .iter()
            .map(|sync| sync.decision.reason.word(&autoscaler.metrics))
            .collect(),
        replicas,
    }
}

/// What is tolerated above a target.
fn tolerance(candidate: &Candidate) -> f64 {
    let behavior = candidate.autoscaler.behavior.as_ref();
    behavior
        .and_then(|behavior| behavior.up.tolerance)
        .unwrap_or(candidate.tolerance)
}

fn goal(index: usize, metric: &Metric, place: usize, run: &[Sync]) -> Goal {
    let (value, is_percents) = match metric.target {
        Target::Value(milli) | Target::AverageValue(milli) => (units(milli), false),
        Target::Utilization(percents) => (f64::from(percents), true),
    };
    let mut errors: Vec<String> = Vec::new();
    let mut usage = Vec::with_capacity(run.len());
    for sync in run {
        // A sync that does not come so far asks all metrics all the same.
        match &sync.proposals[index] {
            Ok(proposal) if is_percents => usage.push(Some(units(proposal.usage) * 1000.0)),
            Ok(proposal) => usage.push(Some(units(proposal.usage))),
            Err(error) => {
                let error = error.to_string();
                if !errors.contains(&error) {
                    errors.push(error);
                }
                usage.push(None);
            }
        }
    }
    Goal {
        metric: metric.source.to_string(),
        recorded: place,
        target: metric.target.to_string(),
        value,
        usage,
        errors,
    }
}

/// Thousandths in units; beyond 2^53 of them the last ones are rounded.
#[allow(clippy::cast_precision_loss)]
fn units(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

/// A number of syncs.
#[allow(clippy::cast_precision_loss)]
const fn count(syncs: usize) -> f64 {
    syncs as f64
}
