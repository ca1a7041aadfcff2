//! What the service discovery counts.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Polls, and what the last good one found; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    polls: Family<Outcome, Counter>,
    targets: Gauge<f64, AtomicU64>,
    last_success: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

impl Metrics {
    /// Registers the metrics; call it once per registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            polls: Family::default(),
            targets: Gauge::default(),
            last_success: Gauge::default(),
        };
        metrics.targets.set(f64::NAN);
        drop(metrics.polls.get_or_create(&Outcome { result: "ok" }));
        registry.register(
            "exoscale_sd_polls_total",
            "Polls of the instance pool by result",
            metrics.polls.clone(),
        );
        registry.register(
            "exoscale_sd_targets",
            "Targets found by the last good poll",
            metrics.targets.clone(),
        );
        registry.register(
            "exoscale_sd_last_success_timestamp_seconds",
            "When the targets were last known to be right",
            metrics.last_success.clone(),
        );
        metrics
    }

    pub(super) fn failed(&self, result: &'static str) {
        self.polls.get_or_create(&Outcome { result }).inc();
    }

    pub(super) fn learned(&self, targets: usize, at: Timestamp) {
        self.polls.get_or_create(&Outcome { result: "ok" }).inc();
        let targets = u32::try_from(targets).unwrap_or(u32::MAX);
        self.targets.set(f64::from(targets));
        self.last_success
            .set(at.as_duration().as_secs_f64().floor());
    }
}
