//! What time it is for Prometheus.
//!
//! Series are asked for between two times, which Prometheus compares with its own clock. Law: our
//! clock counts while it agrees with Prometheus'; where it does not (it was stepped, or nobody
//! sets it), the time that Prometheus told last counts, and what has passed since. So a wrong
//! clock here makes no metric vanish.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::Instant;

/// Clocks that are so close agree: `Date` has whole seconds, and an answer takes its time.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Prometheus' clock, as its answers tell it.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What was told last, and when.
    told: Option<(Timestamp, Instant)>,
    /// Whether the clocks disagreed when they were compared last.
    apart: bool,
}

impl Clock {
    /// Takes note of an answer's `Date`, if it has one.
    pub(super) fn learn(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(date) = date {
            self.lock().told = Some((date, Instant::now()));
        }
    }

    /// The present, where `own` is what our own clock says.
    pub(super) fn present(&self, own: Timestamp) -> Timestamp {
        let mut state = self.lock();
        let Some((time, at)) = state.told else {
            return own;
        };
        let theirs = time.checked_add(at.elapsed()).unwrap_or(time);
        let apart = theirs.duration_since(own).unsigned_abs() > TOLERANCE;
        if apart != std::mem::replace(&mut state.apart, apart) {
            if apart {
                tracing::warn!(
                    %own,
                    prometheus = %theirs,
                    "the clocks of this machine and of Prometheus disagree: going by Prometheus'"
                );
            } else {
                tracing::info!("the clocks of this machine and of Prometheus agree again");
            }
        }
        if apart { theirs } else { own }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing under this lock leaves the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn headers(date: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, http::HeaderValue::from_static(date))])
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_does_not_count() {
        let clock = Clock::default();
        let own = at("2026-03-01T12:00:30Z");
        assert_eq!(clock.present(own), own);
        clock.learn(&headers("Sun, 01 Mar 2026 12:00:00 GMT"));
        assert_eq!(clock.present(own), own);
        tokio::time::advance(Duration::from_secs(100)).await;
        for stepped in ["2026-03-01T13:02:00Z", "2026-03-01T11:02:00Z"] {
            assert_eq!(clock.present(at(stepped)), at("2026-03-01T12:01:40Z"));
        }
        assert_eq!(
            clock.present(at("2026-03-01T12:02:10Z")),
            at("2026-03-01T12:02:10Z")
        );
    }

    #[tokio::test]
    async fn a_date_that_is_none_is_not_believed() {
        let clock = Clock::default();
        clock.learn(&headers("yesterday"));
        let own = at("2026-03-01T12:00:30Z");
        assert_eq!(clock.present(own), own);
    }
}
