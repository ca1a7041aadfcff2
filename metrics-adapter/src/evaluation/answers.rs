//! What Prometheus answered lately, by query.
//!
//! Whoever asks what is being asked already shares that answer (a *flight*). Whoever asks what was
//! asked within the freshness bound is answered from memory. And a query that is polled at an even
//! pace is asked again just ahead of the next poll, when the answer in memory would be too old for
//! it: then no poll waits for Prometheus. One that is polled often, at whatever pace, is asked again
//! just before its answer is too old.
//!
//! Laws: an answer from memory is never older than the bound of whoever gets it, counted from when
//! Prometheus was asked. Each poll causes one query at most, its own or the one ahead of the next,
//! unless it comes much later than expected; whoever does that again and again is not provided for.
//! An answer that is too old for everybody is forgotten, and so is a query that nobody polls.

mod content;
mod crowd;
mod failure;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use futures::future::Shared;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument as _;

use self::content::{Airborne, Content, Pause, smoothed};
pub(super) use self::failure::Failure;
use self::failure::Took;
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
type Flight = Pin<Box<dyn Future<Output = Outcome> + Send>>;

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
    Flight(Shared<Flight>, Source),
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
            Found::Flight(flight, source) => (flight.await, source),
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
            return Found::Flight(flight, Source::Flight);
        }
        let flight = self.depart(&mut content, query, poll.rule, Need::Now);
        Found::Flight(flight, Source::Prometheus)
    }

    /// Starts a query.
    fn depart(
        &self,
        content: &mut Content,
        query: &Arc<Query>,
        rule: &RuleId,
        need: Need,
    ) -> Shared<Flight> {
        let number = content.next_flight;
        content.next_flight += 1;
        let landing = Landing {
            shelf: Arc::clone(&self.shelf),
            query: Arc::clone(query),
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
        let flight: Shared<Flight> = async move {
            let departed = Instant::now();
            let turn = match need {
                Need::Now => client.turn().await,
                Need::Later => client.turn_ahead(joined.notified()).await,
            };
            let asked = Instant::now();
            let told = match turn {
                Ok(turn) => {
                    let keep = landing.query.keep.clone();
                    let read = move |value| Arc::new(Answer::new(value, &keep, asked));
                    client.query_as(&landing.query.promql, turn, read).await
                }
                Err(error) => Err(error),
            };
            let outcome = told.map_err(|error| {
                let (all, call) = (departed.elapsed(), asked.elapsed());
                let usual = landing.shelf.lock().usual;
                Failure::of(&error, Took { all, call }, usual)
            });
            landing.landed(departed, asked, &outcome);
            outcome
        }
        .instrument(span.clone())
        .boxed()
        .shared();
        // A flight that has not been polled yet can always be downgraded.
        if let (Some(shared), Some(entry)) = (flight.downgrade(), content.entries.get_mut(query)) {
            entry.flight = Some(Airborne {
                number,
                shared,
                awaited,
                span,
            });
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

    /// Starts a query ahead of a poll, unless the poll was faster, or finds what it needs: polls
    /// close together may each have wanted it.
    fn ahead(&self, query: &Arc<Query>) -> Option<Shared<Flight>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let entry = content.entries.get_mut(query)?;
        let poll = entry.provided.filter(|poll| *poll >= now)?;
        if entry.flight.is_some() || entry.good_until().is_some_and(|until| until >= poll) {
            return None;
        }
        let rule = entry.rule.clone();
        Some(self.depart(&mut content, query, &rule, Need::Later))
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
        let Some(entry) = content.entries.get_mut(query) else {
            return;
        };
        if entry.attention.is_some_and(|attention| attention <= at) {
            return;
        }
        entry.attention = Some(at);
        content.agenda.push(Reverse((at, Arc::clone(query))));
        if content.first() == Some(at) {
            self.changed.notify_one();
        }
    }
}

/// Takes a flight off the shelf when it has landed or was cancelled.
struct Landing {
    shelf: Arc<Shelf>,
    query: Arc<Query>,
    rule: RuleId,
    number: u64,
}

impl Landing {
    fn landed(&self, departed: Instant, asked: Instant, outcome: &Outcome) {
        let now = Instant::now();
        let (metrics, took) = (&self.shelf.metrics, now.duration_since(asked));
        if outcome.as_ref().is_err_and(|failure| !failure.is_sent()) {
            return;
        }
        let answer = outcome.as_ref().ok();
        metrics
            .costs
            .asked(&self.rule, took, answer.map(AsRef::as_ref));
        let mut content = self.shelf.lock();
        content.usual = smoothed(content.usual, took);
        let mut before = None;
        match outcome {
            Ok(answer) => {
                content.pause = Pause::default();
                before = content.keep(&self.query, answer, now.duration_since(departed));
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
        if let Some(entry) = content.entries.get_mut(&self.query)
            && let Some(airborne) = &entry.flight
            && airborne.number == self.number
        {
            entry.flight = None;
            content.forget(&self.query);
        }
        self.shelf.attend(&mut content, &self.query, Instant::now());
    }
}

#[cfg(test)]
mod tests;
