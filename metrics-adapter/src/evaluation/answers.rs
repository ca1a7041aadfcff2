//! What Prometheus answered lately, by query.
//!
//! Whoever asks what is being asked already shares that answer (a *flight*). Whoever asks what was
//! asked within the freshness bound is answered from memory. And a query that is polled at an even
//! pace is asked again just ahead of the next poll, when the answer in memory would be too old for
//! it: then no poll waits for Prometheus.
//!
//! Laws: an answer from memory is never older than the bound of whoever gets it, counted from when
//! Prometheus was asked. Each poll causes one query at most, its own or the one ahead of the next,
//! unless it comes much later than expected. An answer that is too old for everybody is forgotten,
//! and so is a query that nobody polls.

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Shared, WeakShared};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Metrics;
use super::answer::{Answer, Query};
use super::demand::{Demand, LONGEST_PERIOD, Poller};
use crate::prometheus::{PrometheusError, QueryClient};
use crate::rules::RuleId;

/// Queries ahead of polls that run at once. The client's own limit is shared with the polls that
/// cannot be answered from memory: these must not wait behind those.
const AHEAD_AT_ONCE: usize = 8;

/// Queries that are remembered, of so many bytes at most; clients decide how long a selector is. More
/// and longer ones are asked every time.
const MAX_QUERIES: usize = 10_000;
const LONGEST_QUERY: usize = 4096;

/// Bytes of all answers in memory: a quarter of what the chart lets the process have.
const MAX_BYTES: usize = 64 << 20;

/// So much time a query ahead of a poll has at least; more where Prometheus has been slower.
const SHORTEST_LEAD: Duration = Duration::from_millis(250);

/// While Prometheus has trouble nothing is asked ahead of polls for so long after a failure, doubled
/// up to the longest time with each further one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A query that fails after so many times what queries take is too large; where all of them take
/// long, a smaller one would not help, but add to the load.
const ALONE: u32 = 8;

/// A failure that every passenger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether the deadline passed.
    pub(super) timeout: bool,
    /// Whether a smaller question may work: Prometheus refused this one, or it took very much longer
    /// than others do.
    pub(super) too_large: bool,
    /// How long it took to fail.
    pub(super) took: Duration,
    /// For the log.
    pub(super) reason: String,
}

impl Failure {
    /// `usual` is how long queries take.
    fn of(error: &PrometheusError, took: Duration, usual: Duration) -> Self {
        let is_alone = !usual.is_zero() && took > usual * ALONE;
        Self {
            timeout: matches!(error, PrometheusError::Timeout(_)),
            too_large: match error {
                PrometheusError::TooLarge(_) => true,
                // Neither who asks is refused, nor how often, but what is asked.
                PrometheusError::Api { status, .. } => match status {
                    401 | 403 | 407 | 429 => false,
                    400..500 => true,
                    502..=504 => is_alone,
                    _ => false,
                },
                PrometheusError::Timeout(_) => is_alone,
                _ => false,
            },
            took,
            reason: error.to_string(),
        }
    }

    /// Whether it is Prometheus, or the way to it, and not this query.
    const fn is_trouble(&self) -> bool {
        !self.too_large
    }
}

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
    /// Whose query it is. Where rules share one, it is the first one's.
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

#[derive(Default)]
struct Content {
    entries: HashMap<Arc<Query>, Entry>,
    /// When which query wants to be looked at.
    agenda: BinaryHeap<Reverse<(Instant, Arc<Query>)>>,
    /// Number of the next flight: tells a flight from a later one for the same query.
    next_flight: u64,
    /// How long queries take, smoothed; failures count.
    usual: Duration,
    pause: Pause,
    /// Answers that are kept, and bytes of all of them.
    kept: usize,
    bytes: usize,
    /// Entries that are asked ahead of polls.
    ahead: usize,
}

struct Entry {
    /// Whose query it is.
    rule: RuleId,
    kept: Option<Arc<Answer>>,
    flight: Option<Airborne>,
    demand: Demand,
    /// How long it takes, smoothed.
    latency: Duration,
    /// The largest one of all polls.
    bound: Duration,
    /// The last poll that was provided for.
    provided: Option<Instant>,
    /// When it stands on the agenda; other places there are void.
    attention: Option<Instant>,
    /// Whether the next expected poll is provided for.
    is_ahead: bool,
}

