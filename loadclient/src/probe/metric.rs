//! What the probe measures. Law: every request is counted once; the number of label values is
//! bounded, whatever codes a server invents.

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::attempt::{Attempt, Endpoint, Outcome};
use super::verdict::Verdict;

/// Bounds in seconds: Prometheus' defaults, with one where a flaky answer's delay ends.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
];

type Labels = [(&'static str, String); 3];
type EndpointLabel = [(&'static str, &'static str); 1];

/// The probe's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Labels, Counter>,
    durations: Family<EndpointLabel, Histogram, fn() -> Histogram>,
    failed: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            failed: Gauge::default(),
        };
        // There from the start, so that a first one is an increase and not a new series.
        for endpoint in Endpoint::ALL {
            for outcome in [
                Outcome::Timeout,
                Outcome::TransportError,
                Outcome::ProtocolError,
            ] {
                drop(
                    metrics
                        .requests
                        .get_or_create(&labels(endpoint, None, outcome)),
                );
            }
            drop(
                metrics
                    .durations
                    .get_or_create(&[("endpoint", endpoint.as_str())]),
            );
        }
        let help =
            "Requests of the probe, by endpoint, status code (empty without one) and outcome";
        registry.register("probe_requests_total", help, metrics.requests.clone());
        let help =
            "Duration of the probe's requests in seconds, connecting and failed ones included";
        registry.register("probe_duration_seconds", help, metrics.durations.clone());
        let help = "How many of the requests that the verdict looks at failed";
        registry.register("probe_recently_failed", help, metrics.failed.clone());
        metrics
    }

    /// A request ended, and the verdict is this now.
    pub fn observe(&self, attempt: &Attempt, verdict: &Verdict) {
        let Attempt {
            endpoint,
            code,
            outcome,
            ..
        } = *attempt;
        self.requests
            .get_or_create(&labels(endpoint, code, outcome))
            .inc();
        let label = [("endpoint", endpoint.as_str())];
        let duration = attempt.duration.as_secs_f64();
        self.durations.get_or_create(&label).observe(duration);
        self.failed
            .set(i64::try_from(verdict.failed()).unwrap_or(i64::MAX));
    }
}

/// Codes beyond 599 mean nothing to anybody: they are one value.
fn labels(endpoint: Endpoint, code: Option<StatusCode>, outcome: Outcome) -> Labels {
    let code = match code {
        None => "",
        Some(code) if code.as_u16() >= 600 => "other",
        Some(ref code) => code.as_str(),
    };
    [
        ("endpoint", endpoint.as_str().to_owned()),
        ("code", code.to_owned()),
        ("outcome", outcome.as_str().to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::tally::Tally;
    use super::*;

    #[test]
    fn requests_are_counted_by_class_and_code() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let mut tally = Tally::new();
        for code in [200, 503, 700, 999] {
            let code = StatusCode::from_u16(code).unwrap();
            let attempt = Attempt {
                time: Timestamp::UNIX_EPOCH,
                endpoint: Endpoint::Status,
                duration: Duration::from_millis(20),
                code: Some(code),
                outcome: Outcome::of(code),
                error: None,
                trace: None,
            };
            tally.add(&attempt);
            metrics.observe(&attempt, &tally.verdict());
        }
        let text = telemetry::text::encode(&registry);
        let requests = "probe_requests_total{endpoint=\"GET /status\"";
        for line in [
            format!("{requests},code=\"200\",outcome=\"success\"}} 1"),
            format!("{requests},code=\"503\",outcome=\"http_error\"}} 1"),
            format!("{requests},code=\"other\",outcome=\"http_error\"}} 2"),
            format!("{requests},code=\"\",outcome=\"timeout\"}} 0"),
            "probe_duration_seconds_count{endpoint=\"GET /status\"} 4".to_owned(),
            "probe_duration_seconds_count{endpoint=\"POST /flaky\"} 0".to_owned(),
            "probe_recently_failed 3".to_owned(),
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} not in\n{text}"
            );
        }
    }
}
