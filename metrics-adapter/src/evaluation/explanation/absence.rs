//! Why there is no such metric.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::Evaluator;
use crate::discovery::Catalog;
use crate::model::explanation::{Cause, Explanation, Reason, Related, RuleState};
use crate::model::{ExternalQuery, MetricQuery, ObjectSource, ProviderError, ResourceType};
use crate::nearest::nearest;
use crate::prometheus::{QueryClient, SeriesShape};
use crate::rules::Rule;

/// Names that may have been meant; so many are told.
const SIMILAR: usize = 5;

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    /// A custom metric that is not to be found.
    pub(in crate::evaluation) fn absent(
        &self,
        query: &MetricQuery,
        catalog: &Catalog,
        error: ProviderError,
    ) -> Explanation {
        let mut told = Explanation::new(Err(error));
        told.related = related(catalog, &query.metric);
        let asked = &query.resource;
        let Some(resource) = self.objects.resolve(&asked.group, &asked.resource) else {
            let message = if self.objects.is_discovered() {
                format!("the cluster has no kind of objects {asked}")
            } else {
                format!("it is not known yet whether the cluster has a kind of objects {asked}")
            };
            told.cause = Some(Reason::UnknownKind.because(message));
            return told;
        };
        let states = self.states(&catalog.rules().custom);
        let cause = self
            .unmapped(query, catalog, &resource)
            .or_else(|| elsewhere(&told.related, &resource.id.to_string()))
            .unwrap_or_else(|| unmade(&query.metric, &states, &told.related));
        told.cause = Some(cause);
        told.candidates = states.into_iter().map(|(_, state)| state).collect();
        told
    }

    /// An external metric that is not to be found.
    pub(in crate::evaluation) fn absent_external(
        &self,
        query: &ExternalQuery,
        catalog: &Catalog,
        error: ProviderError,
    ) -> Explanation {
        let mut told = Explanation::new(Err(error));
        told.related = related(catalog, &query.metric);
        let states = self.states(&catalog.rules().external);
        let cause = elsewhere(&told.related, "external")
            .unwrap_or_else(|| unmade(&query.metric, &states, &told.related));
        told.cause = Some(cause);
        told.candidates = states.into_iter().map(|(_, state)| state).collect();
        told
    }

    fn states<'a>(&self, rules: &'a [Arc<Rule>]) -> Vec<(&'a Rule, RuleState)> {
        let state = |rule: &'a Arc<Rule>| (&**rule, self.rule_state(rule, None));
        rules.iter().map(state).collect()
    }

    /// A rule makes the metric, but not of this kind of object.
    fn unmapped(
        &self,
        query: &MetricQuery,
        catalog: &Catalog,
        resource: &ResourceType,
    ) -> Option<Cause> {
        let (metric, kind) = (&query.metric, &resource.id);
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let (rule, shape) = catalog.makers(metric).next()?;
        let association = match rule.labels().associate(&resolve) {
            Ok(association) => association,
            Err(error) => {
                let message = format!("{} makes no metrics: {error}", rule.id());
                return Some(Reason::RuleRefused.because(message));
            }
        };
        let is_of_kind = |(rule, shape): (&Arc<Rule>, &SeriesShape)| {
            rule.labels().associate(&resolve).is_ok_and(|association| {
                let labels = shape.labels.iter().map(AsRef::as_ref);
                association.resources(labels).0.contains(resource)
            })
        };
        if catalog.makers(metric).any(is_of_kind) {
            let within = match query.namespace {
                Some(_) => "in a namespace, and is there without one only",
                None => "without a namespace, and is there in namespaces only",
            };
            let message = format!("{metric} of {kind} was asked for {within}");
            return Some(Reason::OtherKind.because(message));
        }
        let labels: Vec<&str> = shape.labels.iter().map(AsRef::as_ref).collect();
        let expected = match association.label(resource) {
            Ok(label) => format!("the rule expects the label {label:?}"),
            Err(_) => format!("the rule's resources tell no label of {kind}"),
        };
        Some(Reason::LabelNotMapped.because(format!(
            "{} makes {metric} of the series {}, but no label of it names {kind}: {expected}, and \
             the series' labels are {}",
            rule.id(),
            shape.name,
            labels.join(", ")
        )))
    }
}

