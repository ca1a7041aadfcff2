//! What the API tells about itself. Label values come from code: kinds of requests and status
//! codes, never metric names or anything else that a caller chooses.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    api: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    api: &'static str,
}

/// Counters of answered requests.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<DurationLabels, Histogram, fn() -> Histogram>,
}

impl Metrics {
    /// Registers the metrics; the caller chooses the prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| {
                // Seconds; from an answer out of memory to the longest that an HPA waits.
                Histogram::new([
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0,
                ])
            }),
        };
        registry.register(
            "requests_total",
            "Requests by API (custom, external, resource, discovery, openapi, other) and status code",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time to answer a request, authentication and authorization left out",
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn observe(&self, api: &'static str, code: http::StatusCode, since: Instant) {
        self.requests
            .get_or_create(&RequestLabels {
                api,
                code: code.as_u16(),
            })
            .inc();
        let seconds = since.elapsed().as_secs_f64();
        self.duration
            .get_or_create(&DurationLabels { api })
            .observe(seconds);
    }
}
