//! What only people want to know of Prometheus: its names, types, targets and raw samples. The
//! adapter itself never asks for it.

use std::collections::BTreeMap;
use std::future::Future;

use super::client::Client;
use super::range::Series;
use super::{PrometheusError, decode};

/// A target of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its label `job`.
    pub job: String,
    /// Time between two scrapes, in Prometheus' syntax; empty where that is not told.
    pub scrape_interval: String,
}

/// Asks Prometheus about itself.
pub trait InspectClient: Send + Sync + 'static {
    /// The names of all metrics that it has samples of, sorted.
    fn metric_names(&self) -> impl Future<Output = Result<Vec<String>, PrometheusError>> + Send;

    /// The type of each metric of its targets, such as `counter`; what targets disagree about is
    /// the first one's.
    fn metric_types(
        &self,
    ) -> impl Future<Output = Result<BTreeMap<String, String>, PrometheusError>> + Send;

    /// What it scrapes.
    fn targets(&self) -> impl Future<Output = Result<Vec<Target>, PrometheusError>> + Send;

    /// The samples of a range selector such as `up[5m]`, as they were recorded.
    fn raw_samples(
        &self,
        selector: &str,
    ) -> impl Future<Output = Result<Vec<Series>, PrometheusError>> + Send;
}

impl InspectClient for Client {
    async fn metric_names(&self) -> Result<Vec<String>, PrometheusError> {
        let endpoint = "label/__name__/values";
        self.fetch(endpoint, &[], decode::names).await
    }

    async fn metric_types(&self) -> Result<BTreeMap<String, String>, PrometheusError> {
        self.fetch("metadata", &[], decode::types).await
    }

    async fn targets(&self) -> Result<Vec<Target>, PrometheusError> {
        let active = [("state", "active")];
        self.fetch("targets", &active, decode::targets).await
    }

    async fn raw_samples(&self, selector: &str) -> Result<Vec<Series>, PrometheusError> {
        self.fetch("query", &[("query", selector)], decode::matrix)
            .await
    }
}
