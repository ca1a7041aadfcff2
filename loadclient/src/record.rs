//! What a run measured, for Prometheus and for the final line.
//!
//! Law: every request is recorded exactly once, failed ones included; a retry belongs to its
//! request.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use proto::code_name;
use telemetry::operation::Operations;
use tonic::Code;

type CodeLabel = [(&'static str, &'static str); 1];

/// Codes that a server in trouble causes, there from the start so that a first error shows as an
/// increase.
const CODES: [Code; 3] = [
    Code::DeadlineExceeded,
    Code::ResourceExhausted,
    Code::Unavailable,
];

/// The longest latency that is told apart, in microseconds: an hour, as long as a
/// timeout can be.
pub(crate) const MAX_MICROS: u64 = 3_600_000_000;

/// The client's metrics and the run's latencies.
#[derive(Debug)]
pub struct Record {
    operations: Operations,
    errors: Family<CodeLabel, Counter>,
    /// All of `errors` together.
    failed: u64,
    missed: Counter,
    retries: Counter,
    /// In microseconds, three significant digits.
    latency: Histogram<u64>,
    total: Duration,
}

/// One run in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Requests made, failed ones included.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Slots without a request.
    pub missed: u64,
    /// Requests sent a second time because the first was not processed.
    pub retries: u64,
    /// How long the run took.
    pub elapsed: Duration,
    /// Round trips; nothing without requests.
    pub latency: Option<Latency>,
}

/// Round trips of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean: Duration,
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
}

impl Record {
    /// Registers the metrics.
    ///
    /// # Panics
    ///
    /// Never: the histogram's bounds are constants that it accepts.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let latency = Histogram::new_with_bounds(1, MAX_MICROS, 3);
        let record = Self {
            operations: Operations::register(registry),
            errors: Family::default(),
            failed: 0,
            missed: Counter::default(),
            retries: Counter::default(),
            latency: latency.expect("1 < MAX_MICROS / 2, and 3 digits are at most 5"),
            total: Duration::ZERO,
        };
        for code in CODES {
            let _ = record.errors.get_or_create(&[("code", code_name(code))]);
        }
        let help = "Requests that did not end with OK, by gRPC status code";
        registry.register("loadclient_errors_total", help, record.errors.clone());
        let help = "Slots of the schedule without a request, because the client was late";
        registry.register("loadclient_missed_total", help, record.missed.clone());
        let help = "Requests sent again because the server had not processed them";
        registry.register("loadclient_retries_total", help, record.retries.clone());
        record
    }

    /// Slots passed without a request.
    pub fn missed(&mut self, count: u64) {
        self.missed.inc_by(count);
    }

    /// A request was sent again.
    pub fn retried(&mut self) {
        self.retries.inc();
    }

    /// A request ended.
    pub fn request(&mut self, round_trip: Duration, code: Code) {
        self.operations.observe(round_trip);
        if code != Code::Ok {
            self.failed += 1;
            self.errors
                .get_or_create(&[("code", code_name(code))])
                .inc();
        }
        self.total += round_trip;
        self.latency.saturating_record(micros(round_trip));
    }

    /// The run so far.
    #[must_use]
    pub fn summary(&self, elapsed: Duration) -> Summary {
        let requests = self.latency.len();
        let quantile = |q| Duration::from_micros(self.latency.value_at_quantile(q));
        let latency = (requests > 0).then(|| Latency {
            mean: self.total.div_f64(requests as f64),
            p50: quantile(0.5),
            p99: quantile(0.99),
        });
        let (missed, retries) = (self.missed.get(), self.retries.get());
        Summary {
            requests,
            errors: self.failed,
            missed,
            retries,
            elapsed,
            latency,
        }
    }
}

/// Whole microseconds, for a histogram.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(MAX_MICROS)
}

impl fmt::Display for Summary {
    /// One line of `name=value`, times in the unit that the name ends with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requests,
            errors,
            missed,
            retries,
            elapsed,
            latency,
        } = self;
        write!(
            f,
            "requests={requests} errors={errors} missed={missed} retries={retries}"
        )?;
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        let latency = latency.map(|all| [all.mean, all.p50, all.p99].map(ms));
        let [mean, p50, p99] = latency.unwrap_or_else(|| ["-"; 3].map(str::to_owned));
        write!(f, " mean_ms={mean} p50_ms={p50} p99_ms={p99}")?;
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 {
            *requests as f64 / seconds
        } else {
            0.0
        };
        write!(f, " elapsed_s={seconds:.1} requests_per_second={rate:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn failed_requests_count_and_the_line_says_everything() {
        let mut registry = Registry::default();
        let mut record = Record::register(&mut registry);
        for _ in 0..98 {
            record.request(ms(10), Code::Ok);
        }
        record.request(ms(20), Code::Unavailable);
        record.request(ms(100), Code::ResourceExhausted);
        record.missed(4);
        record.retried();
        let line = record.summary(Duration::from_secs(10)).to_string();
        assert_eq!(
            line,
            "requests=100 errors=2 missed=4 retries=1 mean_ms=11.0 p50_ms=10.0 p99_ms=20.0 \
             elapsed_s=10.0 requests_per_second=10.0"
        );
        let text = telemetry::text::encode(&registry);
        for line in [
            "travelaudience_gserver_operations_ops 100",
            "travelaudience_gserver_operations_ops_duration_count 100",
            "loadclient_errors_total{code=\"UNAVAILABLE\"} 1",
            "loadclient_errors_total{code=\"DEADLINE_EXCEEDED\"} 0",
            "loadclient_missed_total 4",
            "loadclient_retries_total 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} not in\n{text}"
            );
        }
    }

    #[test]
    fn without_requests_there_is_no_latency() {
        let record = Record::register(&mut Registry::default());
        let line = record.summary(Duration::ZERO).to_string();
        assert!(
            line.contains("requests=0 ") && line.contains("mean_ms=- p50_ms=- "),
            "{line}"
        );
        assert!(line.ends_with("requests_per_second=0.0"), "{line}");
    }
}
