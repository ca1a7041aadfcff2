//! A run in numbers, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::record::Totals;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was asked for.
    pub url: String,
    /// Requests in flight at most.
    pub threads: u16,
    /// Requests per second that were wanted.
    pub rate: Option<f64>,
    /// Requests made, failed ones included.
    pub requests: u64,
    /// Those without an answer, or with a status from 400 up.
    pub errors: u64,
    /// Requests that were due and not sent.
    pub missed: u64,
    /// Requests by HTTP status, or by why there was none.
    pub codes: BTreeMap<String, u64>,
    /// Nothing without requests.
    pub latency_ms: Option<Latency>,
    /// How long the run took.
    pub elapsed_seconds: f64,
    /// Requests per second that were made.
    pub requests_per_second: f64,
}

/// Latencies in milliseconds; with a rate, from when requests were due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// What was asked of a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where to.
    pub url: String,
    /// Requests in flight at most.
    pub threads: u16,
    /// Requests per second.
    pub rate: Option<f64>,
}

impl Report {
    /// A run's numbers.
    #[must_use]
    pub fn new(asked: Asked, totals: &Totals, missed: u64, elapsed: Duration) -> Self {
        let (requests, errors) = totals.counts();
        let seconds = elapsed.as_secs_f64();
        let Asked { url, threads, rate } = asked;
        let outcomes = totals.outcomes.iter();
        Self {
            url,
            threads,
            rate,
            requests,
            errors,
            missed,
            codes: outcomes
                .map(|(outcome, count)| (outcome.name(), *count))
                .collect(),
            latency_ms: Latency::of(totals),
            elapsed_seconds: seconds,
            requests_per_second: if seconds > 0.0 {
                requests as f64 / seconds
            } else {
                0.0
            },
        }
    }
}

impl Latency {
    fn of(totals: &Totals) -> Option<Self> {
        let count = totals.latency.len();
        let ms = |micros: u64| micros as f64 / 1e3;
        let quantile = |q| ms(totals.latency.value_at_quantile(q));
        (count > 0).then(|| Self {
            mean: totals.sum.as_secs_f64() * 1e3 / count as f64,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: ms(totals.latency.max()),
        })
    }
}

impl fmt::Display for Report {
    /// One line of `name=value`, times in the unit that the name ends with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requests,
            errors,
            missed,
            ..
        } = self;
        let codes: Vec<String> = self
            .codes
            .iter()
            .map(|(code, count)| format!("{code}:{count}"))
            .collect();
        let codes = if codes.is_empty() {
            "-".to_owned()
        } else {
            codes.join(",")
        };
        write!(
            f,
            "requests={requests} errors={errors} missed={missed} codes={codes}"
        )?;
        let latency = self.latency_ms.map(|all| {
            [
                all.mean, all.p50, all.p90, all.p95, all.p99, all.p999, all.max,
            ]
        });
        for (index, name) in ["mean", "p50", "p90", "p95", "p99", "p999", "max"]
            .into_iter()
            .enumerate()
        {
            match latency {
                Some(values) => write!(f, " {name}_ms={:.1}", values[index])?,
                None => write!(f, " {name}_ms=-")?,
            }
        }
        let (elapsed, rate) = (self.elapsed_seconds, self.requests_per_second);
        write!(f, " elapsed_s={elapsed:.1} requests_per_second={rate:.1}")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::http::record::{Outcome, Record};

    fn mk_report(record: &Record) -> Report {
        let asked = Asked {
            url: "http://localhost/".to_owned(),
            threads: 2,
            rate: Some(10.0),
        };
        Report::new(asked, &record.totals(), 3, Duration::from_secs(10))
    }

    #[test]
    fn the_line_says_everything() {
        let mut registry = Registry::default();
        let record = Record::register(&mut registry);
        for _ in 0..97 {
            record.request(Outcome::Status(200), Duration::from_millis(10));
        }
        record.request(Outcome::Status(302), Duration::from_millis(10));
        record.request(Outcome::Status(503), Duration::from_millis(20));
        record.request(Outcome::Timeout, Duration::from_millis(100));
        let report = mk_report(&record);
        assert_eq!(
            report.to_string(),
            "requests=100 errors=2 missed=3 codes=200:97,302:1,503:1,timeout:1 mean_ms=11.0 \
             p50_ms=10.0 p90_ms=10.0 p95_ms=10.0 p99_ms=20.0 p999_ms=100.0 max_ms=100.0 \
             elapsed_s=10.0 requests_per_second=10.0"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["codes"]["timeout"], 1);
        assert_eq!(json["rate"], 10.0);
        assert!(json["latency_ms"]["p99"].as_f64().unwrap() >= 20.0);
        let text = telemetry::text::encode(&registry);
        for line in [
            "loadclient_http_requests_total{code=\"503\"} 1",
            "loadclient_http_requests_total{code=\"connect\"} 0",
            "loadclient_http_request_duration_seconds_count 100",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn without_requests_there_is_no_latency() {
        let report = mk_report(&Record::register(&mut Registry::default()));
        assert_eq!(report.latency_ms, None);
        let line = report.to_string();
        assert!(line.contains(" codes=- mean_ms=- "), "{line}");
    }
}
