//! What was recorded, at the moments of the syncs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use super::question::{POD, Question};
use super::{PodName, SimulateError, flag};
use crate::explain::autoscaler::{Source, Workload};
use crate::model::Quantity;
use crate::model::sample::Labels;
use crate::prometheus::range::{MAX_POINTS, RangeClient, Series};

/// Two weeks at 6 s; each sync is kept in memory.
const MAX_SYNCS: u128 = 200_000;
/// Values of one answer at most, syncs times series: each takes about 100 bytes.
const MAX_VALUES: usize = 10_000_000;
/// Names that a message lists at most.
const LISTED: usize = 5;
/// One of what kubernetes' `rand.SafeEncodeString` makes names of.
const LETTER: &str = "[bcdfghjklmnpqrstvwxz2456789]";

/// The moments of the syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeline {
    from: Timestamp,
    step: Duration,
    syncs: u32,
}

impl Timeline {
    /// From the first moment on, up to the last one; `None` for too many. `from` is before `to`,
    /// and `step` is not zero.
    pub(super) fn new(from: Timestamp, to: Timestamp, step: Duration) -> Option<Self> {
        let length = to.duration_since(from).unsigned_abs();
        let syncs = length.as_nanos() / step.as_nanos().max(1) + 1;
        let syncs = u32::try_from(syncs).ok();
        let syncs = syncs.filter(|syncs| u128::from(*syncs) <= MAX_SYNCS)?;
        Some(Self { from, step, syncs })
    }

    pub(super) const fn syncs(&self) -> u32 {
        self.syncs
    }

    pub(super) const fn step(&self) -> Duration {
        self.step
    }

    pub(super) const fn from(&self) -> Timestamp {
        self.from
    }

    /// The moment of the last sync.
    pub(super) fn to(&self) -> Timestamp {
        self.at(self.syncs - 1)
    }

    /// The moment of a sync, of which there are [`Self::syncs`].
    pub(super) fn at(&self, sync: u32) -> Timestamp {
        self.from + self.step * sync
    }

    /// The sync that a point of a range query belongs to; Prometheus has milliseconds.
    fn index(&self, at: Timestamp) -> Option<usize> {
        let half = self.step / 2;
        let since =
            at.duration_since(self.from).as_nanos() + i128::try_from(half.as_nanos()).ok()?;
        let step = i128::try_from(self.step.as_nanos()).ok()?;
        let index = usize::try_from(since.checked_div_euclid(step)?).ok()?;
        (index < self.syncs as usize).then_some(index)
    }
}

/// Which pods belong to the workload.
#[derive(Clone, Debug)]
pub(super) struct PodFilter {
    pattern: Regex,
    workload: String,
}

impl PodFilter {
    /// As given, or by the names that controllers give to their pods.
    pub(super) fn new(given: Option<&str>, workload: &Workload) -> Result<Self, SimulateError> {
        let name = regex::escape(&workload.name);
        let default = match workload.kind.as_str() {
            "Deployment" => format!("{name}-{LETTER}{{1,10}}-{LETTER}{{5}}"),
            "ReplicaSet" | "ReplicationController" | "DaemonSet" => {
                format!("{name}-{LETTER}{{5}}")
            }
            "StatefulSet" => format!("{name}-[0-9]+"),
            _ => format!("{name}-.+"),
        };
        let text = given.unwrap_or(&default);
        let pattern = Regex::new(&format!("^(?:{text})$"));
        let pattern = pattern.map_err(|error| {
            let error = error.to_string();
            let cause = error.lines().last().unwrap_or_default().to_owned();
            flag(
                "--pods",
                format!("{text:?}: {}", cause.trim_start_matches("error: ")),
            )
        })?;
        Ok(Self {
            pattern,
            workload: workload.to_string(),
        })
    }

    fn text(&self) -> &str {
        self.pattern.as_str()
    }

