//! External metrics: every element of the result is a value of its own.

mod explanation;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::field::display;

use super::answer::{Answer, Keep, Query, Told};
use super::requests::came_of;
use super::value::{self, Newest, Unusable};
use super::{Evaluator, Lack};
use crate::discovery::{ExternalEntry, Meter};
use crate::model::sample::Labels;
use crate::model::{
    ExternalQuery, ExternalValue, Fallback, MetricsApi, ObjectSource, ProviderError, Quantity,
    Sample,
};
use crate::prometheus::QueryClient;
use crate::rules::{ExternalScope, QueryError, Rule};
use crate::trace;

/// One element of a result, or its scalar.
struct Element {
    labels: Option<Labels>,
    value: f64,
    timestamp: Timestamp,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(super) async fn external_values(
        &self,
        query: &ExternalQuery,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        let catalog = self.discovery.catalog();
        let Some(entry) = catalog.get_external(&query.metric) else {
            let error = ProviderError::MetricNotFound {
                metric: Arc::clone(&query.metric),
                described: described(query),
            };
            self.metrics.requests.unknown(MetricsApi::External, &error);
            return Err(error);
        };
        let meter = || self.meter(entry.rule.id(), None, &query.metric);
        let meter = entry.meter.get_or_init(meter);
        let outcome = self.values_of_external(query, entry, meter).await;
        meter.count(came_of(&outcome));
        outcome
    }

    async fn values_of_external(
        &self,
        query: &ExternalQuery,
        ExternalEntry { rule, series, .. }: &ExternalEntry,
        meter: &Meter,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        trace::note(trace::RULE, display(rule.id()));
        let (asked, age) = self
            .external_question(query, rule, series)
            .map_err(|error| self.query_failed(&query.metric, rule.id(), &error))?;
        let outcome = self.answers(rule, &asked, age.as_ref(), &()).await;
        let (result, newest) = self.judged(rule.id(), outcome)?;
        let mut elements = elements(&result);
        trace::note(trace::OBJECTS, trace::count(elements.len()));
        let now = Instant::now();
        let kept = newest.as_ref().map(|newest| newest.age(now));
        let newest = newest.as_ref().and_then(|newest| newest.elements().first());
        let evaluated = elements.first().map(|element| element.timestamp);
        let evaluated = evaluated.or(newest.map(|newest| newest.timestamp));
        let evaluated = evaluated.unwrap_or_else(Timestamp::now);
        if rule.policy().max_age.is_none() {
            meter.aged(result.age(now));
        }
        if elements.is_empty() {
            return self.nothing(query, rule, Lack::Missing, evaluated);
        }
        if let Some(max_age) = rule.policy().max_age {
            let newest = newest.and_then(|one| Newest::of(one.into(), kept.unwrap_or_default()));
            if let Some(newest) = newest {
                meter.aged(newest.age);
            }
            let Some(newest) = newest.filter(|newest| newest.age <= max_age) else {
                let lack = Lack::Unusable(Unusable::Stale);
                return self.nothing(query, rule, lack, evaluated);
            };
            for element in &mut elements {
                element.timestamp = newest.taken.min(element.timestamp);
            }
        }
        self.external_readings(query, rule, elements, evaluated)
    }

    fn external_question(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        series: &str,
    ) -> Result<(Arc<Query>, Option<Arc<Query>>), QueryError> {
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let association = rule.labels().associate(&resolve)?;
        let scope = ExternalScope {
            series,
            namespace: Some(&query.namespace),
            selector: &query.selector,
        };
        let query = |promql: String| {
            Arc::new(Query {
                promql: promql.into(),
                keep: Keep::Elements,
                joint: None,
            })
        };
        let asked = rule.external_query(&association, &scope)?;
        let age = rule.external_age_query(&association, &scope)?;
        Ok((query(asked), age.map(query)))
    }

