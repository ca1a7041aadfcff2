//! What Prometheus answered lately, by query.
//!
//! Whoever asks what is being asked already shares that answer (a *flight*). Whoever asks what was
//! asked within the freshness bound is answered from memory. And a query that is polled at an even
//! pace is asked again just ahead of the next poll, when the answer in memory would be too old for
//! it: then no poll waits for Prometheus. One that is polled often, at whatever pace, is asked again
//! just before its answer is too old. What is asked ahead for one namespace is asked for others
//! with it, where the rule allows it (`rules::JointQuery`).
//!
//! Laws: an answer from memory is never older than the bound of whoever gets it, counted from when
//! Prometheus was asked. Each poll causes one query at most, its own or the one ahead of the next,
//! unless it comes much later than expected; whoever does that again and again is not provided for.
//! An answer that is too old for everybody is forgotten, and so is a query that nobody polls.

mod content;
mod crowd;
mod failure;
mod family;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use futures::future::{Shared, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{Instrument as _, info};

use self::content::{Airborne, Content, Pause, smoothed};
pub(super) use self::failure::Failure;
use self::failure::Took;
use self::family::Together;
use super::Metrics;
use super::answer::{Answer, Query};
use super::demand::Poller;
use crate::model::QueryValue;
use crate::prometheus::QueryClient;
use crate::rules::RuleId;
use crate::trace;

/// Queries ahead of polls that run at once. The client's own limit is shared with the polls that
/// cannot be answered from memory: these must not wait behind those.
const AHEAD_AT_ONCE: usize = 8;

/// Whence an answer came; of several the greatest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// It was there.
    Memory,
    /// Somebody else had asked.
    Flight,
    /// It was asked for.
    Prometheus,
}

impl Source {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Flight, Self::Prometheus];

    /// The label value of the counter.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Flight => "flight",
            Self::Prometheus => "prometheus",
        }
    }
}

/// Who asks, and what is good enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll<'a> {
    /// Whose query it is. Where rules share one, it is the last one's that polled.
    pub(super) rule: &'a RuleId,
    /// How old the answer may be; 0 for one that was asked for just now.
    pub(super) bound: Duration,
    /// See [`Answers::poller`].
    pub(super) poller: Poller,
}

pub(super) type Outcome = Result<Arc<Answer>, Failure>;
/// Of each query that is asked, what came of it.
type Flight = Pin<Box<dyn Future<Output = Arc<[Outcome]>> + Send>>;

/// The answers, and the way to get them.
pub(super) struct Answers<C> {
    client: Arc<C>,
    shelf: Arc<Shelf>,
    hasher: RandomState,
}

struct Shelf {
    content: Mutex<Content>,
    /// The agenda has a new first entry.
    changed: Notify,
    metrics: Metrics,
}

/// When the answer is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Now,
    Later,
}

/// What a poll finds.
enum Found {
    Kept(Arc<Answer>),
    Flight(Shared<Flight>, usize, Source),
}

impl<C: QueryClient> Answers<C> {
    pub(super) fn new(client: Arc<C>, metrics: Metrics) -> Self {
        Self {
            client,
            shelf: Arc::new(Shelf {
                content: Mutex::default(),
                changed: Notify::new(),
                metrics,
            }),
            hasher: RandomState::default(),
        }
    }

    /// Tells pollers apart by what they ask for.
    pub(super) fn poller(&self, asked: &impl Hash) -> Poller {
        self.hasher.hash_one(asked)
    }

    /// An answer that is good enough for the poll.
    pub(super) async fn get(&self, query: &Arc<Query>, poll: Poll<'_>) -> (Outcome, Source) {
        match self.find(query, poll) {
            Found::Kept(answer) => (Ok(answer), Source::Memory),
            Found::Flight(flight, place, source) => (flight.await[place].clone(), source),
        }
    }

    /// What a poll would find now, without being one: an answer that is good enough, or whether
    /// somebody is asking.
    pub(super) fn peek(
        &self,
        query: &Query,
        bound: Duration,
        now: Instant,
    ) -> (Option<Arc<Answer>>, Source) {
        let content = self.shelf.lock();
        let Some(entry) = content.entries.get(query) else {
            return (None, Source::Prometheus);
        };
        let good = |kept: &&Arc<Answer>| kept.age(now) <= bound;
        match (entry.kept.as_ref().filter(good), &entry.flight) {
            (Some(kept), _) => (Some(Arc::clone(kept)), Source::Memory),
            (None, Some(_)) => (None, Source::Flight),
            (None, None) => (None, Source::Prometheus),
        }
    }