    /// Whose pods were taken: what their names begin with, for a reader to see strangers.
    pub(super) fn told(&self, pods: &[BTreeSet<PodName>]) -> Option<String> {
        let names: BTreeSet<&str> = pods.iter().flatten().map(AsRef::as_ref).collect();
        let start = |name| str::rsplit_once(name, '-').map_or(name, |(start, _)| start);
        let prefixes: BTreeSet<&str> = names.into_iter().map(start).collect();
        if prefixes.is_empty() {
            return None;
        }
        let listed: Vec<String> = prefixes
            .iter()
            .take(LISTED)
            .map(|prefix| format!("{prefix}-*"))
            .collect();
        let more = match prefixes.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "the pods of {} are {}{more} (--pods tells others)",
            self.workload,
            listed.join(", ")
        ))
    }
}

/// One metric over time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum History {
    /// At every sync, thousandths by pod.
    PerPod(Vec<BTreeMap<PodName, i64>>),
    /// At every sync, thousandths.
    Whole(Vec<Option<i64>>),
}

/// Asks for a metric; and what is to be said about the answer.
pub(super) async fn fetch<C: RangeClient>(
    client: &C,
    source: &Source,
    question: &Question,
    timeline: Timeline,
    filter: &PodFilter,
) -> Result<(History, Option<String>), SimulateError> {
    let metric = source.to_string();
    let what = format!("metric {metric} ({})", question.origin);
    let series = range(client, &what, &question.promql, timeline).await?;
    let wrong = |reason: String| SimulateError::Metric {
        metric: metric.clone(),
        reason,
    };
    if series.is_empty() {
        return Err(wrong(format!(
            "no data from {} to {} for {}",
            timeline.from(),
            timeline.to(),
            question.promql
        )));
    }
    let milli = |value: f64| {
        if value.is_nan() {
            return question.nan;
        }
        // Infinite or too large is no value, as the adapter has it.
        Quantity::from_f64(value).ok().map(Quantity::milli)
    };
    let Some(label) = question.label.as_deref().filter(|_| source.is_per_pod()) else {
        let mut whole = vec![None; timeline.syncs() as usize];
        for series in series.iter().filter(|series| question.is_about(series)) {
            for (index, value) in points(series, timeline) {
                if let Some(value) = milli(value) {
                    let sum: &mut Option<i64> = &mut whole[index];
                    *sum = Some(sum.unwrap_or(0).saturating_add(value));
                }
            }
        }
        if whole.iter().all(Option::is_none) {
            return Err(wrong(format!("no usable value for {}", question.promql)));
        }
        return Ok((History::Whole(whole), None));
    };
    let named = by_pod(&series, label, filter).map_err(wrong)?;
    let mut by_sync = vec![BTreeMap::new(); timeline.syncs() as usize];
    let mut doubled = None;
    for (place, (name, series)) in named.iter().enumerate() {
        for (index, value) in points(series, timeline) {
            if let Some(value) = milli(value)
                && by_sync[index].insert(Arc::clone(name), value).is_some()
            {
                doubled.get_or_insert((place, index));
            }
        }
    }
    let Some((place, index)) = doubled else {
        return Ok((History::PerPod(by_sync), None));
    };
    let (name, series) = &named[place];
    let mut before = named[..place].iter();
    let other = before.find(|(other, series)| {
        other == name && points(series, timeline).any(|(other, _)| other == index)
    });
    let other = other.map_or_else(String::new, |(_, other)| selector(&other.labels) + " and ");
    let several = format!(
        "pod {name} has several values at a time, of {other}{}",
        selector(&series.labels)
    );
    if question.is_given {
        let advice = "one is needed, such as sum by (pod) (...)";
        return Err(wrong(format!("{several}: {advice}")));
    }
    let note = format!("{metric}: {several}; the last one counts");
    Ok((History::PerPod(by_sync), Some(note)))
}

/// Labels as PromQL selects them.
fn selector(labels: &Labels) -> String {
    let labels = labels.iter();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", labels.join(","))
}

impl Question {
    fn is_about(&self, series: &Series) -> bool {
        match (&self.object, &self.label) {
            (Some(object), Some(label)) => {
                series.labels.get(label.as_str()).map(AsRef::as_ref) == Some(object.as_str())
            }
            _ => true,
        }
    }
}

