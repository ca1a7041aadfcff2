//! From a request to values: lookup, objects, query, and the result cut into values.
//!
//! The objects come from memory, and so do answers that are new enough (`answers`): the only wait
//! is for Prometheus, under its client's deadline, and whoever polls at an even pace hardly waits.
//! Where the rule allows it (`rules::Rule::shared_query`), all requests for one metric in one
//! namespace share one query, and each takes its objects out of the answer; and what is asked ahead
//! of polls in several namespaces is one query, too (`rules::Rule::joint_query`).

mod answer;
mod answers;
mod board;
mod cost;
mod custom;
mod demand;
mod explanation;
mod external;
mod journal;
mod memory;
mod metrics;
mod objects;
mod question;
mod requests;
mod usage;
mod value;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

pub use crate::rhythm::Pace;
pub use board::{Poll, PollResult};
use futures::TryFutureExt as _;
pub use journal::RuleFailure;
pub use metrics::Metrics;
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};

use crate::discovery::{Meter, State};
use crate::model::{
    Consumer, ExplainQuery, Explanation, ExternalQuery, ExternalValue, Fallback, GroupResource,
    MetricInfo, MetricQuery, MetricValue, MetricsApi, NodeUsage, ObjectSource, PodUsage, Provider,
    ProviderError, UsageQuery,
};
use crate::prometheus::QueryClient;
use crate::rules::{Policy, QueryError, Rule, RuleId};
use crate::trace;
use answer::{Answer, Query};
use answers::{Answers, Failure, Source};
use board::{Board, Request};
use journal::Journal;
use memory::Memory;
use question::Questions;
use value::Unusable;

/// Answers requests from a catalog, an object index and Prometheus.
pub struct Evaluator<C, O> {
    objects: Arc<O>,
    discovery: Arc<State>,
    answers: Answers<C>,
    questions: Questions,
    max_staleness: Duration,
    journal: Journal,
    board: Board,
    memory: Memory,
    metrics: Metrics,
    /// Turns to explain something.
    explaining: Semaphore,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    /// Puts an evaluator together. Answers of Prometheus are served for `max_staleness`, or what
    /// a rule says instead, and are never older.
    pub fn new(
        client: Arc<C>,
        objects: Arc<O>,
        discovery: Arc<State>,
        max_staleness: Duration,
        metrics: Metrics,
    ) -> Self {
        metrics.costs.follow(Arc::clone(&discovery));
        metrics.requests.follow(Arc::clone(&discovery));
        Self {
            objects,
            discovery,
            answers: Answers::new(client, metrics.clone()),
            questions: Questions::default(),
            max_staleness,
            journal: Journal::default(),
            board: Board::default(),
            memory: Memory::default(),
            metrics,
            explaining: Semaphore::new(explanation::AT_ONCE),
        }
    }

    /// Asks Prometheus ahead of the polls that are expected; does not end.
    pub async fn keep_warm(&self) {
        self.answers.keep_warm().await;
    }

    /// The requests of the last hour, the latest first.
    pub fn polls(&self) -> Vec<Poll> {
        self.board.polls()
    }

    /// The last failure of each rule whose queries ever failed, the latest first.
    pub fn failures(&self) -> Vec<RuleFailure> {
        self.journal.failures()
    }

    /// How old an answer may be: never older than the samples may be that it is made of.
    fn bound(&self, policy: &Policy) -> Duration {
        let bound = policy.max_staleness.unwrap_or(self.max_staleness);
        policy.max_age.map_or(bound, |max_age| bound.min(max_age))
    }

    /// An answer that is new enough, and whence it came. `asked` tells pollers of one query apart.
    async fn answer(
        &self,
        rule: &RuleId,
        query: &Arc<Query>,
        bound: Duration,
        asked: &impl Hash,
    ) -> Result<(Arc<Answer>, Source), Failure> {
        let poll = answers::Poll {
            rule,
            bound,
            poller: self.answers.poller(asked),
        };
        let (outcome, source) = self.answers.get(query, poll).await;
        outcome.map(|answer| (answer, source))
    }

    /// Likewise for a request that needs no other one, with the time of the newest sample where a
    /// rule asks for that.
    async fn answers(
        &self,
        rule: &Rule,
        query: &Arc<Query>,
        age: Option<&Arc<Query>>,
        asked: &impl Hash,
    ) -> Result<(Arc<Answer>, Option<Arc<Answer>>), Failure> {
        let bound = self.bound(rule.policy());
        let newest = async {
            match age {
                Some(age) => self.answer(rule.id(), age, bound, asked).await.map(Some),
                None => Ok(None),
            }
        };
        let ((result, source), newest) =
            futures::try_join!(self.answer(rule.id(), query, bound, asked), newest)?;
        let (newest, of_newest) = newest.unzip();
        self.answered_from(of_newest.map_or(source, |of_newest| source.max(of_newest)));
        Ok((result, newest))
    }

    /// What counts the requests for a metric of the catalog; of an external one without a resource.
    fn meter(&self, rule: &RuleId, resource: Option<&GroupResource>, metric: &Arc<str>) -> Meter {
        let outcomes = self.metrics.requests.of(resource, metric);
        Meter::new(outcomes, self.metrics.costs.ages(rule))
    }

    /// Tells whence a request has its answers.
    fn answered_from(&self, source: Source) {
        self.metrics.answered(source);
        let answer = match source {
            Source::Memory => "memory",
            Source::Flight => "shared",
            Source::Prometheus => "asked",
        };
        trace::note(trace::ANSWER, answer);
    }

