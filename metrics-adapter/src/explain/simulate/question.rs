//! From a metric of an HPA to PromQL: by the adapter's rules, on its own code path, or as given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::history::Timeline;
use super::{SimulateError, unanswered};
use crate::config::RuleFile;
use crate::discovery::Catalog;
use crate::explain::autoscaler::Source;
use crate::explain::kinds::CommonKinds;
use crate::model::{Fallback, GroupResource, MetricInfo, ObjectSource, ResourceType};
use crate::prometheus::{PrometheusError, QueryClient, SeriesSet};
use crate::rules::{self, ExternalScope, Objects, QueryScope, Rule};

/// The label of pods in queries that were given.
pub(super) const POD: &str = "pod";
/// Names that an error lists at most.
const LISTED: usize = 12;

/// What Prometheus is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) promql: String,
    /// The label that tells objects apart; `None` where all elements make one value.
    pub(super) label: Option<String>,
    /// The object that is meant; `None` for pods.
    pub(super) object: Option<String>,
    /// What NaN becomes; `None` for no value.
    pub(super) nan: Option<i64>,
    /// The rule, or the flag.
    pub(super) origin: String,
    /// Whether it is a flag's.
    pub(super) is_given: bool,
    /// What is to be said about it.
    pub(super) notes: Vec<String>,
}

impl Question {
    /// PromQL of a flag: per pod with the label `pod`, else the sum of its elements.
    pub(super) fn given(source: &Source, promql: &str) -> Self {
        let restriction = match source {
            Source::Pods { selector, .. }
            | Source::Object { selector, .. }
            | Source::External { selector, .. } => {
                (!selector.is_everything()).then(|| format!("restrict it to {selector} by itself"))
            }
            Source::Resource { container, .. } => container
                .as_ref()
                .map(|container| format!("restrict it to the container {container} by itself")),
        };
        Self {
            promql: promql.to_owned(),
            label: source.is_per_pod().then(|| POD.to_owned()),
            object: None,
            // As the adapter has it by default.
            nan: source.is_per_pod().then_some(0),
            origin: "--query".to_owned(),
            is_given: true,
            notes: restriction
                .map(|restriction| format!("{source}: --query must {restriction}"))
                .into_iter()
                .collect(),
        }
    }
}

/// The metrics that a rules file makes of the series of a time.
pub(super) struct Catalogued {
    path: PathBuf,
    catalog: Catalog,
    /// Rules without series, as Prometheus would not tell them.
    failed: Vec<String>,
    /// Metrics that rules may not have.
    refused: Vec<String>,
}

