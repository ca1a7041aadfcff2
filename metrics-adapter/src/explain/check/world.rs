//! What Prometheus tells of itself, whatever the rules are.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::PrometheusDuration;
use crate::prometheus::PrometheusError;
use crate::prometheus::inspect::{InspectClient, Target};

/// All of it; what it does not tell is empty.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Of all metrics, sorted; `None` where they are not told.
    pub(super) names: Option<Vec<String>>,
    types: BTreeMap<String, String>,
    /// The longest one, by job.
    intervals: BTreeMap<String, Duration>,
}

impl World {
    /// Asks for everything. Other backends have no metadata or targets: then there are notes.
    pub(super) async fn learn<C: InspectClient>(client: &C, notes: &mut Vec<String>) -> Self {
        let mut note = |what: &str, error: &PrometheusError| {
            notes.push(format!("{what}: {error}"));
        };
        let names = client.metric_names().await;
        let names = names
            .map_err(|error| note("typing errors are not looked for", &error))
            .ok();
        let types = client.metric_types().await.unwrap_or_else(|error| {
            note("types of metrics are not known", &error);
            BTreeMap::new()
        });
        let targets = client.targets().await.unwrap_or_else(|error| {
            note("scrape intervals are those of samples only", &error);
            Vec::new()
        });
        Self {
            names,
            types,
            intervals: intervals(&targets),
        }
    }

    /// Time between two scrapes of a job.
    pub(super) fn interval(&self, job: &str) -> Option<Duration> {
        self.intervals.get(job).copied()
    }

    /// Whether a series is known to be a gauge.
    pub(super) fn is_gauge(&self, series: &str) -> bool {
        self.types.get(series).is_some_and(|kind| kind == "gauge")
    }
}

fn intervals(targets: &[Target]) -> BTreeMap<String, Duration> {
    let mut intervals: BTreeMap<String, Duration> = BTreeMap::new();
    for target in targets {
        if let Ok(interval) = PrometheusDuration::parse(&target.scrape_interval) {
            let longest = intervals.entry(target.job.clone()).or_default();
            *longest = interval.get().max(*longest);
        }
    }
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_interval_of_a_job_counts() {
        let target = |job: &str, interval: &str| Target {
            job: job.to_owned(),
            scrape_interval: interval.to_owned(),
        };
        let found = intervals(&[target("a", "15s"), target("a", "1m"), target("b", "")]);
        assert_eq!(
            found,
            BTreeMap::from([("a".to_owned(), Duration::from_secs(60))])
        );
    }

    #[test]
    fn a_gauge_is_what_is_told_to_be_one() {
        let types = [("g", "gauge"), ("c", "counter"), ("h", "histogram")];
        let world = World {
            types: types
                .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
                .into(),
            ..World::default()
        };
        for (series, is_gauge) in [("g", true), ("c", false), ("h_bucket", false), ("x", false)] {
            assert_eq!(world.is_gauge(series), is_gauge, "{series}");
        }
    }
}