    /// Asks Prometheus after everybody else, and keeps nothing of it; with the time of the question.
    pub(super) async fn ask(&self, promql: &str) -> Result<(QueryValue, Instant), Failure> {
        let departed = Instant::now();
        let told = async {
            let turn = self.client.turn_ahead(std::future::pending()).await?;
            let asked = Instant::now();
            let value = self.client.query_as(promql, turn, |value| value).await?;
            Ok((value, asked))
        };
        told.await.map_err(|error| {
            let took = departed.elapsed();
            let took = Took {
                all: took,
                call: took,
            };
            Failure::of(&error, took, Duration::ZERO)
        })
    }

    fn find(&self, query: &Arc<Query>, poll: Poll<'_>) -> Found {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let entry = content.polled(query, poll, now);
        let good = |kept: &&Arc<Answer>| kept.age(now) <= poll.bound;
        if let Some(kept) = entry.kept.as_ref().filter(good) {
            // It is on the agenda, at the end of its bound at the latest; what this poll makes
            // wanted is after that.
            return Found::Kept(Arc::clone(kept));
        }
        if let Some(airborne) = &entry.flight
            && let Some(flight) = airborne.shared.upgrade()
        {
            airborne.awaited.notify_one();
            trace::shares(&airborne.span);
            return Found::Flight(flight, airborne.place, Source::Flight);
        }
        let alone = Together::alone(query);
        let flight = self.depart(&mut content, alone, poll.rule, Need::Now);
        Found::Flight(flight, 0, Source::Prometheus)
    }

    /// Starts one query, or several that can be asked together.
    fn depart(
        &self,
        content: &mut Content,
        queries: Together,
        rule: &RuleId,
        need: Need,
    ) -> Shared<Flight> {
        let queries = Arc::new(queries);
        let number = content.next_flight;
        content.next_flight += 1;
        let landing = Landing {
            shelf: Arc::clone(&self.shelf),
            queries: Arc::clone(&queries),
            rule: rule.clone(),
            number,
        };
        self.shelf.metrics.flights.inc();
        // The flight belongs to the request that needs it first, whoever polls the future.
        let span = match need {
            Need::Now => trace::query(rule),
            Need::Later => trace::query_ahead(rule),
        };
        let client = Arc::clone(&self.client);
        let awaited = Arc::new(Notify::new());
        let joined = Arc::clone(&awaited);
        let flight: Shared<Flight> =
            async move { landing.fly(client.as_ref(), need, &joined).await }
                .instrument(span.clone())
                .boxed()
                .shared();
        for (place, query) in queries.each().enumerate() {
            // A flight that has not been polled yet can always be downgraded.
            if let (Some(shared), Some(entry)) =
                (flight.downgrade(), content.entries.get_mut(query))
            {
                entry.flight = Some(Airborne {
                    number,
                    shared,
                    place,
                    awaited: Arc::clone(&awaited),
                    span: span.clone(),
                });
            }
        }
        flight
    }

    /// Asks ahead of polls, and forgets what nobody wants; does not end.
    pub(super) async fn keep_warm(&self) {
        let mut flights = FuturesUnordered::new();
        let mut wanted = VecDeque::new();
        loop {
            while flights.len() < AHEAD_AT_ONCE
                && let Some(query) = wanted.pop_front()
            {
                flights.extend(self.ahead(&query));
            }
            let first = self.shelf.lock().first();
            let due = async {
                match first {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(_) = flights.next() => {}
                () = due => wanted.extend(self.due()),
                () = self.shelf.changed.notified() => {}
            }
        }
    }

    /// Starts a query ahead of a poll, with its companions, unless the poll was faster, or finds
    /// what it needs: polls close together may each have wanted it.
    fn ahead(&self, query: &Arc<Query>) -> Option<Shared<Flight>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let entry = content.entries.get(query).filter(|it| it.lacks(now))?;
        let rule = entry.rule.clone();
        let queries = Together::new(Arc::clone(query), content.companions(query, now));
        Some(self.depart(&mut content, queries, &rule, Need::Later))
    }

