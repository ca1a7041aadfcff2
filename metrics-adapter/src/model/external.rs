//! External metrics: values that belong to no object of the cluster.

use std::sync::Arc;

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
    /// The sample's time.
    pub timestamp: Timestamp,
}
