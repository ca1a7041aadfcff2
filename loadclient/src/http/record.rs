//! What a run measures, for Prometheus and for the report. Law: every request is recorded exactly
//! once, when it ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram;
use prometheus_client::registry::Registry;
use telemetry::operation::BUCKETS;

use crate::record::{MAX_MICROS, micros};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// With an answer of this HTTP status, read to its end.
    Status(u16),
    /// Without one in time.
    Timeout,
    /// Without a connection.
    Connect,
    /// Otherwise without a whole answer.
    Broken,
}

/// Everything recorded so far.
#[derive(Debug)]
pub struct Record {
    totals: Mutex<Totals>,
    requests: Family<[(&'static str, String); 1], Counter>,
    duration: histogram::Histogram,
    missed: Counter,
}

/// One run in numbers.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Requests that ended, by how.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// In microseconds, three significant digits.
    pub latency: Histogram<u64>,
    /// All latencies together.
    pub sum: Duration,
}

impl Outcome {
    /// Whether the server did not do what was asked of it.
    #[must_use]
    pub fn is_error(self) -> bool {
        !matches!(self, Self::Status(..400))
    }

    /// Its name in reports and metrics.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Status(code) => code.to_string(),
            Self::Timeout => "timeout".to_owned(),
            Self::Connect => "connect".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }
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
        let totals = Totals {
            outcomes: BTreeMap::new(),
            latency: latency.expect("1 < MAX_MICROS / 2, and 3 digits are at most 5"),
            sum: Duration::ZERO,
        };
        let record = Self {
            totals: Mutex::new(totals),
            requests: Family::default(),
            duration: histogram::Histogram::new(BUCKETS),
            missed: Counter::default(),
        };
        // There from the start, so that a first one is an increase and not a new series.
        for outcome in [
            Outcome::Status(200),
            Outcome::Timeout,
            Outcome::Connect,
            Outcome::Broken,
        ] {
            drop(record.requests.get_or_create(&[("code", outcome.name())]));
        }
        let help = "Requests that ended, by HTTP status or timeout, connect, broken";
        let requests = record.requests.clone();
        registry.register("loadclient_http_requests_total", help, requests);
        let help = "Duration of requests in seconds, from when they were due if there is a rate";
        let duration = record.duration.clone();
        registry.register("loadclient_http_request_duration_seconds", help, duration);
        let help = "Requests that were due and never sent, because no thread had time";
        registry.register("loadclient_missed_total", help, record.missed.clone());
        record
    }

    /// A request ended.
    pub fn request(&self, outcome: Outcome, latency: Duration) {
        self.requests
            .get_or_create(&[("code", outcome.name())])
            .inc();
        self.duration.observe(latency.as_secs_f64());
        let mut totals = self.lock();
        *totals.outcomes.entry(outcome).or_default() += 1;
        totals.latency.saturating_record(micros(latency));
        totals.sum += latency;
    }

    /// Requests were due and not sent.
    pub fn missed(&self, count: u64) {
        self.missed.inc_by(count);
    }

    /// The numbers so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().clone()
    }

    /// Requests that ended so far, and how many of them with an error.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.lock().counts()
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        // Numbers that a panic left behind are still the numbers.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    /// Requests that ended, and how many of them with an error.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let errors = self
            .outcomes
            .iter()
            .filter(|(outcome, _)| outcome.is_error());
        (
            self.outcomes.values().sum(),
            errors.map(|(_, count)| count).sum(),
        )
    }
}
