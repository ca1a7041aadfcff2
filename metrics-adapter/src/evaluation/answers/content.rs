//! What is known of each query.
//!
//! Law: answers, and queries with who polls them, each have their budget of bytes. What has no room
//! is not remembered; while it is being asked it is known all the same, for those who ask the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use futures::future::WeakShared;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Span;

use super::crowd::{Crowd, Member};
use super::family::Families;
use super::{Flight, Poll};
use crate::evaluation::Metrics;
use crate::evaluation::answer::{Answer, Joint, Query};
use crate::evaluation::demand::Demand;
use crate::rhythm::LONGEST_PERIOD;
use crate::rules::RuleId;

/// Bytes of all answers in memory: a quarter of what the chart lets the process have.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Bytes of all queries that are remembered, and of who polls them: some 25,000 with a text of 200
/// bytes and one poller each.
pub(super) const MAX_QUERY_BYTES: usize = 32 << 20;

/// Longer queries are not remembered: clients decide how long a selector is, and none of them is to
/// have all the room. What names the pods of an HPA takes some 50 bytes for each.
pub(super) const LONGEST_QUERY: usize = MAX_QUERY_BYTES / 64;

/// A query for several namespaces is for so many more than one, and has so many elements by what
/// their last answers had: it is not to take long, nor to be long.
const MOST_COMPANIONS: usize = 31;
const MOST_ELEMENTS: usize = 1_000;
/// Of what names the namespaces. Backends that refuse long queries begin at 16,384 bytes, and URLs
/// may be 8,192.
const MOST_BYTES: usize = 4 << 10;
/// How many are looked at for it.
const LOOKED_AT: usize = 4 * MOST_COMPANIONS;

/// So much time a query ahead of a poll has at least; more where Prometheus has been slower.
const SHORTEST_LEAD: Duration = Duration::from_millis(250);

/// At its bound an answer is still good; so much later it is not.
const BEYOND: Duration = Duration::from_millis(1);

/// While Prometheus has trouble nothing is asked ahead of polls for so long after a failure, doubled
/// up to the longest time with each further one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where so many of the latest polls are late for what was asked ahead of them, whoever polls has
/// too much to do, and such queries are in vain. A poll that is only a little late does not count,
/// also where a rule's answers are not good for longer.
const MANY: f64 = 0.25;
const LATE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Content {
    pub(super) entries: HashMap<Arc<Query>, Entry, RandomState>,
    /// When which query wants to be looked at.
    pub(super) agenda: BinaryHeap<Reverse<(Instant, Arc<Query>)>>,
    /// Number of the next flight: tells a flight from a later one for the same query.
    pub(super) next_flight: u64,
    /// How long queries take, smoothed; failures count.
    pub(super) usual: Duration,
    pub(super) pause: Pause,
    /// The polls that entries want to be asked ahead of.
    crowd: Crowd,
    /// Which queries can be asked together.
    pub(super) families: Families,
    /// Answers that are kept, and bytes of all of them.
    kept: usize,
    pub(super) bytes: usize,
    /// Bytes of the queries that are remembered.
    pub(super) query_bytes: usize,
    /// Entries that are asked ahead of polls.
    ahead: usize,
    /// The share of polls that came late, smoothed.
    late: f64,
}

pub(super) struct Entry {
    /// Whose query it is.
    pub(super) rule: RuleId,
    pub(super) kept: Option<Arc<Answer>>,
    pub(super) flight: Option<Airborne>,
    demand: Demand,
    /// What is counted for the query and its demand.
    bytes: usize,
    /// How long it takes, smoothed; the wait for its turn counts.
    latency: Duration,
    /// Whether its last answer found room.
    has_room: bool,
    /// The largest one of all polls.
    bound: Duration,
    /// The last poll that was provided for.
    pub(super) provided: Option<Instant>,
    /// How long before it.
    lead: Duration,
    /// The next paced poll to ask ahead of, as the crowd knows it.
    wanted: Option<Member>,
    /// When it stands on the agenda; other places there are void.
    attention: Option<Instant>,
    /// Whether the next expected poll is provided for.
    is_ahead: bool,
}

/// A poll that is to find an answer.
#[derive(Clone, Copy)]
struct Expected {
    at: Instant,
    /// Whether it comes at a pace of its poller's, and so may come with a crowd of others; if not,
    /// somebody polls often.
    is_paced: bool,
}

