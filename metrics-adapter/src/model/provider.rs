//! The question that the API layer asks, and the answers it may get.

use std::future::Future;
use std::sync::Arc;

use super::{GroupResource, MetricInfo, MetricValue, ObjectSourceError, Selector};

/// Which objects a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One object by its name. Whether it exists is not checked, as in prometheus-adapter.
    Name(Arc<str>),
    /// All objects whose labels match.
    Selected(Selector),
}

/// One request for values of a custom metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricQuery {
    /// Group and resource as the path wrote them; not resolved yet.
    pub resource: GroupResource,
    /// The API metric name.
    pub metric: Arc<str>,
    /// The namespace; `None` for root-scoped requests.
    pub namespace: Option<Arc<str>>,
    /// Which objects.
    pub target: Target,
    /// Restriction on the series' labels (`metricLabelSelector`).
    pub metric_selector: Selector,
}

/// Why there is no answer. The text of `Display` may reach a caller: it names only what the
/// caller asked for. Details belong to the log, which the place that maps this error writes.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProviderError {
    /// No such metric for these objects (404); the text is prometheus-adapter's.
    #[error("the server could not find the metric {metric} for {described}")]
    MetricNotFound {
        /// The API metric name.
        metric: Arc<str>,
        /// `pods`, or `pods web-0`, as asked.
        described: String,
    },
    /// The request can never be answered (400).
    #[error("{0}")]
    BadRequest(String),
    /// The objects cannot be listed at the moment (500).
    #[error("unable to list matching resources")]
    Objects(#[source] ObjectSourceError),
    /// The rule cannot be turned into a query for this request (500).
    #[error("unable to build a query for the metric {metric}")]
    Query {
        /// The API metric name.
        metric: Arc<str>,
        /// What the template said; for the log.
        reason: String,
    },
    /// Prometheus failed or answered something else than a vector (500).
    #[error("unable to fetch metrics")]
    Upstream {
        /// What happened; for the log.
        reason: String,
    },
    /// No answer within the deadline (504).
    #[error("timed out while fetching metrics")]
    Timeout,
}

/// Answers requests for metrics.
pub trait Provider: Send + Sync + 'static {
    /// All metrics there are now, sorted; from memory.
    fn list(&self) -> Arc<[MetricInfo]>;

    /// The values asked for: exactly one item for [`Target::Name`], any number (objects without
    /// a sample are left out) for [`Target::Selected`].
    fn custom(
        &self,
        query: MetricQuery,
    ) -> impl Future<Output = Result<Vec<MetricValue>, ProviderError>> + Send;
}
