//! What explanations of custom and external metrics have in common: what is told of rules and
//! queries, and where a metric's series are.
//!
//! Law: an explanation takes the way of a request, but is none: it is no poll, counts in no metric,
//! and asks Prometheus after everybody who waits for a value.

mod absence;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Evaluator;
use super::answer::{Answer, Query};
use super::answers::{Failure, Source};
use crate::model::explanation::{
    Bounded, Cause, ExplainQuery, Explanation, Origin, Purpose, Question, RawSample, Reason,
    RuleState,
};
use crate::model::{Fallback, ObjectSource, QueryValue};
use crate::prometheus::QueryClient;
use crate::rules::{Rule, Traces};

/// Explanations at once; each has up to five queries.
pub(super) const AT_ONCE: usize = 2;
/// Names in a sentence.
const NAMED: usize = 5;

/// What came of a query.
pub(super) struct Looked {
    /// What a request gets.
    pub(super) answer: Result<Arc<Answer>, Failure>,
    /// What Prometheus told just now.
    pub(super) raw: Option<QueryValue>,
    pub(super) question: Question,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    /// The way of a request to its values.
    pub(super) async fn explanation(&self, query: ExplainQuery) -> Explanation {
        // It is never closed, so there always is a turn.
        let _turn = self.explaining.acquire().await;
        match query {
            ExplainQuery::Custom(query) => self.explain_custom(&query).await,
            ExplainQuery::External(query) => self.explain_external(&query).await,
        }
    }

    /// What a request gets for a query now, and what Prometheus answers to it.
    pub(super) async fn look(
        &self,
        purpose: Purpose,
        query: &Arc<Query>,
        bound: Duration,
    ) -> Looked {
        let now = Instant::now();
        let (kept, source) = self.answers.peek(query, bound, now);
        let told = self.answers.ask(&query.promql).await;
        let error = told.as_ref().err().map(|failure| failure.reason.clone());
        let (raw, fresh) = match told {
            Ok((value, asked)) => {
                let answer = Answer::new(value.clone(), &query.keep, asked);
                (Some(value), Ok(Arc::new(answer)))
            }
            Err(failure) => (None, Err(failure)),
        };
        let age = kept.as_ref().map(|kept| kept.age(now));
        let answer = kept.map_or(fresh, Ok);
        let question = Question {
            purpose,
            promql: Arc::clone(&query.promql),
            origin: match source {
                Source::Memory => Origin::Memory,
                Source::Flight => Origin::Shared,
                Source::Prometheus => Origin::Asked,
            },
            age: age.or(answer.is_ok().then_some(Duration::ZERO)),
            bound,
            error,
        };
        Looked {
            answer,
            raw,
            question,
        }
    }

    /// Asks for what only explanations tell; the values of a label, or a number.
    async fn trace(&self, purpose: Purpose, promql: Option<String>) -> Option<Traced> {
        let promql: Arc<str> = promql?.into();
        let told = self.answers.ask(&promql).await;
        let question = Question {
            purpose,
            promql,
            origin: Origin::Asked,
            age: told.is_ok().then_some(Duration::ZERO),
            bound: Duration::ZERO,
            error: told.as_ref().err().map(|failure| failure.reason.clone()),
        };
        let samples = match told {
            Ok((QueryValue::Vector(samples), _)) => samples,
            _ => Vec::new(),
        };
        let value = |sample: &crate::model::Sample| {
            let mut values = sample.labels.iter().map(|(_, value)| Arc::clone(value));
            values.next().filter(|value| !value.is_empty())
        };
        Some(Traced {
            values: samples.iter().filter_map(value).collect(),
            number: samples.first().map(|sample| sample.value),
            question,
        })
    }

    /// Why there is no sample, by where the metric's series are.
    pub(super) async fn traced(
        &self,
        told: &mut Explanation,
        traces: Traces,
        wanted: &Wanted<'_>,
    ) -> Cause {
        let (namespaces, objects, present, last_seen) = futures::join!(
            self.trace(Purpose::Namespaces, traces.namespaces),
            self.trace(Purpose::Objects, traces.objects),
            self.trace(Purpose::Present, traces.present),
            self.trace(Purpose::LastSeen, Some(traces.last_seen)),
        );
        let found = TracedSeries {
            namespaces,
            objects,
            present,
            last_seen,
        };
        let cause = cause(told, wanted, &found);
        let TracedSeries {
            namespaces,
            objects,
            present,
            last_seen,
        } = found;
        let traced = [namespaces, objects, present, last_seen];
        let questions = traced.into_iter().flatten().map(|traced| traced.question);
        told.questions.extend(questions);
        cause
    }

