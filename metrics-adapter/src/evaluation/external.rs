//! External metrics: every element of the result is a value of its own.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Evaluator, value};
use crate::discovery::ExternalEntry;
use crate::model::sample::Labels;
use crate::model::{
    ExternalQuery, ExternalValue, MetricsApi, ObjectSource, ProviderError, QueryValue,
};
use crate::prometheus::QueryClient;
use crate::rules::{ExternalScope, QueryError};

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(super) async fn external_values(
        &self,
        query: ExternalQuery,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        let catalog = self.discovery.catalog();
        let ExternalEntry { rule, series } =
            catalog
                .get_external(&query.metric)
                .ok_or_else(|| ProviderError::MetricNotFound {
                    metric: Arc::clone(&query.metric),
                    described: format!("namespaces {}", query.namespace),
                })?;
        let scope = ExternalScope {
            series,
            namespace: Some(&query.namespace),
            selector: &query.selector,
        };
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let promql = rule
            .labels()
            .associate(&resolve)
            .map_err(QueryError::from)
            .and_then(|association| rule.external_query(&association, &scope))
            .map_err(|error| super::query_failed(&query.metric, rule.id(), &error))?;
        let result = self.query(rule.id(), promql).await?;
        let item = |labels: Option<Labels>, value: f64, timestamp: Timestamp| {
            let value = value::quantity(value)
                .inspect_err(|unusable| {
                    self.left_out(MetricsApi::External, rule.id(), *unusable);
                })
                .ok()?;
            Some(ExternalValue {
                labels,
                value,
                timestamp,
            })
        };
        Ok(match result.as_ref() {
            QueryValue::Vector(samples) => samples
                .iter()
                .filter_map(|s| item(Some(s.labels.clone()), s.value, s.timestamp))
                .collect(),
            QueryValue::Scalar { value, timestamp } => {
                item(None, *value, *timestamp).into_iter().collect()
            }
        })
    }
}