/// What else there is of that name, or nearly so.
fn related(catalog: &Catalog, metric: &str) -> Related {
    let of_name = catalog.list().iter().filter(|info| *info.metric == *metric);
    let mut elsewhere: Vec<String> = of_name.map(|info| info.resource.to_string()).collect();
    if catalog.get_external(metric).is_some() {
        elsewhere.push("external".to_owned());
    }
    let custom = catalog.list().iter().map(|info| &info.metric);
    let names = custom.chain(catalog.external_list().iter());
    let names: BTreeSet<&str> = names.map(AsRef::as_ref).collect();
    let similar = nearest(metric, names).into_iter().take(SIMILAR);
    Related {
        elsewhere,
        similar: similar.map(str::to_owned).collect(),
        ..Related::default()
    }
}

fn elsewhere(related: &Related, asked: &str) -> Option<Cause> {
    let there = &related.elsewhere;
    (!there.is_empty()).then(|| {
        let message = format!("the metric is not of {asked}, but of: {}", there.join(", "));
        Reason::OtherKind.because(message)
    })
}

/// No rule makes the metric, as far as is known.
fn unmade(metric: &str, states: &[(&Rule, RuleState)], related: &Related) -> Cause {
    let likely = states.iter().find(|(rule, _)| {
        let made = series_name(rule.series_query()).and_then(|series| rule.metric_name(series));
        made.as_deref() == Some(metric)
    });
    if let Some((_, state)) = likely {
        return unknown(metric, state).unwrap_or_else(|| {
            let message = match &state.error {
                Some(error) => format!("{} makes no metrics: {error}", state.place),
                None => format!("no series is found that makes {metric}: {}", query(state)),
            };
            Reason::NoSeries.because(message)
        });
    }
    let mut unknown = states
        .iter()
        .filter_map(|(_, state)| unknown(metric, state));
    if let Some(cause) = unknown.next() {
        return cause;
    }
    if let Some(similar) = related.similar.first() {
        let message = format!("no rule makes a metric {metric}; did you mean {similar}?");
        return Reason::NoRule.because(message);
    }
    let in_vain = |(_, state): &&(&Rule, RuleState)| state.found == Some(0);
    let in_vain: Vec<_> = states.iter().filter(in_vain).collect();
    match in_vain.first() {
        Some((_, first)) => Reason::NoSeries.because(format!(
            "no rule makes a metric {metric}; {} of {} rules find no series, the first is {}",
            in_vain.len(),
            states.len(),
            query(first)
        )),
        None => Reason::NoRule.because(format!(
            "none of {} rules makes a metric {metric}",
            states.len()
        )),
    }
}

/// What the rule makes is not known.
fn unknown(metric: &str, state: &RuleState) -> Option<Cause> {
    let query = query(state);
    match (state.found, &state.error) {
        (None, Some(error)) => Some(Reason::SeriesQueryFails.because(format!(
            "it is not known what makes {metric}, for a series query fails: {query}: {error}"
        ))),
        (None, None) => Some(Reason::NotAskedYet.because(format!(
            "Prometheus has not been asked yet which series there are: {query}"
        ))),
        _ => None,
    }
}

fn query(state: &RuleState) -> String {
    format!("{}, seriesQuery {}", state.place, state.series_query)
}

/// The name in front of a selector's braces, if there is one.
fn series_name(query: &str) -> Option<&str> {
    let name = query.split('{').next().unwrap_or_default().trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_may_have_a_name_in_front() {
        for (query, name) in [
            ("ops", Some("ops")),
            ("ops {pod!=\"\"}", Some("ops")),
            ("{__name__=~\"^a\"}", None),
        ] {
            assert_eq!(series_name(query), name, "{query}");
        }
    }
}