/// A flight as the shelf knows it.
pub(super) struct Airborne {
    pub(super) number: u64,
    /// Keeps nothing alive: when the last passenger goes, the query is cancelled with it.
    pub(super) shared: WeakShared<Flight>,
    /// The query's place among those that are asked together.
    pub(super) place: usize,
    /// Somebody's request waits for it.
    pub(super) awaited: Arc<Notify>,
    /// Whoever shares it is linked to this.
    pub(super) span: Span,
}

/// No queries ahead of polls while Prometheus has trouble.
#[derive(Default)]
pub(super) struct Pause {
    length: Duration,
    until: Option<Instant>,
}

/// A query whose turn on the agenda has come.
pub(super) struct Due {
    pub(super) query: Arc<Query>,
    /// Whether it is to be asked.
    pub(super) is_wanted: bool,
    /// Its answer, which nobody may get any more. Large ones take a while to go, and others wait
    /// for the lock.
    pub(super) outdated: Option<Arc<Answer>>,
}

impl Pause {
    pub(super) fn failed(&mut self, now: Instant) {
        self.length = (self.length * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(now + self.length);
    }

    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl Content {
    /// The entry of a query that is polled now.
    pub(super) fn polled(
        &mut self,
        query: &Arc<Query>,
        poll: Poll<'_>,
        now: Instant,
    ) -> &mut Entry {
        let entry = self.entries.entry(Arc::clone(query));
        let entry = entry.or_insert_with(|| Entry::new(poll.rule.clone()));
        // The rule may have moved in its file.
        if entry.rule != *poll.rule {
            entry.rule = poll.rule.clone();
        }
        let has_room = || self.query_bytes + Entry::least_bytes(query) <= MAX_QUERY_BYTES;
        let may_remember = !poll.bound.is_zero() && query.promql.len() <= LONGEST_QUERY;
        if may_remember && (entry.demand.knows(poll.poller) || has_room()) {
            entry.bound = entry.bound.max(poll.bound);
            // What was asked ahead of it is good until then.
            let tolerance = entry.bound.saturating_sub(entry.lead);
            if let Some(late) = entry.demand.polled(poll.poller, now, tolerance) {
                let is_late = late > tolerance.max(LATE);
                self.late += (f64::from(u8::from(is_late)) - self.late) / 16.0;
            }
            entry.count(query, &mut self.query_bytes);
        }
        entry
    }

    /// Takes the first query off the agenda, and looks at it.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let Reverse((at, query)) = self.agenda.pop()?;
        let entry = self.entries.get_mut(&query)?;
        if entry.attention != Some(at) {
            return None;
        }
        entry.attention = None;
        self.families.moves(&query, Some(at), None);
        entry.demand.forget(now);
        entry.count(&query, &mut self.query_bytes);
        let bound = entry.bound;
        let outdated = entry.kept.take_if(|kept| kept.age(now) > bound);
        let expected = entry.wants(now);
        let mut helps = entry.has_room && !self.pause.is_on(now) && self.late < MANY;
        let mut wanted = None;
        if let Some(poll) = expected {
            let lead = entry.lead(poll, &self.crowd, self.usual, now);
            // What comes later than its poll, or too old for it, helps nobody.
            helps &= entry.latency <= lead;
            if poll.at <= now + lead {
                wanted = expected;
                entry.provided = Some(poll.at);
                entry.lead = lead;
            }
        }
        let is_idle = entry.flight.is_none();
        let is_ahead = helps && expected.is_some();
        self.provide(&query, is_ahead);
        self.discard(outdated.as_ref());
        self.forget(&query);
        Some(Due {
            query,
            is_wanted: wanted.is_some() && helps && is_idle,
            outdated,
        })
    }

    /// Notes the poll that an entry wants to be asked ahead of, and tells when to look at the entry.
    pub(super) fn plan(&mut self, query: &Query, now: Instant) -> Option<Instant> {
        let entry = self.entries.get_mut(query)?;
        let wanted = entry.wants(now);
        let together = self.families.size(query, now);
        let together = together.min(entry.most_together());
        let crowd = wanted.filter(|poll| poll.is_paced);
        let crowd = crowd.map(|poll| Member::new(poll.at, together));
        let before = std::mem::replace(&mut entry.wanted, crowd);
        if before != crowd {
            self.crowd.moves(before, crowd);
        }
        let forgotten = entry.forgotten(now);
        let Some(poll) = wanted else {
            return Some(forgotten);
        };
        let earliest = poll.at.checked_sub(entry.longest_lead(poll.at));
        let ahead = match earliest {
            // Until then others may come, who make a crowd of them.
            Some(earliest) if poll.is_paced && earliest > now => earliest,
            _ => {
                let lead = entry.lead(poll, &self.crowd, self.usual, now);
                poll.at
                    .checked_sub(lead)
                    .map_or(now, |ahead| ahead.max(now))
            }
        };
        Some(ahead.min(forgotten))
    }

    /// Takes an entry away that knows nothing, if nobody waits for it.
    pub(super) fn forget(&mut self, query: &Arc<Query>) {
        if self.entries.get(query).is_some_and(Entry::is_forgotten) {
            self.provide(query, false);
            if let Some(entry) = self.entries.remove(query) {
                self.crowd.moves(entry.wanted, None);
                self.families.moves(query, entry.attention, None);
            }
        }
    }

    /// Puts a query on the agenda, unless it stands there for an earlier time.
    pub(super) fn attend(&mut self, query: &Arc<Query>, at: Instant) {
        let Some(entry) = self.entries.get_mut(query) else {
            return;
        };
        if entry.attention.is_some_and(|attention| attention <= at) {
            return;
        }
        let before = entry.attention.replace(at);
        self.families.moves(query, before, Some(at));
        self.agenda.push(Reverse((at, Arc::clone(query))));
    }

    /// What a query ahead of a poll is asked together with: queries about other namespaces whose
    /// next polls an answer of now can serve as well as a later one. They are provided for.
    pub(super) fn companions(&mut self, query: &Query, now: Instant) -> Vec<Arc<Query>> {
        let Some(entry) = self.entries.get(query) else {
            return Vec::new();
        };
        let mut elements = entry.elements();
        let mut bytes = query.joint.as_ref().map_or(0, Joint::bytes);
        let until = now + entry.bound;
        let mut companions = Vec::new();
        for other in self.families.others(query, now, until).take(LOOKED_AT) {
            let Some(entry) = self.entries.get_mut(other) else {
                continue;
            };
            let Some(poll) = entry.wants(now) else {
                continue;
            };
            let lead = poll.at.saturating_duration_since(now);
            let is_in_time = entry.latency <= lead && lead <= entry.longest_lead(poll.at);
            if !is_in_time || !entry.has_room || entry.flight.is_some() {
                continue;
            }
            elements += entry.elements();
            bytes += other.joint.as_ref().map_or(0, Joint::bytes);
            let has_room = elements <= MOST_ELEMENTS && bytes <= MOST_BYTES;
            if !has_room || companions.len() == MOST_COMPANIONS {
                break;
            }
            entry.provided = Some(poll.at);
            entry.lead = lead;
            companions.push(Arc::clone(other));
        }
        companions
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
    pub(super) fn tell(&self, metrics: &Metrics) {
        let set = |gauge: &Gauge, count| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        set(&metrics.kept, self.kept);
        set(&metrics.kept_bytes, self.bytes);
        set(&metrics.ahead, self.ahead);
    }

    /// When the agenda goes on.
    pub(super) fn first(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    /// Keeps an answer that took `latency`, if somebody wants it and there is room, in the place of
    /// the one before. That is for the caller to drop, without the lock.
    pub(super) fn keep(
        &mut self,
        query: &Query,
        answer: &Arc<Answer>,
        latency: Duration,
    ) -> Option<Arc<Answer>> {
        let entry = self.entries.get_mut(query)?;
        entry.latency = smoothed(entry.latency, latency);
        if entry.demand.is_empty() {
            return None;
        }
        let before = entry.kept.take();
        let others = self.bytes - before.as_ref().map_or(0, |kept| kept.bytes());
        let bytes = answer.bytes();
        entry.has_room = others + bytes <= MAX_ANSWER_BYTES;
        if entry.has_room {
            entry.kept = Some(Arc::clone(answer));
            self.kept += 1;
            self.bytes += bytes;
        }
        self.discard(before.as_ref());
        before
    }
}

/// The newest one of several times counts for a quarter.
pub(super) fn smoothed(before: Duration, newest: Duration) -> Duration {
    (before * 3 + newest) / 4
}

impl Entry {
    fn new(rule: RuleId) -> Self {
        Self {
            rule,
            kept: None,
            flight: None,
            demand: Demand::default(),
            bytes: 0,
            latency: Duration::ZERO,
            has_room: true,
            bound: Duration::ZERO,
            provided: None,
            lead: SHORTEST_LEAD,
            wanted: None,
            attention: None,
            is_ahead: false,
        }
    }

    /// Bytes of a query that is remembered, without who polls it. A hash table, or a tree, has up to
    /// two places for each entry, and the agenda's places that are void go when their time comes.
    pub(super) fn least_bytes(query: &Query) -> usize {
        let on_agenda = size_of::<(Instant, Arc<Query>)>();
        let in_family = query.joint.as_ref().map_or(0, |_| on_agenda);
        let places = 2 * (size_of::<(Arc<Query>, Self)>() + on_agenda + in_family);
        places + size_of::<Query>() + query.promql.len()
    }

    /// Counts the query and its demand anew. Without any it is only known while it is asked.
    fn count(&mut self, query: &Query, total: &mut usize) {
        let before = self.bytes;
        self.bytes = match self.demand.is_empty() {
            true => 0,
            false => Self::least_bytes(query) + self.demand.bytes(),
        };
        *total = *total + self.bytes - before;
    }

    /// Whether nothing is known and nobody waits.
    fn is_forgotten(&self) -> bool {
        self.kept.is_none() && self.flight.is_none() && self.demand.is_empty()
    }

    /// Elements of its last answer.
    fn elements(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.len())
    }

    /// Whether nothing may be asked together with it.
    fn is_alone(&self) -> bool {
        self.wanted.is_none_or(|poll| poll.is_alone())
    }

    /// How many queries may be asked together, if the others have answers of the same size.
    fn most_together(&self) -> usize {
        (MOST_ELEMENTS / self.elements().max(1)).min(1 + MOST_COMPANIONS)
    }

    /// Whether the poll that it was to be asked ahead of is still to come, and finds nothing.
    pub(super) fn lacks(&self, now: Instant) -> bool {
        self.provided.is_some_and(|poll| {
            let is_good = self.good_until().is_some_and(|until| until >= poll);
            poll >= now && !is_good && self.flight.is_none()
        })
    }

    /// How long what is kept is good for those who take the oldest.
    pub(super) fn good_until(&self) -> Option<Instant> {
        let kept = self.kept.as_ref()?;
        Some(kept.asked() + self.bound)
    }

    /// The next expected poll that finds no answer that is good enough.
    fn wants(&self, now: Instant) -> Option<Expected> {
        let after = [self.good_until(), self.provided]
            .into_iter()
            .flatten()
            .fold(now, Instant::max);
        let paced = self.demand.next(after);
        // Whoever polls often comes as soon as the answer is too old.
        let end = self.good_until().map(|until| until + BEYOND);
        let often = end.filter(|end| {
            *end > after
                && paced.is_none_or(|paced| paced > *end)
                && self.demand.is_frequent(now, self.bound)
        });
        Some(Expected {
            at: often.or(paced)?,
            is_paced: often.is_none(),
        })
    }

    /// How long before a poll Prometheus is asked: the answer is to be there in time. Where many
    /// polls come at once, its query has a head start.
    fn lead(&self, poll: Expected, crowd: &Crowd, usual: Duration, now: Instant) -> Duration {
        let head_start = match poll.is_paced {
            true => crowd.head_start(poll.at, usual, now),
            false => Duration::ZERO,
        };
        // The earlier, the fewer polls of other namespaces does the answer serve.
        let head_start = match self.is_alone() {
            true => head_start,
            false => head_start.min(self.bound * 2 / 5),
        };
        (self.latency * 2)
            .max(SHORTEST_LEAD)
            .max(head_start)
            .min(self.longest_lead(poll.at))
    }

    /// What leaves `poll`, and those after it that the same answer can serve, one that is good, also
    /// where they are a little late.
    fn longest_lead(&self, poll: Instant) -> Duration {
        let serves = self.bound * 9 / 10;
        let until = poll + serves.saturating_sub(SHORTEST_LEAD);
        let last = self.demand.last(until).unwrap_or(poll);
        (self.bound * 4 / 5).min(serves.saturating_sub(last.saturating_duration_since(poll)))
    }

    /// When its answer is too old for everybody.
    fn forgotten(&self, now: Instant) -> Instant {
        let outdated = self.good_until().map(|until| until + BEYOND);
        outdated.unwrap_or(now + LONGEST_PERIOD)
    }
}
