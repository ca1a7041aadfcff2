//! The way of a request for an external metric, step by step.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::explanation::{Wanted, raw_samples, written};
use super::super::value::{self, Newest, Unusable};
use super::super::{Evaluator, Lack, unwritten};
use super::{described, elements, on_unusable};
use crate::discovery::ExternalEntry;
use crate::model::explanation::{Cause, Dropped, Explanation, Purpose, Reason, Served};
use crate::model::{ExternalQuery, ExternalValue, Fallback, ObjectSource, ProviderError};
use crate::prometheus::QueryClient;
use crate::rules::ExternalScope;

type Failed = (ProviderError, Cause);

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(in crate::evaluation) async fn explain_external(
        &self,
        query: &ExternalQuery,
    ) -> Explanation {
        let catalog = self.discovery.catalog();
        let Some(entry) = catalog.get_external(&query.metric) else {
            let error = ProviderError::MetricNotFound {
                metric: query.metric.clone(),
                described: described(query),
            };
            return self.absent_external(query, &catalog, error);
        };
        let mut told = Explanation::new(Ok(0));
        told.rule = Some(self.rule_state(&entry.rule, Some(&entry.series)));
        match self.walk_external(&mut told, query, entry).await {
            Ok(cause) => {
                told.outcome = Ok(told.values.count);
                told.cause = cause;
            }
            Err((error, cause)) => {
                told.outcome = Err(error);
                told.cause = Some(cause);
            }
        }
        told
    }

    async fn walk_external(
        &self,
        told: &mut Explanation,
        query: &ExternalQuery,
        entry: &ExternalEntry,
    ) -> Result<Option<Cause>, Failed> {
        let ExternalEntry { rule, series, .. } = entry;
        let (asked, age) = self
            .external_question(query, rule, series)
            .map_err(|error| {
                let failed = unwritten(&query.metric, rule.id(), &error);
                let message = format!("{} cannot be turned into a query: {error}", rule.id());
                (failed, Reason::NoQuery.because(message))
            })?;
        let bound = self.bound(rule.policy());
        let ages = async {
            match &age {
                Some(age) => Some(self.look(Purpose::Ages, age, bound).await),
                None => None,
            }
        };
        let (values, ages) = futures::join!(self.look(Purpose::Values, &asked, bound), ages);
        told.questions.push(values.question);
        told.samples = values.raw.as_ref().map(raw_samples).unwrap_or_default();
        let mut newest = None;
        if let Some(ages) = ages {
            told.questions.push(ages.question);
            newest = Some(ages.answer.map_err(fails)?);
        }
        let result = values.answer.map_err(fails)?;
        let mut elements = elements(&result);
        let kept = newest
            .as_ref()
            .map_or(Duration::ZERO, |newest| newest.age(Instant::now()));
        let newest = newest.as_ref().and_then(|newest| newest.elements().first());
        let evaluated = elements.first().map(|element| element.timestamp);
        let evaluated = evaluated.or(newest.map(|newest| newest.timestamp));
        let evaluated = evaluated.unwrap_or_else(Timestamp::now);
        if elements.is_empty() {
            let cause = self.traced_external(told, query, entry).await;
            self.explain_nothing(told, query, entry, Lack::Missing, evaluated)?;
            return Ok(Some(cause));
        }
        if let Some(max_age) = rule.policy().max_age {
            let newest = newest.and_then(|newest| Newest::of(newest.into(), kept));
            let Some(newest) = newest.filter(|newest| newest.age <= max_age) else {
                let lack = Lack::Unusable(Unusable::Stale);
                self.explain_nothing(told, query, entry, lack, evaluated)?;
                return Ok(Some(Reason::Stale.because(lack.text())));
            };
            for element in &mut elements {
                element.timestamp = newest.taken.min(element.timestamp);
            }
        }
        let mut cause = None;
        for element in elements {
            let labels = element.labels.clone();
            let unusable = match value::quantity(element.value) {
                Ok(value) => {
                    let value = super::mk_value(rule, element, value);
                    told.values.push(served(value, None));
                    continue;
                }
                Err(unusable) => unusable,
            };
            let (lack, fallback) = (Lack::Unusable(unusable), on_unusable(rule, unusable));
            let why = match fallback {
                Fallback::Omit => lack.text().to_owned(),
                _ => format!("{}; onNaN: {}", lack.text(), written(fallback)),
            };
            let because = || Reason::Unusable.because(why.clone());
            let found = self
                .stand_in(query, rule, element, lack, fallback, evaluated)
                .map_err(|error| (error, because()))?;
            match found {
                Some((value, _)) => told.values.push(served(value, Some(why))),
                None => {
                    cause.get_or_insert_with(because);
                    told.dropped.push(Dropped {
                        object: None,
                        labels,
                        reason: why,
                    });
                }
            }
        }
        Ok(cause)
    }

    /// What a metric without a result gets.
    fn explain_nothing(
        &self,
        told: &mut Explanation,
        query: &ExternalQuery,
        entry: &ExternalEntry,
        lack: Lack,
        evaluated: Timestamp,
    ) -> Result<(), Failed> {
        let says = written(entry.rule.policy().on_missing);
        let why = format!("{}; onMissing: {says}", lack.text());
        let values = self
            .without_result(query, &entry.rule, lack, evaluated)
            .map_err(|error| (error, Reason::NoSample.because(why.clone())))?;
        for value in values {
            told.values.push(served(value, Some(why.clone())));
        }
        Ok(())
    }

    async fn traced_external(
        &self,
        told: &mut Explanation,
        query: &ExternalQuery,
        entry: &ExternalEntry,
    ) -> Cause {
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let scope = ExternalScope {
            series: &entry.series,
            namespace: Some(&query.namespace),
            selector: &query.selector,
        };
        let labels = entry.rule.labels().associate(&resolve);
        let traces = labels
            .map_err(Into::into)
            .and_then(|association| entry.rule.external_traces(&association, &scope));
        match traces {
            Ok(traces) => {
                let wanted = Wanted {
                    series: &entry.series,
                    namespace: Some(&query.namespace),
                    resource: None,
                    names: &[],
                };
                self.traced(told, traces, &wanted).await
            }
            Err(error) => Reason::NoSample.because(format!("the query has no result: {error}")),
        }
    }
}

fn served(value: ExternalValue, instead: Option<String>) -> Served {
    Served {
        object: None,
        labels: value.labels,
        value: value.value,
        timestamp: value.timestamp,
        instead,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn fails(failure: super::super::answers::Failure) -> Failed {
    let cause = Reason::PrometheusFails.because(failure.reason.clone());
    (failure.into(), cause)
}
