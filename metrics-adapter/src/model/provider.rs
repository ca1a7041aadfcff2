//! The question that the API layer asks, and the answers it may get.

use std::future::Future;
use std::sync::Arc;

use super::{
    ExplainQuery, Explanation, ExternalQuery, ExternalValue, GroupResource, MetricInfo,
    MetricValue, NodeUsage, ObjectSourceError, PodUsage, Selector, UsageQuery,
};

/// The metrics APIs of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricsApi {
    /// `custom.metrics.k8s.io`: any metric of any object.
    Custom,
    /// `external.metrics.k8s.io`: metrics without an object.
    External,
    /// `metrics.k8s.io`: CPU and memory of nodes and pods.
    Resource,
}

/// Which objects a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One object by its name. Whether it exists is not checked, as in prometheus-adapter.
    Name(Arc<str>),
    /// All objects whose labels match.
    Selected(Selector),
}

impl Target {
    /// Whether the objects are selected by their labels.
    pub const fn is_selected(&self) -> bool {
        matches!(self, Self::Selected(_))
    }
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
    /// No such node or pod, or no usage of it is known (404).
    #[error("{resource} {name:?} not found")]
    ObjectNotFound {
        /// `pods`, or `podmetrics.metrics.k8s.io` for a pod without samples.
        resource: GroupResource,
        /// As asked.
        name: String,
    },
    /// It may be known soon which metrics, or which kinds of objects, there are (503).
    #[error("the list of metrics is not known yet")]
    NotReady,
    /// The request can never be answered (400).
    #[error("{0}")]
    BadRequest(String),
    /// The objects cannot be listed (500), or have not been listed yet (503).
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
    /// There are samples, but none that can be served, and the rule asks for an error then (500).
    #[error("the metric {metric} of {described} has no value: {reason}")]
    NoValue {
        /// The API metric name.
        metric: Arc<str>,
        /// `pods web-0`.
        described: String,
        /// Our own words.
        reason: &'static str,
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

impl ProviderError {
    /// A word for spans.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MetricNotFound { .. } => "metric_not_found",
            Self::ObjectNotFound { .. } => "object_not_found",
            Self::NotReady => "not_ready",
            Self::BadRequest(_) => "bad_request",
            Self::Objects(_) => "objects",
            Self::Query { .. } => "query",
            Self::NoValue { .. } => "no_value",
            Self::Upstream { .. } => "upstream",
            Self::Timeout => "timeout",
        }
    }
}

/// Answers requests for metrics.
pub trait Provider: Send + Sync + 'static {
    /// Whether an API has rules; without any it does not exist at all.
    fn serves(&self, api: MetricsApi) -> bool;

    /// Whether it was learned once, of every rule, which metrics there are: until then one that is not
    /// found may be there all the same.
    fn is_complete(&self) -> bool {
        true
    }

    /// The custom metrics that discovery names now, sorted; from memory. The same `Arc` as long
    /// as they are the same.
    fn list(&self) -> Arc<[MetricInfo]>;

    /// The names of the external metrics that discovery names now, likewise.
    fn list_external(&self) -> Arc<[Arc<str>]>;

    /// The values asked for: exactly one item for [`Target::Name`], any number (objects without
    /// a sample are left out) for [`Target::Selected`].
    fn custom(
        &self,
        query: MetricQuery,
    ) -> impl Future<Output = Result<Vec<MetricValue>, ProviderError>> + Send;

    /// The values of an external metric; none where there is no data.
    fn external(
        &self,
        query: ExternalQuery,
    ) -> impl Future<Output = Result<Vec<ExternalValue>, ProviderError>> + Send;

    /// Why a request gets what it gets, told along the way that the request goes. Prometheus is asked
    /// for what is shown; no request that is served waits for that.
    fn explain(&self, query: ExplainQuery) -> impl Future<Output = Explanation> + Send;

    /// The usage of nodes: exactly one item for [`UsageQuery::One`]; nodes without samples are
    /// left out of lists. Sorted by name.
    fn nodes(
        &self,
        query: UsageQuery,
    ) -> impl Future<Output = Result<Vec<NodeUsage>, ProviderError>> + Send;

    /// The usage of pods, likewise; sorted by namespace, then by name.
    fn pods(
        &self,
        query: UsageQuery,
    ) -> impl Future<Output = Result<Vec<PodUsage>, ProviderError>> + Send;
}