    /// The values of the elements; what a quantity cannot hold is left out, or as the rule says.
    fn external_readings(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        elements: Vec<Element>,
        evaluated: Timestamp,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        let mut values = Vec::with_capacity(elements.len());
        let mut measured = Vec::new();
        for element in elements {
            let reading = match value::quantity(element.value) {
                Ok(quantity) => Some((mk_value(rule, element, quantity), true)),
                Err(unusable) => self.element_instead(query, rule, element, unusable, evaluated)?,
            };
            let Some((value, is_measured)) = reading else {
                continue;
            };
            if is_measured && rule.policy().remembers() {
                measured.push(value.clone());
            }
            values.push(value);
        }
        let rule = rule.id().content();
        self.memory.served_external(rule, query, measured);
        Ok(values)
    }

    /// What an element without a usable value becomes, and whether that was measured once.
    fn element_instead(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        element: Element,
        unusable: Unusable,
        evaluated: Timestamp,
    ) -> Result<Option<(ExternalValue, bool)>, ProviderError> {
        let fallback = on_unusable(rule, unusable);
        let lack = Lack::Unusable(unusable);
        self.lacks(MetricsApi::External, rule.id(), lack, fallback);
        let found = self.stand_in(query, rule, element, lack, fallback, evaluated)?;
        if found.is_some() {
            self.metrics.substituted(MetricsApi::External, lack);
        }
        Ok(found)
    }

    /// What the rule puts in the place of an element, and whether that was measured once.
    fn stand_in(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        element: Element,
        lack: Lack,
        fallback: Fallback,
        evaluated: Timestamp,
    ) -> Result<Option<(ExternalValue, bool)>, ProviderError> {
        Ok(match fallback {
            Fallback::Omit => None,
            Fallback::Error => return Err(lack.error(&query.metric, described(query))),
            Fallback::Value(quantity) => Some((mk_value(rule, element, quantity), false)),
            Fallback::Last(longest) => {
                let rule = rule.id().content();
                let last = self.memory.last_external(rule, query, evaluated, longest);
                let mut last = last.into_iter();
                last.find(|value| value.labels == element.labels)
                    .map(|value| (value, true))
            }
        })
    }

    /// What a metric without a result gets: a fixed value stands alone, without labels.
    fn nothing(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        lack: Lack,
        timestamp: Timestamp,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        let fallback = rule.policy().on_missing;
        self.lacks(MetricsApi::External, rule.id(), lack, fallback);
        let values = self.without_result(query, rule, lack, timestamp)?;
        if !values.is_empty() {
            self.metrics.substituted(MetricsApi::External, lack);
        }
        Ok(values)
    }

    /// Likewise, by what the rule says alone.
    fn without_result(
        &self,
        query: &ExternalQuery,
        rule: &Rule,
        lack: Lack,
        timestamp: Timestamp,
    ) -> Result<Vec<ExternalValue>, ProviderError> {
        Ok(match rule.policy().on_missing {
            Fallback::Omit => Vec::new(),
            Fallback::Error => return Err(lack.error(&query.metric, described(query))),
            Fallback::Value(value) => vec![ExternalValue {
                labels: None,
                value,
                timestamp,
                window: rule.policy().window,
            }],
            Fallback::Last(longest) => {
                let rule = rule.id().content();
                self.memory.last_external(rule, query, timestamp, longest)
            }
        })
    }
}

/// What the rule says of an element that is no value.
fn on_unusable(rule: &Rule, unusable: Unusable) -> Fallback {
    match unusable {
        Unusable::NotANumber => rule.policy().on_nan.unwrap_or(Fallback::Omit),
        _ => Fallback::Omit,
    }
}

fn described(query: &ExternalQuery) -> String {
    format!("namespaces {}", query.namespace)
}

fn mk_value(rule: &Rule, element: Element, value: Quantity) -> ExternalValue {
    ExternalValue {
        labels: element.labels,
        value,
        timestamp: element.timestamp,
        window: rule.policy().window,
    }
}

fn elements(result: &Answer) -> Vec<Element> {
    if let Told::Scalar { value, timestamp } = *result.told() {
        return vec![Element {
            labels: None,
            value,
            timestamp,
        }];
    }
    let element = |sample: &Sample| Element {
        labels: Some(sample.labels.clone()),
        value: sample.value,
        timestamp: sample.timestamp,
    };
    result.elements().iter().map(element).collect()
}
