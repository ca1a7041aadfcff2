//! `/api/v1/query_range`: recorded history. The adapter itself never asks for it.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::client::{Client, unix_seconds};
use super::{PrometheusError, decode};
use crate::model::sample::Labels;

/// The most points per series that Prometheus gives in one answer.
pub const MAX_POINTS: u32 = 11_000;

/// One series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Times and values, which may be NaN or infinite; moments without a value are left out.
    pub points: Vec<(Timestamp, f64)>,
}

/// Asks Prometheus about the past.
pub trait RangeClient: Send + Sync + 'static {
    /// The values of a query every `step` from `start` to `end`, both included. A scalar is one
    /// series without labels.
    fn query_range(
        &self,
        promql: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> impl Future<Output = Result<Vec<Series>, PrometheusError>> + Send;
}

impl RangeClient for Client {
    async fn query_range(
        &self,
        promql: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Vec<Series>, PrometheusError> {
        let (start, end) = (unix_seconds(start), unix_seconds(end));
        let step = step.as_secs_f64().to_string();
        let parameters = [
            ("query", promql),
            ("start", start.as_str()),
            ("end", end.as_str()),
            ("step", step.as_str()),
        ];
        self.fetch("query_range", &parameters, decode::matrix).await
    }
}
