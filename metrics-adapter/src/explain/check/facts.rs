//! What Prometheus has of one series query.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Options;
use super::world::World;
use crate::model::QueryValue;
use crate::model::sample::Labels;
use crate::prometheus::inspect::InspectClient;
use crate::prometheus::{PrometheusError, QueryClient, SeriesSet, SeriesShape};
use crate::rules::{Rule, RuleSet, quote};

/// How far back samples are looked at for the time between two of them.
const SPACING: &str = "10m";

/// What was learned, or why not; rules with one series query share it.
pub(super) type Learned = Arc<Result<Facts, PrometheusError>>;

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// What a relist finds.
    pub(super) set: Arc<SeriesSet>,
    /// How many series of each name have a sample now; `None` where that is not known.
    pub(super) live: Option<BTreeMap<String, usize>>,
    /// One of them for each name.
    pub(super) examples: BTreeMap<String, Labels>,
}

/// What each rule's series query finds, in the order of the rules.
pub(super) async fn learn<C: QueryClient>(
    client: &C,
    rules: &RuleSet,
    options: &Options,
) -> Vec<Learned> {
    let end = client.present();
    let start = end.checked_sub(options.max_age);
    let start = start.unwrap_or(Timestamp::UNIX_EPOCH);
    let mut known: BTreeMap<&str, Learned> = BTreeMap::new();
    let mut all = Vec::new();
    for rule in rules.discovered() {
        let selector = rule.series_query().as_ref();
        let learned = match known.get(selector) {
            Some(learned) => Arc::clone(learned),
            None => Arc::new(Facts::learn(client, selector, start, end).await),
        };
        known.insert(selector, Arc::clone(&learned));
        all.push(learned);
    }
    all
}

impl Facts {
    async fn learn<C: QueryClient>(
        client: &C,
        selector: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Self, PrometheusError> {
        let set = client.series(selector, start, end).await?;
        let counted = format!("count by (__name__) ({selector})");
        let live = client.query(&counted).await.ok().map(|counts| {
            let named = vector(counts).into_iter().filter_map(|(labels, count)| {
                let name = labels.get("__name__")?.to_string();
                // A number of series: whole, and far below 2^53.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                Some((name, count as usize))
            });
            named.collect()
        });
        let picked = format!("topk by (__name__) (1, {selector})");
        let picked = client.query(&picked).await;
        let examples = picked.map_or_else(|_| Vec::new(), vector);
        let examples = examples.into_iter().filter_map(|(labels, _)| {
            let name = labels.get("__name__")?.to_string();
            Some((name, labels))
        });
        Ok(Self {
            set: Arc::new(set),
            live,
            examples: examples.collect(),
        })
    }

    /// The names of all series, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.set.shapes.iter().map(|shape| &*shape.name).collect();
        names.dedup();
        names
    }

    /// The series that pass a rule's filters.
    pub(super) fn accepted(&self, rule: &Rule) -> Vec<&SeriesShape> {
        let passes = |shape: &&SeriesShape| rule.metric_name(&shape.name).is_some();
        self.set.shapes.iter().filter(passes).collect()
    }

    /// The time between two samples of a name's example: what its job is scraped by, or else what
    /// its last samples show, which is the median.
    pub(super) async fn interval<C: InspectClient>(
        &self,
        client: &C,
        rule: &Rule,
        world: &World,
    ) -> Option<Duration> {
        let mut examples = self.examples.iter();
        let (_, labels) = examples.find(|(name, _)| rule.metric_name(name).is_some())?;
        let told = labels.get("job").and_then(|job| world.interval(job));
        if told.is_some() {
            return told;
        }
        let matchers = labels
            .iter()
            .map(|(name, value)| format!("{name}={}", quote(value)));
        let matchers: Vec<String> = matchers.collect();
        let selector = format!("{{{}}}[{SPACING}]", matchers.join(","));
        let series = client.raw_samples(&selector).await.ok()?;
        let points = &series.first()?.points;
        median(points.iter().map(|(at, _)| *at))
    }
}

/// The elements of a result, with their values.
fn vector(value: QueryValue) -> Vec<(Labels, f64)> {
    match value {
        QueryValue::Vector(samples) => {
            let pairs = samples
                .into_iter()
                .map(|sample| (sample.labels, sample.value));
            pairs.collect()
        }
        QueryValue::Scalar { .. } => Vec::new(),
    }
}

fn median(times: impl Iterator<Item = Timestamp>) -> Option<Duration> {
    let times: Vec<Timestamp> = times.collect();
    let distances = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    let mut distances: Vec<Duration> = distances.map(jiff::SignedDuration::unsigned_abs).collect();
    distances.sort();
    distances.get(distances.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_scrape_makes_no_interval() {
        let at = [0, 15, 30, 60, 75].map(|second| Timestamp::from_second(second).unwrap());
        assert_eq!(median(at.into_iter()), Some(Duration::from_secs(15)));
        assert_eq!(median(at.into_iter().take(1)), None);
    }
}
