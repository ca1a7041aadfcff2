//! A request that a rule would answer, with the query that it would make.

use std::sync::Arc;

use super::facts::Facts;
use crate::discovery::Catalog;
use crate::model::sample::Labels;
use crate::model::{GroupResource, MetricInfo, Selector};
use crate::rules::{Association, ExternalScope, Objects, QueryError, QueryScope, Rule};

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";
/// Stands for any namespace where the series tell none.
const DEFAULT_NAMESPACE: &str = "default";

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its path.
    pub(super) request: String,
    /// What Prometheus is asked.
    pub(super) query: String,
    /// The label that must tell the objects apart; `None` for external metrics.
    pub(super) label: Option<String>,
    /// The series that the metric is made of.
    pub(super) series: String,
}

/// The metrics that a rule serves, by their names in discovery.
pub(super) fn metrics(rule: &Rule, catalog: &Catalog, is_external: bool) -> Vec<String> {
    if is_external {
        let own = |name: &&Arc<str>| {
            let entry = catalog.get_external(name);
            entry.is_some_and(|entry| entry.rule.id() == rule.id())
        };
        return catalog
            .external_list()
            .iter()
            .filter(own)
            .map(ToString::to_string)
            .collect();
    }
    let own = own(rule, catalog);
    own.into_iter()
        .map(|info| format!("{}/{}", info.resource, info.metric))
        .collect()
}

fn own<'a>(rule: &Rule, catalog: &'a Catalog) -> Vec<&'a MetricInfo> {
    let is_own = |info: &&MetricInfo| {
        let entry = catalog.get(info);
        entry.is_some_and(|entry| entry.rule.id() == rule.id())
    };
    catalog.list().iter().filter(is_own).collect()
}

/// A request for an object that Prometheus has samples of, of pods if there are; `None` where there
/// is no such object.
///
/// # Errors
/// When the rule has no query for it.
pub(super) fn find(
    rule: &Rule,
    is_external: bool,
    facts: &Facts,
    catalog: &Catalog,
    association: &Association<'_>,
) -> Result<Option<Asked>, QueryError> {
    if is_external {
        return external(rule, facts, catalog, association);
    }
    let mut metrics = own(rule, catalog);
    metrics.sort_by_key(|info| (rank(info), info.resource.clone(), Arc::clone(&info.metric)));
    for info in metrics {
        let Some(entry) = catalog.get(info) else {
            continue;
        };
        let Some(labels) = facts.examples.get(entry.series.as_ref()) else {
            continue;
        };
        let label = association.label(&entry.resource)?;
        let Some(object) = labels.get(&label).filter(|name| !name.is_empty()) else {
            continue;
        };
        let is_housed = entry.resource.namespaced;
        let namespace = if is_housed {
            of_namespace(association, labels)?
        } else {
            None
        };
        if is_housed && namespace.is_none() {
            continue;
        }
        let scope = QueryScope {
            series: &entry.series,
            label: &label,
            namespace: namespace.as_deref(),
            metric_selector: &Selector::EVERYTHING,
            objects: Objects::Named(std::slice::from_ref(object)),
        };
        let place = match &namespace {
            Some(namespace) => format!("namespaces/{namespace}/{}/{object}", info.resource),
            // What would be the metrics of an object in the namespace `metrics` otherwise.
            None if *info.resource.resource == *"namespaces" => {
                format!("namespaces/{object}/metrics")
            }
            None => format!("{}/{object}", info.resource),
        };
        return Ok(Some(Asked {
            request: format!("{CUSTOM}/{place}/{}", info.metric),
            query: rule.query(association, &scope)?,
            label: Some(label),
            series: entry.series.to_string(),
        }));
    }
    Ok(None)
}

/// Pods are what almost every HPA asks for.
fn rank(info: &MetricInfo) -> u8 {
    let GroupResource { group, resource } = &info.resource;
    match (group.as_ref(), resource.as_ref()) {
        ("", "pods") => 0,
        // Usually a label of Prometheus' own.
        ("batch", "jobs") => 3,
        ("", "namespaces") => 2,
        _ => 1,
    }
}

fn of_namespace(
    association: &Association<'_>,
    labels: &Labels,
) -> Result<Option<Arc<str>>, QueryError> {
    let namespace = labels.get(&association.namespace_label()?);
    Ok(namespace.filter(|name| !name.is_empty()).cloned())
}

fn external(
    rule: &Rule,
    facts: &Facts,
    catalog: &Catalog,
    association: &Association<'_>,
) -> Result<Option<Asked>, QueryError> {
    for name in catalog.external_list().iter() {
        let entry = catalog.get_external(name);
        let Some(entry) = entry.filter(|entry| entry.rule.id() == rule.id()) else {
            continue;
        };
        let Some(labels) = facts.examples.get(entry.series.as_ref()) else {
            continue;
        };
        let namespace = if rule.is_namespaced() {
            of_namespace(association, labels)?
        } else {
            None
        };
        let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into());
        let scope = ExternalScope {
            series: &entry.series,
            namespace: Some(&namespace),
            selector: &Selector::EVERYTHING,
        };
        return Ok(Some(Asked {
            request: format!("{EXTERNAL}/namespaces/{namespace}/{name}"),
            query: rule.external_query(association, &scope)?,
            label: None,
            series: entry.series.to_string(),
        }));
    }
    Ok(None)
}
