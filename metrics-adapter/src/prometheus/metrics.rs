//! What the client tells about itself.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use telemetry::reload::Reloads;

use super::recent::{Calls, Recent};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

/// Counters of the requests to Prometheus; labels come from code, so there are few.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    recent: Arc<Recent>,
    pub(super) certificates: Reloads,
    pub(super) token: Reloads,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| {
                // Seconds; a healthy Prometheus answers in milliseconds, the deadline is 10 s.
                Histogram::new([
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                ])
            }),
            recent: Arc::new(Recent::start()),
            certificates: Reloads::register(
                registry,
                "prometheus_certificates",
                "the files of CA and client certificate for Prometheus",
            ),
            token: Reloads::register(
                registry,
                "prometheus_token",
                "the token file for Prometheus",
            ),
        };
        registry.register(
            "prometheus_requests_total",
            "Requests to Prometheus by endpoint and result",
            metrics.requests.clone(),
        );
        registry.register(
            "prometheus_request_duration_seconds",
            "Duration of requests to Prometheus",
            metrics.duration.clone(),
        );
        metrics
    }

    /// Counts a request by its result.
    pub(super) fn count(&self, endpoint: &'static str, result: &'static str) {
        self.requests
            .get_or_create(&RequestLabels { endpoint, result })
            .inc();
    }

    pub(super) fn observe(&self, endpoint: &'static str, result: &'static str, duration: Duration) {
        self.count(endpoint, result);
        self.recent.called(result == "ok");
        self.duration
            .get_or_create(&EndpointLabels { endpoint })
            .observe(duration.as_secs_f64());
    }

    /// The calls of the last minute.
    pub fn calls(&self) -> Calls {
        self.recent.calls()
    }
}
