//! From a request to values: lookup, objects, query, and the result cut into values.
//!
//! Callers that ask the same at the same time share one query (`flight`). The objects come
//! from memory, so the only wait is for Prometheus, under its client's deadline.

mod custom;
mod external;
mod flight;
mod journal;
mod memory;
mod metrics;
mod usage;
mod value;

use std::sync::Arc;

pub use metrics::Metrics;

use crate::discovery::State;
use crate::model::{
    ExternalQuery, ExternalValue, Fallback, MetricInfo, MetricQuery, MetricValue, MetricsApi,
    NodeUsage, ObjectSource, PodUsage, Provider, ProviderError, QueryValue, UsageQuery,
};
use crate::prometheus::QueryClient;
use crate::rules::{QueryError, RuleId};
use flight::Flights;
use journal::Journal;
use memory::Memory;
use value::Unusable;

/// Answers requests from a catalog, an object index and Prometheus.
pub struct Evaluator<C, O> {
    client: Arc<C>,
    objects: Arc<O>,
    discovery: Arc<State>,
    flights: Flights,
    journal: Journal,
    memory: Memory,
    metrics: Metrics,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    /// Puts an evaluator together.
    pub fn new(client: Arc<C>, objects: Arc<O>, discovery: Arc<State>, metrics: Metrics) -> Self {
        Self {
            client,
            objects,
            discovery,
            flights: Flights::default(),
            journal: Journal::default(),
            memory: Memory::default(),
            metrics,
        }
    }

    /// One query, shared with whoever else asks the same now.
    async fn query(&self, rule: &RuleId, promql: String) -> Result<Arc<QueryValue>, ProviderError> {
        let client = Arc::clone(&self.client);
        let result = self
            .flights
            .join(promql, move |promql| async move {
                client
                    .query(&promql)
                    .await
                    .map(Arc::new)
                    .map_err(|error| flight::Failure {
                        timeout: error.kind() == "timeout",
                        reason: error.to_string(),
                    })
            })
            .await;
        let failure = result.as_ref().err().map(|failure| failure.reason.as_str());
        self.journal.query(rule, failure);
        result.map_err(|failure| {
            if failure.timeout {
                ProviderError::Timeout
            } else {
                ProviderError::Upstream {
                    reason: failure.reason,
                }
            }
        })
    }

    /// The answer to an age query, where the rule has one.
    async fn newest(
        &self,
        rule: &RuleId,
        promql: Option<String>,
    ) -> Result<Option<Arc<QueryValue>>, ProviderError> {
        match promql {
            Some(promql) => self.query(rule, promql).await.map(Some),
            None => Ok(None),
        }
    }

    /// Counts and tells a lack. A fixed value in the place of NaN leaves nothing out, and whoever
    /// has no sample is as it always was.
    fn lacks(&self, api: MetricsApi, rule: &RuleId, lack: Lack, fallback: Fallback) {
        match (lack, fallback) {
            (Lack::Missing, _) | (Lack::Unusable(Unusable::NotANumber), Fallback::Value(_)) => {}
            (Lack::Unusable(unusable), _) => self.left_out(api, rule, unusable),
        }
    }

    /// Whose fault it is that there is no query: the request's, or the rule's, which is told.
    fn query_failed(&self, metric: &Arc<str>, rule: &RuleId, error: &QueryError) -> ProviderError {
        match error {
            QueryError::Selector(_) => ProviderError::BadRequest(error.to_string()),
            QueryError::Association(_) | QueryError::Template(_) => {
                self.journal.query(rule, Some(&error.to_string()));
                ProviderError::Query {
                    metric: Arc::clone(metric),
                    reason: format!("{rule}: {error}"),
                }
            }
        }
    }

    /// A scalar where there must be something per object.
    fn no_vector(&self, rule: &RuleId) -> ProviderError {
        let reason = "the query answers a scalar, not a vector";
        self.journal.query(rule, Some(reason));
        ProviderError::Upstream {
            reason: format!("{rule}: {reason}"),
        }
    }

    /// Counts and tells a sample that is no value.
    fn left_out(&self, api: MetricsApi, rule: &RuleId, unusable: Unusable) {
        self.metrics.left_out(api, unusable);
        self.journal.left_out(rule, unusable);
    }
}

/// Why an object, or an external metric, has no value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// There is no sample.
    Missing,
    /// There is one that cannot be served.
    Unusable(Unusable),
}

impl Lack {
    /// The label value of the counter.
    const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unusable(unusable) => unusable.reason(),
        }
    }

    /// For rules that want the request to fail.
    fn error(self, metric: &Arc<str>, described: String) -> ProviderError {
        let metric = Arc::clone(metric);
        match self {
            Self::Missing => ProviderError::MetricNotFound { metric, described },
            Self::Unusable(unusable) => ProviderError::NoValue {
                metric,
                described,
                reason: unusable.text(),
            },
        }
    }
}

impl<C: QueryClient, O: ObjectSource> Provider for Evaluator<C, O> {
    fn serves(&self, api: MetricsApi) -> bool {
        let catalog = self.discovery.catalog();
        let rules = catalog.rules();
        match api {
            MetricsApi::Custom => !rules.custom.is_empty(),
            MetricsApi::External => !rules.external.is_empty(),
            MetricsApi::Resource => rules.resource.is_some(),
        }
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        self.discovery.listed()
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        self.discovery.listed_external()
    }

    async fn custom(&self, query: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        self.custom_values(query).await
    }

    async fn external(&self, query: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        self.external_values(query).await
    }

    async fn nodes(&self, query: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        self.node_usage(query).await
    }

    async fn pods(&self, query: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        self.pod_usage(query).await
    }
}

#[cfg(test)]
mod tests;