/// A flight as the shelf knows it.
struct Airborne {
    number: u64,
    /// Keeps nothing alive: when the last passenger goes, the query is cancelled with it.
    shared: WeakShared<Flight>,
    /// Somebody's request waits for it.
    awaited: Arc<Notify>,
}

/// When the answer is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Now,
    Later,
}

/// No queries ahead of polls while Prometheus has trouble.
#[derive(Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn failed(&mut self, now: Instant) {
        self.length = (self.length * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(now + self.length);
    }

    fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
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
            hasher: RandomState::new(),
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

    fn find(&self, query: &Arc<Query>, poll: Poll<'_>) -> Found {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let Some(entry) = content.entry(query, poll.rule) else {
            let flight = self.depart(&mut content, query, poll.rule, Need::Now);
            return Found::Flight(flight, Source::Prometheus);
        };
        if !poll.bound.is_zero() && query.promql.len() <= LONGEST_QUERY {
            entry.bound = entry.bound.max(poll.bound);
            entry.demand.polled(poll.poller, now);
        }
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
        let client = Arc::clone(&self.client);
        let awaited = Arc::new(Notify::new());
        let joined = Arc::clone(&awaited);
        let flight: Shared<Flight> = async move {
            let asked = Instant::now();
            let promql = &landing.query.promql;
            let told = match need {
                Need::Now => client.query(promql).await,
                Need::Later => client.query_ahead(promql, joined.notified()).await,
            };
            let outcome = match told {
                Ok(value) => Ok(Arc::new(Answer::new(value, &landing.query.keep, asked))),
                Err(error) => {
                    let usual = landing.shelf.lock().usual;
                    Err(Failure::of(&error, asked.elapsed(), usual))
                }
            };
            landing.landed(asked, &outcome);
            outcome
        }
        .boxed()
        .shared();
        // A flight that has not been polled yet can always be downgraded.
        if let (Some(shared), Some(entry)) = (flight.downgrade(), content.entries.get_mut(query)) {
            entry.flight = Some(Airborne {
                number,
                shared,
                awaited,
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

    /// Starts a query ahead of a poll, unless the poll was faster.
    fn ahead(&self, query: &Arc<Query>) -> Option<Shared<Flight>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let entry = content.entries.get_mut(query)?;
        let in_time = entry.provided.is_some_and(|poll| poll >= now);
        if !in_time || entry.flight.is_some() {
            return None;
        }
        let rule = entry.rule.clone();
        Some(self.depart(&mut content, query, &rule, Need::Later))
    }

    /// Looks at the first query of the agenda, and tells it if it is to be asked.
    fn due(&self) -> Option<Arc<Query>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let Reverse((at, query)) = content.agenda.pop()?;
        let is_paused = content.pause.is_on(now);
        let entry = content.entries.get_mut(&query)?;
        if entry.attention != Some(at) {
            return None;
        }
        entry.attention = None;
        entry.demand.forget(now);
        let bound = entry.bound;
        let outdated = entry.kept.take_if(|kept| kept.age(now) > bound);
        let lead = entry.lead();
        let wanted = entry.wants(now).filter(|poll| *poll <= now + lead);
        if wanted.is_some() {
            entry.provided = wanted;
        }
        // What comes later than its poll, or too old for it, helps nobody.
        let helps = entry.latency <= lead && !is_paused;
        let is_idle = entry.flight.is_none();
        let is_ahead = helps && (wanted.is_some() || entry.wants(now).is_some());
        content.provide(&query, is_ahead);
        content.discard(outdated.as_ref());
        content.forget(&query);
        content.tell(&self.shelf.metrics);
        self.shelf.attend(&mut content, &query, now);
        // Large answers take a while to go, and others wait for the lock.
        drop(content);
        drop(outdated);
        (wanted.is_some() && helps && is_idle).then_some(query)
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a query on the agenda where its entry wants to be.
    fn attend(&self, content: &mut Content, query: &Arc<Query>, now: Instant) {
        let Some(entry) = content.entries.get_mut(query) else {
            return;
        };
        let at = entry.next_attention(now);
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

impl Content {
    /// The entry of a query; `None` when there are too many.
    fn entry(&mut self, query: &Arc<Query>, rule: &RuleId) -> Option<&mut Entry> {
        if self.entries.len() >= MAX_QUERIES && !self.entries.contains_key(query) {
            return None;
        }
        let entry = self.entries.entry(Arc::clone(query));
        Some(entry.or_insert_with(|| Entry::new(rule.clone())))
    }

    /// Takes an entry away that knows nothing, if nobody waits for it.
    fn forget(&mut self, query: &Query) {
        if self.entries.get(query).is_some_and(Entry::is_forgotten) {
            self.provide(query, false);
            self.entries.remove(query);
        }
    }

    /// Notes whether a query is asked ahead of polls.
    fn provide(&mut self, query: &Query, is_ahead: bool) {
        let Some(entry) = self.entries.get_mut(query) else {
            return;
        };
        let was_ahead = std::mem::replace(&mut entry.is_ahead, is_ahead);
        self.ahead = self.ahead + usize::from(is_ahead) - usize::from(was_ahead);
    }

    /// An answer is kept no longer.
    fn discard(&mut self, answer: Option<&Arc<Answer>>) {
        if let Some(answer) = answer {
            self.kept -= 1;
            self.bytes -= answer.bytes();
        }
    }

    /// Tells how much there is.
    fn tell(&self, metrics: &Metrics) {
        let set = |gauge: &Gauge, count| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        set(&metrics.kept, self.kept);
        set(&metrics.kept_bytes, self.bytes);
        set(&metrics.ahead, self.ahead);
    }

    /// When the agenda goes on.
    fn first(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    /// Keeps an answer in the place of the one before, if somebody wants it and there is room.
    fn keep(&mut self, query: &Query, answer: &Arc<Answer>) {
        let Some(entry) = self.entries.get_mut(query) else {
            return;
        };
        entry.latency = smoothed(entry.latency, answer.age(Instant::now()));
        if entry.demand.is_empty() {
            return;
        }
        let before = entry.kept.take();
        let others = self.bytes - before.as_ref().map_or(0, |kept| kept.bytes());
        let bytes = answer.bytes();
        if others + bytes <= MAX_BYTES {
            entry.kept = Some(Arc::clone(answer));
            self.kept += 1;
            self.bytes += bytes;
        }
        self.discard(before.as_ref());
    }
}

/// The newest one of several times counts for a quarter.
fn smoothed(before: Duration, newest: Duration) -> Duration {
    (before * 3 + newest) / 4
}

impl Entry {
    fn new(rule: RuleId) -> Self {
        Self {
            rule,
            kept: None,
            flight: None,
            demand: Demand::default(),
            latency: Duration::ZERO,
            bound: Duration::ZERO,
            provided: None,
            attention: None,
            is_ahead: false,
        }
    }

    /// Whether nothing is known and nobody waits.
    fn is_forgotten(&self) -> bool {
        self.kept.is_none() && self.flight.is_none() && self.demand.is_empty()
    }

    /// The next expected poll that finds no answer that is good enough.
    fn wants(&self, now: Instant) -> Option<Instant> {
        let good = self.kept.as_ref().map(|kept| kept.asked() + self.bound);
        let after = [good, self.provided]
            .into_iter()
            .flatten()
            .fold(now, Instant::max);
        self.demand.next(after)
    }

    /// How long before a poll Prometheus is asked: the answer is to be there in time, and still good
    /// then.
    fn lead(&self) -> Duration {
        (self.latency * 2)
            .max(SHORTEST_LEAD)
            .min(self.bound * 4 / 5)
    }

    fn next_attention(&self, now: Instant) -> Instant {
        let outdated = self
            .kept
            .as_ref()
            // At the bound itself it is still good.
            .map(|kept| kept.asked() + self.bound + Duration::from_millis(1));
        let forgotten = outdated.unwrap_or(now + LONGEST_PERIOD);
        match self.wants(now) {
            Some(poll) => {
                let ahead = poll.checked_sub(self.lead()).unwrap_or(now);
                forgotten.min(ahead.max(now))
            }
            None => forgotten,
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
    fn landed(&self, asked: Instant, outcome: &Outcome) {
        let now = Instant::now();
        let (metrics, took) = (&self.shelf.metrics, now.duration_since(asked));
        let answer = outcome.as_ref().ok();
        metrics
            .costs
            .asked(&self.rule, took, answer.map(AsRef::as_ref));
        let mut content = self.shelf.lock();
        content.usual = smoothed(content.usual, took);
        match outcome {
            Ok(answer) => {
                content.pause = Pause::default();
                content.keep(&self.query, answer);
                content.tell(metrics);
            }
            Err(failure) if failure.is_trouble() => content.pause.failed(now),
            Err(_) => {}
        }
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
