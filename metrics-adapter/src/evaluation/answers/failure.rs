//! Why there is no answer.

use std::time::Duration;

use crate::model::ProviderError;
use crate::prometheus::PrometheusError;

/// A query that fails after so many times what queries take is too large; where all of them take
/// long, a smaller one would not help, but add to the load.
const ALONE: u32 = 8;

/// A failure that every passenger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::evaluation) struct Failure {
    /// Whether the deadline passed.
    pub(in crate::evaluation) timeout: bool,
    /// Whether a smaller question may work: Prometheus refused this one, or it took very much longer
    /// than others do.
    pub(in crate::evaluation) too_large: bool,
    /// How long it took to fail, from when it was decided to ask.
    pub(in crate::evaluation) took: Duration,
    /// For the log.
    pub(in crate::evaluation) reason: String,
    /// Whether Prometheus was asked.
    is_sent: bool,
}

/// How long it took to fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    /// The wait for the turn included.
    pub(super) all: Duration,
    /// From the turn on.
    pub(super) call: Duration,
}

impl Failure {
    /// `usual` is how long queries take from their turn on.
    pub(super) fn of(error: &PrometheusError, took: Took, usual: Duration) -> Self {
        let is_alone = !usual.is_zero() && took.call > usual * ALONE;
        Self {
            timeout: matches!(
                error,
                PrometheusError::Timeout(_) | PrometheusError::Busy(_)
            ),
            too_large: match error {
                PrometheusError::TooLarge(_) => true,
                // Neither who asks is refused, nor how often, but what is asked.
                PrometheusError::Api { status, .. } => match status {
                    401 | 403 | 407 | 429 => false,
                    400..500 => true,
                    502..=504 => is_alone,
                    _ => false,
                },
                PrometheusError::Timeout(_) => is_alone,
                _ => false,
            },
            took: took.all,
            reason: error.to_string(),
            is_sent: error.is_sent(),
        }
    }

    /// Whether Prometheus was asked; otherwise this tells nothing about it.
    pub(super) const fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Whether it is Prometheus, or the way to it, and not this query.
    pub(super) const fn is_trouble(&self) -> bool {
        self.is_sent && !self.too_large
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        if failure.timeout {
            Self::Timeout
        } else {
            Self::Upstream {
                reason: failure.reason,
            }
        }
    }
}
