//! External metrics: values that belong to no object of the cluster.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::sample::Labels;
use super::{Quantity, Selector};

/// One request for values of an external metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalQuery {
    /// The namespace of the path; rules with `namespaced: false` do not look at it.
    pub namespace: Arc<str>,
    /// The API metric name.
    pub metric: Arc<str>,
    /// Restriction on the series' labels (`labelSelector`).
    pub selector: Selector,
}

/// One value of an external metric.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalValue {
    /// All labels of the result, `__name__` included; `None` for a scalar.
    pub labels: Option<Labels>,
    /// The value.
    pub value: Quantity,
    /// When the value was true: the evaluation time that Prometheus told, or the newest sample's
    /// own time where the rule asks for it.
    pub timestamp: Timestamp,
    /// The time that the value looks back on, where the rule tells it; whole seconds.
    pub window: Option<Duration>,
}