impl Catalogued {
    /// Reads the file, and asks for the series of its rules; of those APIs only that the metrics
    /// are from.
    pub(super) async fn read<C: QueryClient>(
        client: &C,
        path: &Path,
        sources: &[&Source],
        timeline: Timeline,
    ) -> Result<Self, SimulateError> {
        let file = RuleFile::load(path).map_err(SimulateError::Rules)?;
        let rules = rules::compile(&file).map_err(|rule| SimulateError::Rule {
            path: path.to_owned(),
            rule,
        })?;
        let is_custom = |it: &&Source| matches!(it, Source::Pods { .. } | Source::Object { .. });
        let is_external = |it: &&Source| matches!(it, Source::External { .. });
        let (mut custom, mut external, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        if sources.iter().any(is_custom) {
            custom = series(client, &rules.custom, timeline, &mut failed).await?;
        }
        if sources.iter().any(is_external) {
            external = series(client, &rules.external, timeline, &mut failed).await?;
        }
        let rules = Arc::new(rules);
        let (catalog, refused) =
            Catalog::build(Arc::clone(&rules), &custom, &external, &CommonKinds);
        let refused = refused
            .into_iter()
            .map(|(rule, error)| format!("{}: {error}", rule.id()))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            catalog,
            failed,
            refused,
        })
    }

    /// What is to be said about the rules.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.failed
            .iter()
            .map(|failed| format!("not used: {failed}"))
    }

    /// The question for a metric.
    pub(super) fn question(
        &self,
        source: &Source,
        namespace: &str,
    ) -> Result<Question, SimulateError> {
        let wrong = |reason: String| SimulateError::Metric {
            metric: source.to_string(),
            reason,
        };
        match source {
            Source::Pods { metric, .. } => {
                let pods = CommonKinds::of_kind("Pod");
                let pods = pods.ok_or_else(|| wrong("there are no pods".to_owned()))?;
                self.custom(source, &pods, metric, namespace, None)
            }
            Source::Object {
                metric,
                kind,
                object,
                ..
            } => {
                let kind = CommonKinds::of_kind(kind).ok_or_else(|| {
                    wrong(format!(
                        "{kind} is no kind that every cluster has: give --query {metric}=PROMQL"
                    ))
                })?;
                self.custom(source, &kind, metric, namespace, Some(object))
            }
            Source::External { metric, selector } => {
                let entry = self.catalog.get_external(metric);
                let entry = entry.ok_or_else(|| {
                    let list = self.catalog.external_list();
                    wrong(self.unknown(list.iter().map(ToString::to_string).collect()))
                })?;
                let resolve = |group: &str, name: &str| CommonKinds.resolve(group, name);
                let rule = &entry.rule;
                let association = rule.labels().associate(&resolve);
                let association = association.map_err(|error| wrong(error.to_string()))?;
                let scope = ExternalScope {
                    series: &entry.series,
                    namespace: Some(namespace),
                    selector,
                };
                let promql = rule.external_query(&association, &scope);
                let (nan, note) = nan(source, rule, Fallback::Omit);
                Ok(Question {
                    promql: promql.map_err(|error| wrong(error.to_string()))?,
                    label: None,
                    object: None,
                    nan,
                    origin: rule.id().to_string(),
                    is_given: false,
                    notes: note.into_iter().collect(),
                })
            }
            Source::Resource { resource, .. } => Err(wrong(format!(
                "rules for resources are asked by the names of pods: give --query \
                 {resource}=PROMQL, by {POD}"
            ))),
        }
    }

    fn custom(
        &self,
        source: &Source,
        resource: &ResourceType,
        metric: &str,
        namespace: &str,
        object: Option<&str>,
    ) -> Result<Question, SimulateError> {
        let wrong = |reason: String| SimulateError::Metric {
            metric: source.to_string(),
            reason,
        };
        let info = MetricInfo {
            resource: resource.id.clone(),
            namespaced: resource.namespaced,
            metric: metric.into(),
        };
        let entry = self.catalog.get(&info);
        let entry = entry.ok_or_else(|| wrong(self.unknown(self.names(&resource.id))))?;
        let rule = &entry.rule;
        let resolve = |group: &str, name: &str| CommonKinds.resolve(group, name);
        let association = rule.labels().associate(&resolve);
        let association = association.map_err(|error| wrong(error.to_string()))?;
        let label = association.label(resource);
        let label = label.map_err(|error| wrong(error.to_string()))?;
        let (Source::Pods { selector, .. } | Source::Object { selector, .. }) = source else {
            return Err(wrong("it is no custom metric".to_owned()));
        };
        let names: Vec<Arc<str>> = object.into_iter().map(Arc::from).collect();
        let scope = QueryScope {
            series: &entry.series,
            label: &label,
            namespace: resource.namespaced.then_some(namespace),
            metric_selector: selector,
            objects: match names[..] {
                [] => Objects::All,
                _ => Objects::Named(&names),
            },
        };
        let shared = match object {
            Some(_) => Ok(None),
            None => rule.shared_query(&association, &scope),
        };
        let shared = shared.map_err(|error| wrong(error.to_string()))?;
        let is_sound = object.is_some() || shared.is_some();
        let promql = rule.query(&association, &scope);
        let promql = promql.map_err(|error| wrong(error.to_string()))?;
        let note = (!is_sound).then(|| {
            format!(
                "{source}: {} is asked for all pods at once, and is not proven to say the same \
                 of each as when it is asked for some",
                rule.id()
            )
        });
        let (nan, nan_note) = nan(source, rule, Fallback::ZERO);
        Ok(Question {
            promql,
            label: Some(label),
            object: object.map(str::to_owned),
            nan,
            origin: rule.id().to_string(),
            is_given: false,
            notes: note.into_iter().chain(nan_note).collect(),
        })
    }

    /// The metrics of a resource.
    fn names(&self, resource: &GroupResource) -> Vec<String> {
        let list = self.catalog.list().iter();
        let list = list.filter(|info| info.resource == *resource);
        list.map(|info| info.metric.to_string()).collect()
    }

    /// Why there is no such metric, and which there are.
    fn unknown(&self, names: Vec<String>) -> String {
        let mut text = format!(
            "the rules of --config {} make no such metric of the series of that time",
            self.path.display()
        );
        let more = names.len().saturating_sub(LISTED);
        let listed: Vec<String> = names.into_iter().take(LISTED).collect();
        if !listed.is_empty() {
            text += &format!("; there are {}", listed.join(", "));
        }
        if more > 0 {
            text += &format!(" and {more} more");
        }
        for refused in self.failed.iter().chain(&self.refused) {
            text += &format!("; not used: {refused}");
        }
        text
    }
}

/// What stands in for NaN, and what is to be said where it cannot be what the rule says: that
/// takes a memory, or fails whole requests.
fn nan(source: &Source, rule: &Rule, default: Fallback) -> (Option<i64>, Option<String>) {
    let other = match rule.policy().on_nan.unwrap_or(default) {
        Fallback::Value(quantity) => return (Some(quantity.milli()), None),
        Fallback::Omit => return (None, None),
        Fallback::Last(_) => "the last value",
        Fallback::Error => "an error",
    };
    let note = format!(
        "{source}: NaN is no value here, and not {other} as onNaN of {} says",
        rule.id()
    );
    (None, Some(note))
}

/// The series of each rule. Where one rule's cannot be had, the others' may do; without a
/// connection none can.
async fn series<C: QueryClient>(
    client: &C,
    rules: &[Arc<Rule>],
    timeline: Timeline,
    failed: &mut Vec<String>,
) -> Result<Vec<(Arc<Rule>, Arc<SeriesSet>)>, SimulateError> {
    let mut sets = Vec::with_capacity(rules.len());
    for rule in rules {
        let what = format!("{}.seriesQuery", rule.id());
        let set = client.series(rule.series_query(), timeline.from(), timeline.to());
        match set.await {
            Ok(set) => sets.push((Arc::clone(rule), Arc::new(set))),
            Err(cause @ PrometheusError::Connect { .. }) => {
                return Err(SimulateError::Prometheus { what, cause });
            }
            Err(cause) => failed.push(unanswered(&what, &cause)),
        }
    }
    Ok(sets)
}
