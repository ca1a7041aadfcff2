//! What the relist loop tells about itself. Label values are rule places, so there are few.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::source::Source;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RelistLabels {
    rule: Arc<str>,
    result: &'static str,
}

/// Counters and gauges of the relist loop.
#[derive(Clone, Debug)]
pub struct Metrics {
    relists: Family<RelistLabels, Counter>,
    last_success: Family<RuleLabels, Gauge<f64, AtomicU64>>,
    series: Family<RuleLabels, Gauge>,
    in_use: Family<RuleLabels, Gauge>,
    metrics: Gauge,
    collisions: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            relists: Family::default(),
            last_success: Family::default(),
            series: Family::default(),
            in_use: Family::default(),
            metrics: Gauge::default(),
            collisions: Gauge::default(),
        };
        registry.register(
            "rule_relists_total",
            "Series queries by rule and result",
            metrics.relists.clone(),
        );
        registry.register(
            "rule_last_relist_timestamp_seconds",
            "Time of the last successful series query of a rule, 0 before the first",
            metrics.last_success.clone(),
        );
        registry.register(
            "rule_series",
            "Series found by a rule",
            metrics.series.clone(),
        );
        registry.register(
            "rule_answer_in_use",
            "1 while the last answer to a rule's series query makes metrics; 0 before the first, and when it is too old",
            metrics.in_use.clone(),
        );
        registry.register(
            "discovered_metrics",
            "Metrics listed",
            metrics.metrics.clone(),
        );
        registry.register(
            "metric_collisions",
            "Metrics that more than one series claims",
            metrics.collisions.clone(),
        );
        metrics
    }

    /// Makes a rule visible before its first relist, with what is known of its series query already.
    pub(super) fn announce(&self, rule: &Arc<str>, known: Option<&Source>) {
        let last_success = known.and_then(Source::last_success);
        self.last_success
            .get_or_create(&RuleLabels {
                rule: Arc::clone(rule),
            })
            .set(last_success.map_or(0.0, |at| at.as_duration().as_secs_f64()));
        self.in_use(rule, known.and_then(Source::found).map(|found| found.count));
        for result in ["ok", "error"] {
            let _ = self.relists.get_or_create(&RelistLabels {
                rule: Arc::clone(rule),
                result,
            });
        }
    }

    /// Takes a rule away: it has left the file, or another one stands in its place.
    pub(super) fn forget(&self, rule: &Arc<str>) {
        let labels = RuleLabels {
            rule: Arc::clone(rule),
        };
        self.last_success.remove(&labels);
        self.series.remove(&labels);
        self.in_use.remove(&labels);
        for result in ["ok", "error"] {
            let rule = Arc::clone(rule);
            self.relists.remove(&RelistLabels { rule, result });
        }
    }

    pub(super) fn succeeded(&self, rule: &Arc<str>, at: Timestamp, series: usize) {
        let labels = RuleLabels {
            rule: Arc::clone(rule),
        };
        self.relists
            .get_or_create(&RelistLabels {
                rule: Arc::clone(rule),
                result: "ok",
            })
            .inc();
        self.last_success
            .get_or_create(&labels)
            .set(at.as_duration().as_secs_f64());
        self.in_use(rule, Some(series));
    }

    /// What was found makes no metrics any more.
    pub(super) fn expired(&self, rule: &Arc<str>) {
        self.in_use(rule, None);
    }

    /// How many series the answer has that is in use, if there is one.
    fn in_use(&self, rule: &Arc<str>, series: Option<usize>) {
        let labels = RuleLabels {
            rule: Arc::clone(rule),
        };
        self.series
            .get_or_create(&labels)
            .set(i64::try_from(series.unwrap_or(0)).unwrap_or(i64::MAX));
        self.in_use
            .get_or_create(&labels)
            .set(i64::from(series.is_some()));
    }

    pub(super) fn failed(&self, rule: &Arc<str>) {
        self.relists
            .get_or_create(&RelistLabels {
                rule: Arc::clone(rule),
                result: "error",
            })
            .inc();
    }

    pub(super) fn listed(&self, metrics: usize, collisions: usize) {
        self.metrics.set(i64::try_from(metrics).unwrap_or(i64::MAX));
        self.collisions
            .set(i64::try_from(collisions).unwrap_or(i64::MAX));
    }
}
