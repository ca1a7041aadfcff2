//! What Prometheus answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// Labels of one series, `__name__` included.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series' labels after the query's own aggregation.
    pub labels: Labels,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// The time that Prometheus gives it (the evaluation time of an instant query).
    pub timestamp: Timestamp,
}

/// The result of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// An instant vector, in Prometheus' order.
    Vector(Vec<Sample>),
    /// A scalar.
    Scalar {
        /// The value; may be NaN or infinite.
        value: f64,
        /// The evaluation time.
        timestamp: Timestamp,
    },
}