    /// A rule, and how it fares.
    pub(super) fn rule_state(&self, rule: &Rule, series: Option<&Arc<str>>) -> RuleState {
        let health = self.discovery.health();
        let health = health.iter().find(|known| known.rule == *rule.id().place());
        RuleState {
            place: Arc::clone(rule.id().place()),
            series_query: Arc::clone(rule.series_query()),
            series: series.cloned(),
            found: health.and_then(|health| health.series),
            last_success: health.and_then(|health| health.last_success),
            error: health.and_then(|health| health.error.clone()),
        }
    }
}

/// What was found out about series.
struct Traced {
    question: Question,
    values: BTreeSet<Arc<str>>,
    number: Option<f64>,
}

/// What was found out by [`Traces`].
struct TracedSeries {
    namespaces: Option<Traced>,
    objects: Option<Traced>,
    present: Option<Traced>,
    last_seen: Option<Traced>,
}

/// What there is no sample of.
pub(super) struct Wanted<'a> {
    pub(super) series: &'a str,
    pub(super) namespace: Option<&'a str>,
    /// `pods`; `None` for external metrics.
    pub(super) resource: Option<&'a str>,
    pub(super) names: &'a [Arc<str>],
}

fn cause(told: &mut Explanation, wanted: &Wanted<'_>, found: &TracedSeries) -> Cause {
    let series = wanted.series;
    let empty = || {
        Reason::EmptyResult.because(format!(
            "there are samples of {series}, but metricsQuery makes nothing of them: a rate needs two \
             samples within its range"
        ))
    };
    let number = |traced: &Option<Traced>| traced.as_ref()?.number;
    if let (Some(namespace), Some(traced)) = (wanted.namespace, &found.namespaces)
        && !traced.values.is_empty()
        && !traced.values.contains(namespace)
    {
        told.related.namespaces = traced.values.iter().cloned().collect();
        return Reason::OtherNamespace.because(format!(
            "the series {series} is in other namespaces only: {}; there is none in {namespace}",
            listed(&told.related.namespaces)
        ));
    }
    if let (Some(resource), Some(traced)) = (wanted.resource, &found.objects)
        && !traced.values.is_empty()
    {
        if !wanted.names.iter().any(|name| traced.values.contains(name)) {
            told.related.names = traced.values.iter().cloned().collect();
            return Reason::OtherObjects.because(format!(
                "the series {series} is of other {resource}: {}",
                listed(&told.related.names)
            ));
        }
        return empty();
    }
    if number(&found.present).is_some() {
        return empty();
    }
    match number(&found.last_seen) {
        // Prometheus looks back for five minutes.
        Some(time) => {
            let ago = age_of(time);
            Reason::Stale.because(format!(
                "the newest sample of {series} is {} old: whatever wrote it does so no longer",
                ago.map_or_else(|| "too".to_owned(), |ago| format!("{} s", ago.as_secs()))
            ))
        }
        None => Reason::NoSample.because(format!(
            "there has been no sample of {series} for what is asked in the last hour"
        )),
    }
}

/// How long ago a time in seconds since 1970 was, by our clock.
fn age_of(seconds: f64) -> Option<Duration> {
    let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
    let now = Duration::try_from(Timestamp::now().as_duration()).ok()?;
    Some(now.saturating_sub(since_epoch))
}

/// Some names in a sentence.
pub(super) fn listed<T: AsRef<str>>(names: &Bounded<T>) -> String {
    let first: Vec<&str> = names.shown.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = names.count.saturating_sub(NAMED);
    match more {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// What Prometheus told, sample by sample.
pub(super) fn raw_samples(value: &QueryValue) -> Bounded<RawSample> {
    match value {
        QueryValue::Vector(samples) => {
            let mut bounded = Bounded {
                shown: Vec::new(),
                count: samples.len(),
            };
            let first = samples.iter().take(Bounded::<RawSample>::LIMIT);
            bounded.shown.extend(first.map(|sample| RawSample {
                labels: Some(sample.labels.clone()),
                value: sample.value,
                timestamp: sample.timestamp,
            }));
            bounded
        }
        QueryValue::Scalar { value, timestamp } => {
            let sample = RawSample {
                labels: None,
                value: *value,
                timestamp: *timestamp,
            };
            [sample].into_iter().collect()
        }
    }
}

/// What a rule says of a lack, as its file does.
pub(super) fn written(fallback: Fallback) -> String {
    match fallback {
        Fallback::Omit => "omit".to_owned(),
        Fallback::Error => "error".to_owned(),
        Fallback::Value(value) => format!("value {value}"),
        Fallback::Last(longest) => format!("last {} s", longest.as_secs()),
    }
}
