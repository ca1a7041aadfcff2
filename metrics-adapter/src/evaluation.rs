//! From a request to values: lookup, objects, query, and the result cut into objects.
//!
//! Callers that ask the same at the same time share one query (`flight`). The objects come
//! from memory, so the only wait is for Prometheus, under its client's deadline.

mod flight;
mod value;

use std::sync::Arc;

use tracing::{info, warn};

use crate::discovery::{Entry, State};
use crate::model::provider::{MetricQuery, Provider, ProviderError, Target};
use crate::model::{MetricInfo, MetricValue, ObjectSource, QueryValue, ResourceType};
use crate::prometheus::QueryClient;
use crate::rules::{QueryError, QueryScope};
use flight::Flights;

/// Answers requests from a catalog, an object index and Prometheus.
pub struct Evaluator<C, O> {
    client: Arc<C>,
    objects: Arc<O>,
    discovery: Arc<State>,
    flights: Flights,
    /// Rules that failed last time, so that a failure is told once and not at every poll.
    failing: std::sync::Mutex<std::collections::BTreeSet<Arc<str>>>,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    /// Puts an evaluator together.
    pub fn new(client: Arc<C>, objects: Arc<O>, discovery: Arc<State>) -> Self {
        Self {
            client,
            objects,
            discovery,
            flights: Flights::default(),
            failing: Default::default(),
        }
    }

    /// One query, shared with whoever else asks the same now.
    async fn query(
        &self,
        rule: &Arc<str>,
        promql: String,
    ) -> Result<Arc<QueryValue>, ProviderError> {
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
        self.note(rule, result.as_ref().err());
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

    fn note(&self, rule: &Arc<str>, failure: Option<&flight::Failure>) {
        let mut failing = self
            .failing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match failure {
            Some(failure) if failing.insert(Arc::clone(rule)) => {
                let error = &failure.reason;
                warn!(%rule, error, "queries of {rule} fail: {error}");
            }
            None if failing.remove(rule) => info!(%rule, "queries of {rule} work again"),
            _ => {}
        }
    }

    fn selected(
        &self,
        query: &MetricQuery,
        resource: &ResourceType,
    ) -> Result<Vec<Arc<str>>, ProviderError> {
        match &query.target {
            Target::Name(name) => Ok(vec![Arc::clone(name)]),
            Target::Selected(selector) => self
                .objects
                .select(resource, query.namespace.as_deref(), selector)
                .map_err(ProviderError::Objects),
        }
    }
}

impl<C: QueryClient, O: ObjectSource> Provider for Evaluator<C, O> {
    fn list(&self) -> Arc<[MetricInfo]> {
        Arc::clone(self.discovery.catalog().list())
    }

    async fn custom(&self, query: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        let not_found = |described: String| ProviderError::MetricNotFound {
            metric: Arc::clone(&query.metric),
            described,
        };
        let asked = query.resource.to_string();
        let resource = self
            .objects
            .resolve(&query.resource.group, &query.resource.resource)
            .ok_or_else(|| not_found(asked.clone()))?;
        let info = MetricInfo {
            resource: resource.id.clone(),
            namespaced: query.namespace.is_some(),
            metric: Arc::clone(&query.metric),
        };
        let described = match &query.target {
            Target::Name(name) => format!("{} {name}", resource.id),
            Target::Selected(_) => resource.id.to_string(),
        };
        let catalog = self.discovery.catalog();
        let Entry { rule, series, .. } = catalog
            .get(&info)
            .ok_or_else(|| not_found(described.clone()))?;
        let names = self.selected(&query, &resource)?;
        if names.is_empty() {
            // As prometheus-adapter: no objects, no metric.
            return Err(not_found(described));
        }
        let scope = QueryScope {
            series,
            resource: &resource,
            namespace: query.namespace.as_deref(),
            metric_selector: &query.metric_selector,
            names: &names,
        };
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let failed = |error: QueryError| match error {
            QueryError::Selector(_) => ProviderError::BadRequest(error.to_string()),
            QueryError::Association(_) | QueryError::Template(_) => ProviderError::Query {
                metric: Arc::clone(&query.metric),
                reason: format!("{}: {error}", rule.id()),
            },
        };
        let promql = rule.query(&scope, &resolve).map_err(failed)?;
        let label = rule
            .associate(&resolve)
            .and_then(|association| association.label(&resource))
            .map_err(|error| failed(error.into()))?;
        let result = self.query(rule.id(), promql).await?;
        let QueryValue::Vector(samples) = result.as_ref() else {
            let reason = format!("{}: the query answers a scalar, not a vector", rule.id());
            return Err(ProviderError::Upstream { reason });
        };
        let objects = value::Objects {
            resource: &resource,
            namespace: query.namespace.as_ref(),
            label: &label,
        };
        let values = objects
            .values(samples, &names)
            .map_err(|()| not_found(described.clone()))?;
        match query.target {
            Target::Name(_) if values.is_empty() => Err(not_found(described)),
            _ => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests;