    /// Tells what came of a rule's query.
    fn judged<T>(&self, rule: &RuleId, outcome: Result<T, Failure>) -> Result<T, ProviderError> {
        let failure = outcome
            .as_ref()
            .err()
            .map(|failure| failure.reason.as_str());
        self.journal.query(rule, failure);
        outcome.map_err(Failure::into)
    }

    /// Counts and tells a lack. A fixed value in the place of NaN leaves nothing out, and whoever
    /// has no sample is as it always was.
    fn lacks(&self, api: MetricsApi, rule: &RuleId, lack: Lack, fallback: Fallback) {
        match (lack, fallback) {
            (Lack::Missing, _) | (Lack::Unusable(Unusable::NotANumber), Fallback::Value(_)) => {}
            (Lack::Unusable(unusable), _) => self.left_out(api, rule, unusable),
        }
    }

    /// Whose fault it is that there is no query: the request's, or the rule's, which is told.
    fn query_failed(&self, metric: &Arc<str>, rule: &RuleId, error: &QueryError) -> ProviderError {
        let failed = unwritten(metric, rule, error);
        if matches!(failed, ProviderError::Query { .. }) {
            self.journal.query(rule, Some(&error.to_string()));
        }
        failed
    }

    /// A scalar where there must be something per object.
    fn no_vector(&self, rule: &RuleId) -> ProviderError {
        let reason = "the query answers a scalar, not a vector";
        self.journal.query(rule, Some(reason));
        ProviderError::Upstream {
            reason: format!("{rule}: {reason}"),
        }
    }

    /// Counts and tells a sample that is no value.
    fn left_out(&self, api: MetricsApi, rule: &RuleId, unusable: Unusable) {
        self.metrics.left_out(api, unusable);
        self.journal.left_out(rule, unusable);
    }
}

/// Why there is no query.
fn unwritten(metric: &Arc<str>, rule: &RuleId, error: &QueryError) -> ProviderError {
    match error {
        QueryError::Selector(_) => ProviderError::BadRequest(error.to_string()),
        QueryError::Association(_) | QueryError::Template(_) => ProviderError::Query {
            metric: Arc::clone(metric),
            reason: format!("{rule}: {error}"),
        },
    }
}

/// Why an object, or an external metric, has no value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// There is no sample.
    Missing,
    /// There is one that cannot be served.
    Unusable(Unusable),
}

impl Lack {
    /// The label value of the counter.
    const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unusable(unusable) => unusable.reason(),
        }
    }

    /// For people.
    const fn text(self) -> &'static str {
        match self {
            Self::Missing => "there is no sample",
            Self::Unusable(unusable) => unusable.text(),
        }
    }

    /// For rules that want the request to fail.
    fn error(self, metric: &Arc<str>, described: String) -> ProviderError {
        let metric = Arc::clone(metric);
        match self {
            Self::Missing => ProviderError::MetricNotFound { metric, described },
            Self::Unusable(unusable) => ProviderError::NoValue {
                metric,
                described,
                reason: unusable.text(),
            },
        }
    }
}

impl<C: QueryClient, O: ObjectSource> Provider for Evaluator<C, O> {
    fn serves(&self, api: MetricsApi) -> bool {
        let catalog = self.discovery.catalog();
        let rules = catalog.rules();
        match api {
            MetricsApi::Custom => !rules.custom.is_empty(),
            MetricsApi::External => !rules.external.is_empty(),
            MetricsApi::Resource => rules.resource.is_some(),
        }
    }

    fn is_complete(&self) -> bool {
        self.discovery.catalog().is_complete()
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        self.discovery.listed()
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        self.discovery.listed_external()
    }

    async fn custom(&self, query: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        let number = self.board.asked(Request::Custom(&query));
        let namespace = query.namespace.as_deref();
        let span = trace::evaluation(Some(&query.metric), namespace, Some(&query.resource));
        let outcome = traced(span, self.custom_values(&query)).await;
        self.board.answered(number, &outcome);
        outcome
    }

    async fn external(&self, query: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        let number = self.board.asked(Request::External(&query));
        let span = trace::evaluation(Some(&query.metric), Some(&query.namespace), None);
        let outcome = traced(span, self.external_values(&query)).await;
        self.board.answered(number, &outcome);
        outcome
    }

    async fn explain(&self, query: ExplainQuery) -> Explanation {
        self.explanation(query).await
    }

    async fn nodes(&self, query: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        let number = self.board.asked(Request::Nodes(&query));
        let span = usage_span(Consumer::Node, &query);
        let outcome = traced(span, self.node_usage(query)).await;
        self.board.answered(number, &outcome);
        self.metrics.requests.usage(Consumer::Node, &outcome);
        outcome
    }

    async fn pods(&self, query: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        let number = self.board.asked(Request::Pods(&query));
        let span = usage_span(Consumer::Pod, &query);
        let outcome = traced(span, self.pod_usage(query)).await;
        self.board.answered(number, &outcome);
        self.metrics.requests.usage(Consumer::Pod, &outcome);
        outcome
    }
}

/// Does `work` in its span, which is told of a failure.
fn traced<T>(
    span: Span,
    work: impl Future<Output = Result<T, ProviderError>>,
) -> impl Future<Output = Result<T, ProviderError>> {
    work.instrument(span.clone()).inspect_err(move |error| {
        trace::failed(&span, error.kind());
    })
}

fn usage_span(consumer: Consumer, query: &UsageQuery) -> Span {
    let (UsageQuery::One { namespace, .. } | UsageQuery::List { namespace, .. }) = query;
    trace::evaluation(None, namespace.as_deref(), Some(&consumer.resource()))
}

#[cfg(test)]
mod tests;
