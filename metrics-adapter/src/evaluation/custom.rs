//! Custom metrics: lookup, objects, query, and the result cut into objects.

use std::sync::Arc;

use super::{Evaluator, value};
use crate::discovery::Entry;
use crate::model::{
    MetricInfo, MetricQuery, MetricValue, MetricsApi, ObjectSource, ProviderError, QueryValue,
    ResourceType, Target,
};
use crate::prometheus::QueryClient;
use crate::rules::QueryScope;

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(super) async fn custom_values(
        &self,
        query: MetricQuery,
    ) -> Result<Vec<MetricValue>, ProviderError> {
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
        // Most kinds without namespaces are listed as if they had them (prometheus-adapter's rule,
        // see `rules::Association::resources`). They are found by either path, too.
        let listed_namespaced = || {
            let rootless = query.namespace.is_none() && !resource.namespaced;
            let info = MetricInfo {
                namespaced: true,
                ..info.clone()
            };
            rootless.then(|| catalog.get(&info)).flatten()
        };
        let Entry { rule, series, .. } = catalog
            .get(&info)
            .or_else(listed_namespaced)
            .ok_or_else(|| not_found(described.clone()))?;
        if query.namespace.is_some() && !resource.namespaced && query.target.is_selected() {
            // There is nothing of that kind in a namespace. A name may do: the series may have
            // both labels.
            return Err(not_found(described));
        }
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
        let failed = |error| super::query_failed(&query.metric, rule.id(), &error);
        let promql = rule.query(&scope, &resolve).map_err(failed)?;
        let label = rule
            .associate(&resolve)
            .and_then(|association| association.label(&resource))
            .map_err(|error| failed(error.into()))?;
        let result = self.query(rule.id(), promql).await?;
        let QueryValue::Vector(samples) = result.as_ref() else {
            return Err(super::no_vector(rule.id()));
        };
        let objects = value::Objects {
            resource: &resource,
            namespace: query.namespace.as_ref(),
            label: &label,
        };
        let left_out = |unusable| self.left_out(MetricsApi::Custom, rule.id(), unusable);
        let values = objects
            .values(samples, &names, left_out)
            .map_err(|()| not_found(described.clone()))?;
        match query.target {
            Target::Name(_) if values.is_empty() => Err(not_found(described)),
            _ => Ok(values),
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
