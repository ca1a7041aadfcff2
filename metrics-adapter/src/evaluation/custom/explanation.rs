//! The way of a request for a custom metric, step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::answer::Keep;
use super::super::explanation::{Wanted, listed, raw_samples, written};
use super::super::question::{Question, scoped};
use super::super::value::Unusable;
use super::super::{Evaluator, Lack, unwritten};
use super::{Answered, Asked, Found, not_found};
use crate::discovery::Entry;
use crate::model::explanation::{
    Bounded, Cause, Dropped, Explanation, Purpose, Reason, Selected, Served,
};
use crate::model::{
    Fallback, MetricQuery, ObjectSource, ProviderError, QueryValue, ResourceType, Selector, Target,
};
use crate::prometheus::QueryClient;
use crate::rules::{Objects, QueryError};

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(in crate::evaluation) async fn explain_custom(&self, query: &MetricQuery) -> Explanation {
        let catalog = self.discovery.catalog();
        let (resource, entry) = match self.located(query, &catalog) {
            Ok(located) => located,
            Err(error) => return self.absent(query, &catalog, error),
        };
        let mut told = Explanation::new(Ok(0));
        told.rule = Some(self.rule_state(&entry.rule, Some(&entry.series)));
        match self.walk(&mut told, query, &resource, entry).await {
            Ok(None) => {}
            Ok(Some(cause)) => told.cause = Some(cause),
            Err((error, cause)) => {
                told.outcome = Err(error);
                told.cause = Some(cause);
            }
        }
        told
    }

    /// From the rule to the values; the cause of what is missing.
    async fn walk(
        &self,
        told: &mut Explanation,
        query: &MetricQuery,
        resource: &ResourceType,
        entry: &Entry,
    ) -> Result<Option<Cause>, (ProviderError, Cause)> {
        let missing = || not_found(query, resource);
        let names = self.selected(query, resource).map_err(|error| {
            let cause = match &error {
                ProviderError::Objects(source) => source.to_string(),
                error => error.to_string(),
            };
            (error, Reason::ObjectsUnknown.because(cause))
        })?;
        told.objects = Some(Selected {
            resource: resource.id.clone(),
            names: names.iter().cloned().collect(),
        });
        if names.is_empty() {
            return Err((missing(), self.nobody(query, resource)));
        }
        let rule = &entry.rule;
        let question = self
            .question(query, resource, entry, &names)
            .map_err(|error| {
                let failed = unwritten(&query.metric, rule.id(), &error);
                let message = format!("{} cannot be turned into a query: {error}", rule.id());
                (failed, Reason::NoQuery.because(message))
            })?;
        let bound = self.bound(rule.policy());
        let ages = async {
            match &question.age {
                Some(age) => Some(self.look(Purpose::Ages, age, bound).await),
                None => None,
            }
        };
        let values = self.look(Purpose::Values, &question.query, bound);
        let (values, ages) = futures::join!(values, ages);
        told.questions.push(values.question);
        if let Some(raw) = &values.raw {
            told.samples = raw_samples(raw);
            nameless(raw, &question.query.keep, &mut told.dropped);
        }
        let mut newest = None;
        if let Some(ages) = ages {
            told.questions.push(ages.question);
            newest = Some(ages.answer.map_err(fails)?);
        }
        let result = values.answer.map_err(fails)?;
        let answered = Answered {
            result,
            newest,
            has_strangers: question.has_strangers,
        };
        let Some(found) = answered.found(Instant::now()) else {
            let message = format!(
                "metricsQuery of {} answers a scalar, not a vector",
                rule.id()
            );
            let error = ProviderError::Upstream {
                reason: message.clone(),
            };
            return Err((error, Reason::NoGroupBy.because(message)));
        };
        if found.lacks_label() {
            let Keep::Objects(label) = &question.query.keep else {
                return Err((
                    missing(),
                    Reason::NoGroupBy.because("no label is looked at"),
                ));
            };
            let message = format!(
                "no sample of the result has the label {label:?}: metricsQuery of {} lacks \
                 by (<<.GroupBy>>)",
                rule.id()
            );
            return Err((missing(), Reason::NoGroupBy.because(message)));
        }
        let asked = Asked::new(query, resource, rule, &found);
        let lacks = self.judged_each(told, &asked, &names, &found)?;
        told.outcome = Ok(told.values.count);
        let Some(lack) = lacks.first() else {
            return Ok(None);
        };
        let cause = if told.values.count == 0 && *lack == Lack::Missing {
            self.traced_objects(told, query, resource, entry, &names)
                .await
        } else {
            of_lacks(&lacks, names.len(), resource)
        };
        match query.target {
            Target::Name(_) if told.values.count == 0 => Err((missing(), cause)),
            _ => Ok(Some(cause)),
        }
    }

    /// The question that a request asks.
    fn question(
        &self,
        query: &MetricQuery,
        resource: &ResourceType,
        entry: &Entry,
        names: &[Arc<str>],
    ) -> Result<Question, QueryError> {
        let objects = self.objects.as_ref();
        if !self.bound(entry.rule.policy()).is_zero() {
            let shared = self.questions.shared(query, entry, resource, objects)?;
            if let Some(question) = shared.question() {
                return Ok(question.clone());
            }
        }
        Question::about(names, query, entry, resource, objects)
    }

    /// What each object gets; what those lack that have no sample to be served.
    fn judged_each(
        &self,
        told: &mut Explanation,
        asked: &Asked<'_>,
        names: &[Arc<str>],
        found: &Found<'_>,
    ) -> Result<Vec<Lack>, (ProviderError, Cause)> {
        let mut lacks = Vec::new();
        for name in names {
            let (reading, instead) = match asked.judge(name, found) {
                Ok(reading) => (Some(reading), None),
                Err(missing) => {
                    let field = match missing.lack {
                        Lack::Unusable(Unusable::NotANumber) => "onNaN",
                        _ => "onMissing",
                    };
                    let (why, says) = (missing.lack.text(), written(missing.fallback));
                    let reading = self.instead(asked, name, missing).map_err(|error| {
                        let message = format!("{field}: {says}, and of {name} {why}");
                        (error, Reason::Unusable.because(message))
                    })?;
                    let why = match missing.fallback {
                        Fallback::Omit => why.to_owned(),
                        _ => format!("{why}; {field}: {says}"),
                    };
                    if reading.is_none() {
                        lacks.push(missing.lack);
                    }
                    (reading, Some(why))
                }
            };
            match reading {
                Some(reading) => told.values.push(Served {
                    object: Some(Arc::clone(name)),
                    labels: None,
                    value: reading.value,
                    timestamp: reading.timestamp,
                    instead,
                }),
                None => told.dropped.push(Dropped {
                    object: Some(Arc::clone(name)),
                    labels: None,
                    reason: instead.unwrap_or_default(),
                }),
            }
        }
        Ok(lacks)
    }

    /// No object has a sample: where the series are.
    async fn traced_objects(
        &self,
        told: &mut Explanation,
        query: &MetricQuery,
        resource: &ResourceType,
        entry: &Entry,
        names: &[Arc<str>],
    ) -> Cause {
        let (objects, source) = (Objects::Named(names), self.objects.as_ref());
        let traces = scoped(objects, query, entry, resource, source, |labels, scope| {
            entry.rule.traces(labels, scope)
        });
        let kind = resource.id.to_string();
        match traces {
            Ok(traces) => {
                let wanted = Wanted {
                    series: &entry.series,
                    namespace: query.namespace.as_deref(),
                    resource: Some(&kind),
                    names,
                };
                self.traced(told, traces, &wanted).await
            }
            Err(error) => {
                Reason::NoSample.because(format!("none of the {kind} has a sample: {error}"))
            }
        }
    }

    /// Why no object is selected.
    fn nobody(&self, query: &MetricQuery, resource: &ResourceType) -> Cause {
        let namespace = query.namespace.as_deref();
        let all = self
            .objects
            .select(resource, namespace, &Selector::EVERYTHING);
        let all: Bounded<Arc<str>> = all.unwrap_or_default().into_iter().collect();
        let place = namespace.map_or_else(String::new, |name| format!(" in namespace {name}"));
        let message = match (&query.target, all.count) {
            (Target::Selected(selector), 1..) => format!(
                "the selector {selector} matches none of the {} {}{place}: {}",
                all.count,
                resource.id,
                listed(&all)
            ),
            _ => format!("there are no {}{place}", resource.id),
        };
        Reason::NoObjects.because(message)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn fails(failure: super::Failure) -> (ProviderError, Cause) {
    let cause = Reason::PrometheusFails.because(failure.reason.clone());
    (failure.into(), cause)
}

/// Samples of the result that are nobody's, or of which another one counts.
fn nameless(raw: &QueryValue, keep: &Keep, dropped: &mut Bounded<Dropped>) {
    let (QueryValue::Vector(samples), Keep::Objects(label)) = (raw, keep) else {
        return;
    };
    let mut last: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
    for (place, sample) in samples.iter().enumerate() {
        if let Some(name) = sample.labels.get(label) {
            last.insert(name, place);
        }
    }
    for (place, sample) in samples.iter().enumerate() {
        let reason = match sample.labels.get(label) {
            None => format!("the sample has no label {label:?}"),
            Some(name) if last.get(name) != Some(&place) => {
                format!("a later sample of the result is of {name}, too, and counts")
            }
            Some(_) => continue,
        };
        dropped.push(Dropped {
            object: None,
            labels: Some(sample.labels.clone()),
            reason,
        });
    }
}

/// Why some objects are left out, or all for what their samples are.
fn of_lacks(lacks: &[Lack], objects: usize, resource: &ResourceType) -> Cause {
    // What is wrong with a sample tells more than that there is none.
    let worst = lacks.iter().find(|lack| **lack != Lack::Missing);
    let lack = worst.copied().unwrap_or(Lack::Missing);
    let number = lacks.iter().filter(|other| **other == lack).count();
    let message = format!("of {number} of {objects} {}: {}", resource.id, lack.text());
    match lack {
        Lack::Missing => Reason::NoSample,
        Lack::Unusable(Unusable::Stale) => Reason::Stale,
        Lack::Unusable(_) => Reason::Unusable,
    }
    .because(message)
}