    /// Looks at the first query of the agenda, and tells it if it is to be asked.
    fn due(&self) -> Option<Arc<Query>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let due = content.due(now)?;
        content.tell(&self.shelf.metrics);
        self.shelf.attend(&mut content, &due.query, now);
        drop(content);
        drop(due.outdated);
        due.is_wanted.then_some(due.query)
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a query on the agenda where its entry wants to be.
    fn attend(&self, content: &mut Content, query: &Arc<Query>, now: Instant) {
        let Some(at) = content.plan(query, now) else {
            return;
        };
        content.attend(query, at);
        if content.first() == Some(at) {
            self.changed.notify_one();
        }
    }
}

/// Asks, and takes the flight off the shelf when it has landed or was cancelled.
struct Landing {
    shelf: Arc<Shelf>,
    queries: Arc<Together>,
    rule: RuleId,
    number: u64,
}

impl Landing {
    /// What comes of each query.
    async fn fly<C: QueryClient>(&self, client: &C, need: Need, joined: &Notify) -> Arc<[Outcome]> {
        let queries = &self.queries;
        let mut failure = match self.ask(client, queries, need, joined).await {
            Ok(answers) => return answers.into_iter().map(Ok).collect(),
            Err(failure) => failure,
        };
        let are_several = queries.are_several();
        let is_refused = !failure.timeout && !failure.is_trouble();
        if are_several && (is_refused || failure.too_large) {
            let (rule, reason) = (&self.rule, &failure.reason);
            info!(%rule, reason, "{rule}: a query for several namespaces fails, so each is asked about alone: {reason}");
            let mut content = self.shelf.lock();
            content.families.avoid(queries.first(), Instant::now());
        }
        if !are_several || !is_refused {
            // What is too large for all of them need not be so for each.
            failure.too_large &= !are_several;
            return queries.each().map(|_| Err(failure.clone())).collect();
        }
        let each = queries.each().map(async |query| {
            let alone = Arc::new(Together::alone(query));
            match self.ask(client, &alone, need, joined).await {
                Ok(answers) => answers.into_iter().map(Ok).collect(),
                Err(failure) => vec![Err(failure)],
            }
        });
        join_all(each).await.into_iter().flatten().collect()
    }

    /// Asks one query for all of several, and keeps the answers.
    async fn ask<C: QueryClient>(
        &self,
        client: &C,
        queries: &Arc<Together>,
        need: Need,
        joined: &Notify,
    ) -> Result<Vec<Arc<Answer>>, Failure> {
        let departed = Instant::now();
        let turn = match need {
            Need::Now => client.turn().await,
            Need::Later => client.turn_ahead(joined.notified()).await,
        };
        let asked = Instant::now();
        let told = match turn {
            Ok(turn) => {
                let told = Arc::clone(queries);
                let read = move |value| told.answers(value, asked);
                client.query_as(&queries.promql(), turn, read).await
            }
            Err(error) => Err(error),
        };
        let outcome = told.map_err(|error| {
            let (all, call) = (departed.elapsed(), asked.elapsed());
            let usual = self.shelf.lock().usual;
            Failure::of(&error, Took { all, call }, usual)
        });
        self.landed(queries, departed, asked, &outcome);
        outcome
    }

    fn landed(
        &self,
        queries: &Together,
        departed: Instant,
        asked: Instant,
        outcome: &Result<Vec<Arc<Answer>>, Failure>,
    ) {
        let now = Instant::now();
        let (metrics, took) = (&self.shelf.metrics, now.duration_since(asked));
        if outcome.as_ref().is_err_and(|failure| !failure.is_sent()) {
            return;
        }
        let answers = outcome.as_deref().ok();
        metrics.costs.asked(&self.rule, took, answers);
        let mut content = self.shelf.lock();
        content.usual = smoothed(content.usual, took);
        let mut before = Vec::new();
        match outcome {
            Ok(answers) => {
                content.pause = Pause::default();
                let latency = now.duration_since(departed);
                let pairs = queries.each().zip(answers);
                before.extend(pairs.map(|(query, answer)| content.keep(query, answer, latency)));
                content.tell(metrics);
            }
            Err(failure) if failure.is_trouble() => content.pause.failed(now),
            Err(_) => {}
        }
        drop(content);
        drop(before);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.shelf.metrics.flights.dec();
        let mut content = self.shelf.lock();
        for query in self.queries.each() {
            if let Some(entry) = content.entries.get_mut(query)
                && let Some(airborne) = &entry.flight
                && airborne.number == self.number
            {
                entry.flight = None;
                content.forget(query);
            }
            self.shelf.attend(&mut content, query, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
