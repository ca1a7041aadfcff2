//! What is counted about calls of the API.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Calls by name and outcome, and how long they took; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<Labels, Counter>,
    duration: Histogram,
}

/// Both come from code, so the cardinality is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    call: &'static str,
    outcome: &'static str,
}

impl Metrics {
    /// Registers the metrics; call it once per registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            duration: Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
        };
        registry.register(
            "exoscale_api_requests_total",
            "Requests to Exoscale's API, every attempt counted",
            metrics.calls.clone(),
        );
        registry.register(
            "exoscale_api_request_duration_seconds",
            "Duration of requests to Exoscale's API",
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn observe(&self, call: &'static str, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&Labels { call, outcome }).inc();
        self.duration.observe(took.as_secs_f64());
    }
}
