//! What the role counter measures. Law: every request is measured exactly once, when its answer is
//! ready, whether its caller still waits for it or has left.

use std::fmt;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter as Total};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use telemetry::request;

use super::redis::Link;
use super::{Counter, Error, Requests};

type Labels = [(&'static str, String); 2];

/// Bucket bounds in seconds: Prometheus' defaults with finer ones below, where a healthy Redis is.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// The role's metrics; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Labels, Total>,
    duration: Histogram,
    errors: Family<[(&'static str, &'static str); 1], Total>,
}

/// Reads the counts and the link's state when somebody scrapes.
#[derive(Debug)]
struct Now<C> {
    requests: Arc<Requests<C>>,
    link: Link,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn register<C: Counter + fmt::Debug>(
        registry: &mut Registry,
        requests: Arc<Requests<C>>,
        link: Link,
    ) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Histogram::new(BUCKETS),
            errors: Family::default(),
        };
        // There from the start, so that a first one is an increase and not a new series.
        for code in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
            drop(metrics.requests.get_or_create(&labels(&Method::GET, code)));
        }
        let refused = Error::Refused(String::new());
        for error in [Error::Away, Error::Timeout, Error::Broken, refused] {
            drop(metrics.errors.get_or_create(&[("reason", error.kind())]));
        }
        let help = "Requests to the role counter, by method and status code";
        registry.register("http_requests_total", help, metrics.requests.clone());
        let help = "Duration of requests to the role counter in seconds";
        let duration = metrics.duration.clone();
        registry.register("http_request_duration_seconds", help, duration);
        let help = "Requests that could not be counted in the cluster, by reason";
        registry.register("server_counter_errors_total", help, metrics.errors.clone());
        registry.register_collector(Box::new(Now { requests, link }));
        metrics
    }

    /// A request was answered, after so many seconds.
    pub fn answered(&self, method: &Method, code: StatusCode, seconds: f64) {
        self.requests.get_or_create(&labels(method, code)).inc();
        self.duration.observe(seconds);
    }

    /// A request could not be counted.
    pub fn failed(&self, error: &Error) {
        self.errors.get_or_create(&[("reason", error.kind())]).inc();
    }
}

fn labels(method: &Method, code: StatusCode) -> Labels {
    // Callers cannot invent label values.
    let method = request::method(method).unwrap_or("other");
    [
        ("method", method.to_owned()),
        ("code", code.as_str().to_owned()),
    ]
}

impl<C: Counter + fmt::Debug> Collector for Now<C> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counter = ConstCounter::new(self.requests.counted());
        let name = "server_counter_instance_requests_total";
        let help = "Requests counted by this instance.";
        let kind = counter.metric_type();
        counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        let gauge = ConstGauge::new(self.link.latest());
        let name = "server_counter_cluster_requests";
        let help = "The last count of the cluster that this instance was told.";
        let kind = gauge.metric_type();
        gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        let gauge = ConstGauge::new(i64::from(self.link.is_up()));
        let name = "server_counter_redis_up";
        let help = "Whether there is a connection to Redis (1) or not (0).";
        let kind = gauge.metric_type();
        gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::redis::{Config, open};
    use super::*;

    /// The link of a counter that was never connected.
    pub(in super::super) fn mk_link() -> Link {
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port: 1,
            key: "count".to_owned(),
            timeout: Duration::from_secs(1),
            retry_pause: Duration::ZERO,
            max_retry: 0,
        };
        open(config).unwrap().1.link()
    }
}
