//! What Prometheus answered lately, by query.
//!
//! Whoever asks what is being asked already shares that answer (a *flight*). Whoever asks what was
//! asked within the freshness bound is answered from memory. And a query that is polled at an even
//! pace is asked again just ahead of the next poll, when the answer in memory would be too old for
//! it: then no poll waits for Prometheus.
//!
//! Laws: an answer is never older than the bound of whoever gets it, counted from when Prometheus
//! was asked. Each poll causes one query at most, its own or the one ahead of the next. An answer
//! that is too old for everybody is forgotten, and so is a query that nobody polls.

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Shared, WeakShared};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answer::Answer;
use super::demand::{Demand, LONGEST_PERIOD, Poller};
use crate::prometheus::{PrometheusError, QueryClient};

/// Queries ahead of polls that run at once. The client's own limit is shared with the polls that
/// cannot be answered from memory: these must not wait behind those.
const AHEAD_AT_ONCE: usize = 8;

/// Queries that are remembered; each takes about a kilobyte. More are asked every time.
const MAX_QUERIES: usize = 50_000;

/// Elements of all answers in memory, of about a hundred bytes each.
const MAX_ELEMENTS: usize = 1_000_000;

/// So much time a query ahead of a poll has at least; more where Prometheus has been slower.
const SHORTEST_LEAD: Duration = Duration::from_millis(250);

/// After a failure nothing is asked ahead of polls for so long, doubled up to the longest time
/// with each further failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A failure that every passenger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether the deadline passed.
    pub(super) timeout: bool,
    /// Whether a smaller question may work: Prometheus refused this one.
    pub(super) refused: bool,
    /// For the log.
    pub(super) reason: String,
}

impl Failure {
    fn of(error: &PrometheusError) -> Self {
        // Neither who asks is refused, nor how often, but what is asked.
        let question =
            |status: u16| matches!(status, 400..500) && !matches!(status, 401 | 403 | 407 | 429);
        Self {
            timeout: matches!(error, PrometheusError::Timeout(_)),
            refused: match error {
                PrometheusError::Api { status, .. } => question(*status),
                PrometheusError::TooLarge(_) => true,
                _ => false,
            },
            reason: error.to_string(),
        }
    }
}

/// Whence an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub(super) struct Poll {
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

#[derive(Default)]
struct Shelf {
    content: Mutex<Content>,
    /// The agenda has a new first entry.
    changed: Notify,
}

#[derive(Default)]
struct Content {
    entries: HashMap<Arc<str>, Entry>,
    /// When which query wants to be looked at.
    agenda: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    /// Number of the next flight: tells a flight from a later one for the same query.
    next_flight: u64,
    /// How long Prometheus takes, smoothed.
    latency: Duration,
    pause: Pause,
    /// Elements of all answers that are kept.
    elements: usize,
}

#[derive(Default)]
struct Entry {
    kept: Option<Arc<Answer>>,
    /// Keeps nothing alive: when the last passenger goes, the query is cancelled with it.
    flight: Option<(u64, WeakShared<Flight>)>,
    demand: Demand,
    /// Of the last poll.
    bound: Duration,
    /// The last poll that was provided for.
    provided: Option<Instant>,
    /// When it stands on the agenda; other places there are void.
    attention: Option<Instant>,
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
    pub(super) fn new(client: Arc<C>) -> Self {
        Self {
            client,
            shelf: Arc::default(),
            hasher: RandomState::new(),
        }
    }

    /// Tells pollers apart by what they ask for.
    pub(super) fn poller(&self, asked: &impl Hash) -> Poller {
        self.hasher.hash_one(asked)
    }

    /// An answer that is good enough for the poll.
    pub(super) async fn get(&self, promql: &Arc<str>, poll: Poll) -> (Outcome, Source) {
        match self.find(promql, poll) {
            Found::Kept(answer) => (Ok(answer), Source::Memory),
            Found::Flight(flight, source) => (flight.await, source),
        }
    }

    fn find(&self, promql: &Arc<str>, poll: Poll) -> Found {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let Some(entry) = content.entry(promql) else {
            return Found::Flight(self.depart(&mut content, promql), Source::Prometheus);
        };
        entry.bound = poll.bound;
        if !poll.bound.is_zero() {
            entry.demand.polled(poll.poller, now);
        }
        let good = |kept: &&Arc<Answer>| kept.age(now) <= poll.bound;
        if let Some(kept) = entry.kept.as_ref().filter(good) {
            let answer = Arc::clone(kept);
            self.shelf.attend(&mut content, promql, now);
            return Found::Kept(answer);
        }
        let flight = entry.flight.as_ref();
        if let Some(flight) = flight.and_then(|(_, flight)| flight.upgrade()) {
            return Found::Flight(flight, Source::Flight);
        }
        Found::Flight(self.depart(&mut content, promql), Source::Prometheus)
    }

    /// Starts a query.
    fn depart(&self, content: &mut Content, promql: &Arc<str>) -> Shared<Flight> {
        let number = content.next_flight;
        content.next_flight += 1;
        let landing = Landing {
            shelf: Arc::clone(&self.shelf),
            promql: Arc::clone(promql),
            number,
        };
        let client = Arc::clone(&self.client);
        let flight: Shared<Flight> = async move {
            let asked = Instant::now();
            let outcome = match client.query(&landing.promql).await {
                Ok(value) => Ok(Arc::new(Answer::new(value, asked))),
                Err(error) => Err(Failure::of(&error)),
            };
            landing.landed(&outcome);
            outcome
        }
        .boxed()
        .shared();
        // A flight that has not been polled yet can always be downgraded.
        if let (Some(weak), Some(entry)) = (flight.downgrade(), content.entries.get_mut(promql)) {
            entry.flight = Some((number, weak));
        }
        flight
    }

