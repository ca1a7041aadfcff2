//! A run in numbers: per endpoint since the start, and the verdict on what was lately.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::attempt::{Attempt, Endpoint, Outcome};
use super::verdict::{Recent, Verdict};
use crate::record::{MAX_MICROS, micros};

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Tally {
    endpoints: [Row; Endpoint::ALL.len()],
    recent: Recent,
}

/// One endpoint's numbers.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose.
    pub endpoint: Endpoint,
    /// Requests by class, in the order of [`Outcome::ALL`].
    pub counts: [u64; Outcome::ALL.len()],
    /// In microseconds, three significant digits.
    durations: Histogram<u64>,
}

/// When a run counts as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailOn {
    /// Never.
    #[default]
    Never,
    /// If a request got no answer: a timeout, a transport or a protocol error.
    NoAnswer,
    /// If a request failed, whatever the reason.
    Any,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            endpoints: Endpoint::ALL.map(Row::new),
            recent: Recent::default(),
        }
    }

    /// A request ended.
    pub fn add(&mut self, attempt: &Attempt) {
        for row in &mut self.endpoints {
            if row.endpoint == attempt.endpoint {
                row.add(attempt);
            }
        }
        self.recent.push(attempt.outcome);
    }

    /// The endpoints' numbers.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.endpoints
    }

    /// How things stand now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.recent.verdict()
    }

    /// Requests of a class, to both endpoints.
    #[must_use]
    pub fn count(&self, class: Outcome) -> u64 {
        self.endpoints.iter().map(|row| row.count(class)).sum()
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.endpoints.iter().map(Row::requests).sum()
    }

    /// Whether the run counts as failed.
    #[must_use]
    pub fn has_failed(&self, fail_on: FailOn) -> bool {
        let counts = |outcome: &Outcome| match fail_on {
            FailOn::Never => false,
            FailOn::NoAnswer => !outcome.is_answer(),
            FailOn::Any => *outcome != Outcome::Success,
        };
        let mut failures = Outcome::ALL.into_iter().filter(counts);
        failures.any(|outcome| self.count(outcome) > 0)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Row {
    fn new(endpoint: Endpoint) -> Self {
        let durations = Histogram::new_with_bounds(1, MAX_MICROS, 3);
        Self {
            endpoint,
            counts: Default::default(),
            durations: durations.expect("1 < MAX_MICROS / 2, and 3 digits are at most 5"),
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        for (class, count) in Outcome::ALL.into_iter().zip(&mut self.counts) {
            *count += u64::from(class == attempt.outcome);
        }
        self.durations.saturating_record(micros(attempt.duration));
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn count(&self, class: Outcome) -> u64 {
        let classes = Outcome::ALL.into_iter().zip(self.counts);
        classes
            .filter(|(outcome, _)| *outcome == class)
            .map(|(_, count)| count)
            .sum()
    }

    /// A quantile of the durations, failed requests included; nothing without requests.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let micros = || self.durations.value_at_quantile(quantile);
        (!self.durations.is_empty()).then(|| Duration::from_micros(micros()))
    }
}

impl fmt::Display for Tally {
    /// `name=value` on one line, as the final line of a run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "requests={}", self.requests())?;
        for outcome in Outcome::ALL {
            write!(f, " {outcome}={}", self.count(outcome))?;
        }
        write!(f, " verdict=\"{}\"", self.verdict())
    }
}

impl std::str::FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            "no-answer" => Ok(Self::NoAnswer),
            "any" => Ok(Self::Any),
            other => Err(format!(
                "unknown condition {other:?}, expected never, no-answer or any"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn mk_tally(outcomes: &[Outcome]) -> Tally {
        let mut tally = Tally::new();
        for outcome in outcomes {
            tally.add(&Attempt {
                time: Timestamp::UNIX_EPOCH,
                endpoint: Endpoint::Status,
                duration: Duration::from_millis(10),
                code: None,
                outcome: *outcome,
                error: None,
                trace: None,
            });
        }
        tally
    }

    #[test]
    fn the_condition_decides_what_is_a_failure() {
        let none = mk_tally(&[Outcome::Success]);
        let answered = mk_tally(&[Outcome::Success, Outcome::HttpError]);
        for fail_on in [FailOn::Never, FailOn::NoAnswer, FailOn::Any] {
            assert!(!none.has_failed(fail_on));
        }
        assert!(!answered.has_failed(FailOn::NoAnswer) && answered.has_failed(FailOn::Any));
        for silent in [
            Outcome::Timeout,
            Outcome::TransportError,
            Outcome::ProtocolError,
        ] {
            let tally = mk_tally(&[silent]);
            assert!(tally.has_failed(FailOn::NoAnswer) && tally.has_failed(FailOn::Any));
            assert!(!tally.has_failed(FailOn::Never));
        }
    }

    #[test]
    fn the_line_counts_every_class() {
        let tally = mk_tally(&[Outcome::Success, Outcome::Timeout, Outcome::Success]);
        let line = "requests=3 success=2 http_error=0 timeout=1 transport_error=0 \
                    protocol_error=0 verdict=\"problems: 1 of the last 3 requests failed \
                    (1 timeout)\"";
        assert_eq!(tally.to_string(), line);
        let [status, flaky] = tally.rows() else {
            panic!()
        };
        assert_eq!((status.requests(), flaky.requests()), (3, 0));
        assert_eq!(status.quantile(0.5).map(|p50| p50.as_millis()), Some(10));
        assert_eq!(flaky.quantile(0.5), None);
    }
}
