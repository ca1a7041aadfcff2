//! Prometheus' HTTP API: the two calls that the adapter makes.
//!
//! Every call has a deadline, which Prometheus is told too, a limit on how many run at once, a
//! limit on the answer's size, and a metric. Nothing here knows rules or Kubernetes.

mod body;
mod client;
mod clock;
mod credentials;
pub mod decode;
pub mod inspect;
mod login;
mod metrics;
mod permits;
pub mod range;
mod recent;
mod turn;

use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use client::{Client, ClientError, Options, Verb};
pub use credentials::{Authorization, Credentials, Material, Place};
pub use metrics::Metrics;
pub use recent::Calls;
pub use turn::Turn;

use crate::model::QueryValue;

/// What `/api/v1/series` tells, without the label values: memory does not grow with the number
/// of series, only with the number of different names and label sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesSet {
    /// Metric name with the names of its labels (`__name__` left out), each combination once.
    pub shapes: BTreeSet<SeriesShape>,
    /// How many series there are.
    pub count: usize,
}

/// A metric name with the names of its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesShape {
    /// The value of `__name__`.
    pub name: Arc<str>,
    /// The other label names.
    pub labels: BTreeSet<Arc<str>>,
}

/// Why Prometheus gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// No answer within the deadline.
    #[error("no answer from Prometheus within {0:?}")]
    Timeout(Duration),
    /// Its turn did not come within the deadline; it was not sent.
    #[error(
        "no turn to ask Prometheus within {0:?}: --prometheus-max-concurrency calls are under way, and others wait"
    )]
    Busy(Duration),
    /// The connection failed.
    #[error("cannot reach Prometheus at {url}: {reason}")]
    Connect {
        /// Base URL, without user information.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// Prometheus reported an error.
    #[error("Prometheus answered {status}: {message}")]
    Api {
        /// HTTP status.
        status: u16,
        /// Its `errorType` and `error`, or the beginning of the body.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer from Prometheus: {0}")]
    Decode(String),
    /// The answer is larger than allowed.
    #[error("the answer of Prometheus is larger than {0} bytes")]
    TooLarge(usize),
    /// The query is longer than allowed; it was not sent.
    #[error("the query has {length} bytes, --prometheus-max-query-length allows {limit}")]
    QueryTooLong {
        /// Bytes of the PromQL text.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The token file cannot be used.
    #[error("{0}")]
    Token(String),
}

impl PrometheusError {
    /// A label value for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Busy(_) => "busy",
            Self::Connect { .. } => "connect",
            Self::Api { .. } => "api",
            Self::Decode(_) => "decode",
            Self::TooLarge(_) => "too_large",
            Self::QueryTooLong { .. } => "query_too_long",
            Self::Token(_) => "token",
        }
    }

    /// Whether the call was made: if not, the error tells nothing about Prometheus.
    pub const fn is_sent(&self) -> bool {
        !matches!(self, Self::Busy(_) | Self::QueryTooLong { .. })
    }
}

/// Asks Prometheus.
pub trait QueryClient: Send + Sync + 'static {
    /// `/api/v1/series` for one selector between two times. Nobody's request waits for it, so it
    /// comes after queries, until it has waited for long.
    fn series(
        &self,
        selector: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> impl Future<Output = Result<SeriesSet, PrometheusError>> + Send;

    /// `/api/v1/query` at Prometheus' own present.
    fn query(
        &self,
        promql: &str,
    ) -> impl Future<Output = Result<QueryValue, PrometheusError>> + Send;

    /// Waits for the turn to make a query that a request waits for.
    fn turn(&self) -> impl Future<Output = Result<Turn, PrometheusError>> + Send {
        // Without a limit there is no order.
        ready(Ok(Turn::default()))
    }

    /// Likewise, ahead of the time when the answer is needed: queries that somebody waits for come
    /// first, unless `awaited` is ready, for then somebody waits for this one, too.
    fn turn_ahead(
        &self,
        awaited: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Result<Turn, PrometheusError>> + Send {
        drop(awaited);
        self.turn()
    }

    /// [`Self::query`] for whoever has the turn. `read` runs where the answer is decoded: it may
    /// take a while, and no thread that answers requests is kept busy.
    fn query_as<T: Send + 'static>(
        &self,
        promql: &str,
        turn: Turn,
        read: impl FnOnce(QueryValue) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, PrometheusError>> + Send {
        drop(turn);
        async { self.query(promql).await.map(read) }
    }

    /// The present by Prometheus' clock, as far as it is known.
    fn present(&self) -> Timestamp {
        Timestamp::now()
    }
}