    /// Asks ahead of polls, and forgets what nobody wants; does not end.
    pub(super) async fn keep_warm(&self) {
        let mut flights = FuturesUnordered::new();
        loop {
            let first = self.shelf.lock().first();
            let due = async {
                match first {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(_) = flights.next() => {}
                () = due, if flights.len() < AHEAD_AT_ONCE => flights.extend(self.due()),
                () = self.shelf.changed.notified() => {}
            }
        }
    }

    /// Looks at the first query of the agenda; the flight that it wants.
    fn due(&self) -> Option<Shared<Flight>> {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        let Reverse((at, promql)) = content.agenda.pop()?;
        let (lead, paused) = (content.lead(), content.pause.is_on(now));
        let latency = content.latency;
        let entry = content.entries.get_mut(&promql)?;
        if entry.attention != Some(at) {
            return None;
        }
        entry.attention = None;
        entry.demand.forget(now);
        let bound = entry.bound;
        let outdated = entry.kept.take_if(|kept| kept.age(now) > bound);
        let idle = entry.flight.is_none();
        let lead = entry.lead(lead);
        let wanted = entry.wants(now).filter(|poll| *poll <= now + lead);
        if wanted.is_some() {
            entry.provided = wanted;
        }
        if entry.is_forgotten() {
            content.entries.remove(&promql);
        }
        content.elements -= outdated.as_ref().map_or(0, |kept| kept.elements().len());
        // What comes later than its poll, or too old for it, helps nobody.
        let helps = latency <= lead && !paused;
        let flight =
            (wanted.is_some() && idle && helps).then(|| self.depart(&mut content, &promql));
        self.shelf.attend(&mut content, &promql, now);
        // Large answers take a while to go, and others wait for the lock.
        drop(content);
        drop(outdated);
        flight
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a query on the agenda where its entry wants to be.
    fn attend(&self, content: &mut Content, promql: &Arc<str>, now: Instant) {
        let lead = content.lead();
        let Some(entry) = content.entries.get_mut(promql) else {
            return;
        };
        let at = entry.next_attention(now, lead);
        if entry.attention.is_some_and(|attention| attention <= at) {
            return;
        }
        entry.attention = Some(at);
        content.agenda.push(Reverse((at, Arc::clone(promql))));
        if content.first() == Some(at) {
            self.changed.notify_one();
        }
    }
}

impl Content {
    /// The entry of a query; `None` when there are too many.
    fn entry(&mut self, promql: &Arc<str>) -> Option<&mut Entry> {
        if !self.entries.contains_key(promql) && self.entries.len() >= MAX_QUERIES {
            self.entries
                .retain(|_, entry| entry.kept.is_some() || entry.flight.is_some());
            if self.entries.len() >= MAX_QUERIES {
                return None;
            }
        }
        Some(self.entries.entry(Arc::clone(promql)).or_default())
    }

    /// When the agenda goes on.
    fn first(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    /// How long before a poll Prometheus is asked.
    fn lead(&self) -> Duration {
        (self.latency * 2).max(SHORTEST_LEAD)
    }

    /// Keeps an answer in the place of the one before, if there is room.
    fn keep(&mut self, promql: &str, answer: &Arc<Answer>) {
        let Some(entry) = self.entries.get_mut(promql) else {
            return;
        };
        if entry.bound.is_zero() {
            return;
        }
        let before = entry.kept.take();
        self.elements -= before.map_or(0, |kept| kept.elements().len());
        let elements = self.elements + answer.elements().len();
        if elements <= MAX_ELEMENTS {
            self.elements = elements;
            entry.kept = Some(Arc::clone(answer));
        }
    }
}

impl Entry {
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

    /// What is asked so long before a poll is still good then, with some time to spare.
    fn lead(&self, lead: Duration) -> Duration {
        lead.min(self.bound * 4 / 5)
    }

    fn next_attention(&self, now: Instant, lead: Duration) -> Instant {
        let outdated = self
            .kept
            .as_ref()
            // At the bound itself it is still good.
            .map(|kept| kept.asked() + self.bound + Duration::from_millis(1));
        let forgotten = outdated.unwrap_or(now + LONGEST_PERIOD);
        match self.wants(now) {
            Some(poll) => {
                let ahead = poll.checked_sub(self.lead(lead)).unwrap_or(now);
                forgotten.min(ahead.max(now))
            }
            None => forgotten,
        }
    }
}

/// Takes a flight off the shelf when it has landed or was cancelled.
struct Landing {
    shelf: Arc<Shelf>,
    promql: Arc<str>,
    number: u64,
}

impl Landing {
    fn landed(&self, outcome: &Outcome) {
        let now = Instant::now();
        let mut content = self.shelf.lock();
        match outcome {
            Ok(answer) => {
                content.latency = (content.latency * 7 + now.duration_since(answer.asked())) / 8;
                content.pause = Pause::default();
                content.keep(&self.promql, answer);
            }
            Err(_) => content.pause.failed(now),
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut content = self.shelf.lock();
        if let Some(entry) = content.entries.get_mut(&self.promql)
            && matches!(entry.flight, Some((number, _)) if number == self.number)
        {
            entry.flight = None;
            if entry.is_forgotten() {
                content.entries.remove(&self.promql);
            }
        }
        self.shelf
            .attend(&mut content, &self.promql, Instant::now());
    }
}

#[cfg(test)]
mod tests;