/// Which pods there were: those whose element is not 0.
pub(super) async fn pods<C: RangeClient>(
    client: &C,
    promql: &str,
    timeline: Timeline,
    filter: &PodFilter,
) -> Result<Vec<BTreeSet<PodName>>, SimulateError> {
    const FLAG: &str = "--pods-query";
    let series = range(client, FLAG, promql, timeline).await?;
    if series.is_empty() {
        return Err(flag(FLAG, format!("no data for {promql}")));
    }
    let named = by_pod(&series, POD, filter).map_err(|reason| flag(FLAG, reason))?;
    let mut by_sync = vec![BTreeSet::new(); timeline.syncs() as usize];
    for (name, series) in named {
        for (index, value) in points(series, timeline) {
            if value != 0.0 {
                by_sync[index].insert(Arc::clone(&name));
            }
        }
    }
    Ok(by_sync)
}

/// How many replicas there were: the sum of all elements.
pub(super) async fn replicas<C: RangeClient>(
    client: &C,
    promql: &str,
    timeline: Timeline,
) -> Result<Vec<Option<i32>>, SimulateError> {
    const FLAG: &str = "--replicas-query";
    let series = range(client, FLAG, promql, timeline).await?;
    if series.is_empty() {
        return Err(flag(FLAG, format!("no data for {promql}")));
    }
    let mut sums = vec![None; timeline.syncs() as usize];
    for series in &series {
        for (index, value) in points(series, timeline) {
            let sum: &mut Option<f64> = &mut sums[index];
            *sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
    // Casts saturate, and NaN is 0.
    #[allow(clippy::cast_possible_truncation)]
    let whole = |sum: f64| sum.round() as i32;
    Ok(sums.into_iter().map(|sum| sum.map(whole)).collect())
}

/// Values to show beside: a query with one element at a time.
pub(super) async fn shown<C: RangeClient>(
    client: &C,
    name: &str,
    promql: &str,
    timeline: Timeline,
) -> Result<Vec<Option<f64>>, SimulateError> {
    const FLAG: &str = "--show";
    let series = range(client, &format!("{FLAG} {name}"), promql, timeline).await?;
    if series.is_empty() {
        return Err(flag(FLAG, format!("{name}: no data for {promql}")));
    }
    let mut values = vec![None; timeline.syncs() as usize];
    for one in &series {
        for (index, value) in points(one, timeline) {
            if values[index].replace(value).is_some() {
                let others: Vec<String> = series.iter().map(|one| selector(&one.labels)).collect();
                let reason = format!(
                    "{name}: several elements at a time, such as {}: one is needed, such as \
                     sum(...) or max(...)",
                    others[..others.len().min(2)].join(" and ")
                );
                return Err(flag(FLAG, reason));
            }
        }
    }
    // JSON has no other numbers, and a picture no place for them.
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    Ok(values.into_iter().map(finite).collect())
}

/// The series of the workload's pods.
fn by_pod<'a>(
    series: &'a [Series],
    label: &str,
    filter: &PodFilter,
) -> Result<Vec<(PodName, &'a Series)>, String> {
    let mut others = BTreeSet::new();
    let mut named = Vec::new();
    for series in series {
        match series.labels.get(label) {
            Some(name) if filter.pattern.is_match(name) => named.push((Arc::clone(name), series)),
            Some(name) => {
                others.insert(Arc::clone(name));
            }
            None => {}
        }
    }
    if !named.is_empty() {
        return Ok(named);
    }
    if others.is_empty() {
        return Err(format!("no element of the answer has the label {label:?}"));
    }
    let listed: Vec<&str> = others.iter().take(LISTED).map(AsRef::as_ref).collect();
    Err(format!(
        "no pod of {} has a value: no name matches {} (--pods), but there are {}",
        filter.workload,
        filter.text(),
        listed.join(", ")
    ))
}

fn points(series: &Series, timeline: Timeline) -> impl Iterator<Item = (usize, f64)> {
    let points = series.points.iter();
    points.filter_map(move |(at, value)| Some((timeline.index(*at)?, *value)))
}

/// A range query, in as many parts as Prometheus needs.
async fn range<C: RangeClient>(
    client: &C,
    what: &str,
    promql: &str,
    timeline: Timeline,
) -> Result<Vec<Series>, SimulateError> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < timeline.syncs() {
        let last = (first + MAX_POINTS - 1).min(timeline.syncs() - 1);
        let (start, end) = (timeline.at(first), timeline.at(last));
        let part = client.query_range(promql, start, end, timeline.step());
        all.extend(part.await.map_err(|cause| SimulateError::Prometheus {
            what: what.to_owned(),
            cause,
        })?);
        first = last + 1;
        if all.iter().map(|series| series.points.len()).sum::<usize>() > MAX_VALUES {
            let reason = format!("{what}: more than {MAX_VALUES} values, syncs times series");
            return Err(flag("--sync-period", reason));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::prometheus::PrometheusError;

    const STEP: Duration = Duration::from_secs(15);

    fn timeline(syncs: u32) -> Timeline {
        let from = Timestamp::UNIX_EPOCH;
        // Not quite one more.
        let to = from + STEP * syncs - Duration::from_millis(1);
        Timeline::new(from, to, STEP).unwrap()
    }

    #[test]
    fn a_point_belongs_to_the_nearest_sync() {
        let timeline = timeline(4);
        assert_eq!(
            (timeline.syncs(), timeline.to()),
            (4, timeline.from() + STEP * 3)
        );
        for (milliseconds, sync) in [
            (-7000, Some(0)),
            (-8000, None),
            (7400, Some(0)),
            (7600, Some(1)),
            (45_000, Some(3)),
            (60_000, None),
        ] {
            let at = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(timeline.index(at), sync, "{milliseconds}");
        }
        let to = timeline.from() + Duration::from_secs(200_001);
        assert_eq!(
            Timeline::new(timeline.from(), to, Duration::from_secs(1)),
            None
        );
    }

    #[test]
    fn pods_are_told_by_the_names_that_controllers_give() {
        let matches = |kind: &str, pod: &str| {
            let workload = Workload {
                kind: kind.to_owned(),
                name: "web.v1".to_owned(),
            };
            let filter = PodFilter::new(None, &workload).unwrap();
            filter.pattern.is_match(pod)
        };
        assert!(matches("Deployment", "web.v1-5d8f97c6b4-x2zkq"));
        // Jobs', and other Deployments'.
        assert!(!matches("Deployment", "web.v1-migrate-x2zkq"));
        assert!(!matches("Deployment", "web.v1-5d8f97c6b4-aaaaa"));
        assert!(matches("DaemonSet", "web.v1-x2zkq"));
        assert!(!matches("DaemonSet", "web.v1-5d8f97c6b4-x2zkq"));
        assert!(!matches("Deployment", "web.v1-api-5d8f97c6b4-x2zkq"));
        assert!(!matches("Deployment", "webxv1-5d8f97c6b4-x2zkq"));
        assert!(matches("StatefulSet", "web.v1-10"));
        assert!(!matches("StatefulSet", "web.v1-db-0"));
        assert!(matches("ReplicaSet", "web.v1-x2zkq"));
    }

    /// Remembers the spans that it was asked for.
    struct Spans(Mutex<Vec<(Timestamp, Timestamp)>>);

    impl RangeClient for Spans {
        async fn query_range(
            &self,
            _promql: &str,
            start: Timestamp,
            end: Timestamp,
            _step: Duration,
        ) -> Result<Vec<Series>, PrometheusError> {
            self.0.lock().unwrap().push((start, end));
            Ok(vec![Series {
                labels: std::iter::empty().collect(),
                points: vec![(start, 1.0), (end, 2.0)],
            }])
        }
    }

    #[tokio::test]
    async fn a_long_time_is_asked_for_in_parts() {
        let timeline = timeline(MAX_POINTS + 2);
        let client = Spans(Mutex::default());
        let replicas = replicas(&client, "q", timeline).await.unwrap();
        let last = MAX_POINTS as usize;
        assert_eq!(
            [0, 1, last - 1, last, last + 1].map(|sync| replicas[sync]),
            [Some(1), None, Some(2), Some(1), Some(2)]
        );
        let spans = client.0.into_inner().unwrap();
        assert_eq!(spans[0].1 + STEP, spans[1].0);
        assert_eq!(spans[1].1, timeline.to());
    }
}
