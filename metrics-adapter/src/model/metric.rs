//! API metrics: what discovery lists and what a request answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{GroupResource, ObjectRef, Quantity};

/// One metric of the custom metrics API: a name on a kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricInfo {
    /// The kind of object that the metric describes.
    pub resource: GroupResource,
    /// Whether discovery lists it as namespaced.
    pub namespaced: bool,
    /// The API metric name, for instance `http_requests_per_second`.
    pub metric: Arc<str>,
}

/// The value of one metric on one object.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// The object.
    pub object: ObjectRef,
    /// The value.
    pub value: Quantity,
    /// When the value was true: the evaluation time that Prometheus told, or the newest sample's
    /// own time where the rule asks for it.
    pub timestamp: Timestamp,
    /// The time that the value looks back on, where the rule tells it; whole seconds.
    pub window: Option<Duration>,
}
