//! What a cache holds: answers, flights, and when to look at what again.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::{Shared, WeakShared};
use lru::LruCache;
use tokio::time::Instant;

use super::refresh::Trouble;
use super::{Ask, Flight, Terms};
use crate::auth::fingerprint::Fingerprint;
use crate::auth::pace::{LONGEST_INTERVAL, Pace};

/// Questions of more bytes are not kept, so nobody asks them again but their callers.
const LONGEST_QUESTION: usize = 4096;

/// A number that tells a flight from a later one for the same question, and the flight: weak, so
/// that a review nobody waits for any more is dropped with its last caller.
type Departed<V> = (u64, WeakShared<Flight<V>>);

pub(super) struct Content<A: Ask> {
    granted: LruCache<Fingerprint, Grant<A>>,
    refused: LruCache<Fingerprint, Kept<A::Answer>>,
    flights: HashMap<Fingerprint, Departed<A::Answer>>,
    flights_so_far: u64,
    /// When which grant wants to be looked at; each has one place at most.
    agenda: BTreeSet<(Instant, Fingerprint)>,
    pub(super) trouble: Trouble,
}

/// An answer and when it ends.
struct Kept<V> {
    answer: V,
    end: Instant,
}

impl<V: Clone> Kept<V> {
    fn at(&self, now: Instant) -> Option<V> {
        (now < self.end).then(|| self.answer.clone())
    }
}

/// What was granted, and who comes for it.
struct Grant<A: Ask> {
    kept: Kept<A::Answer>,
    pace: Pace,
    /// `None` for what nobody asks again but its callers.
    question: Option<Arc<A::Question>>,
    /// Its place on the agenda.
    place: Option<Instant>,
}

/// What becomes of a grant next.
#[derive(Clone, Copy)]
enum Plan {
    Renew(Instant),
    Forget(Instant),
}

impl<A: Ask> Grant<A> {
    fn plan(&self, terms: &Terms) -> Plan {
        let renewal = self.question.as_ref().and_then(|_| {
            let polls = self.pace.expected()?;
            let mut at = self.kept.end.checked_sub(terms.lead())?;
            // An answer that serves this round to its end is good enough until the next one.
            if self.kept.end >= self.pace.began() + terms.round() {
                at = at.max(polls.start().checked_sub(terms.round())?);
            }
            (at <= *polls.end()).then_some(at)
        });
        match renewal {
            Some(at) => Plan::Renew(at),
            None => Plan::Forget(self.kept.end.max(self.pace.began() + LONGEST_INTERVAL)),
        }
    }
}

impl<A: Ask> Content<A> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            granted: LruCache::sparse(capacity),
            refused: LruCache::sparse(capacity),
            flights: HashMap::new(),
            flights_so_far: 0,
            agenda: BTreeSet::new(),
            trouble: Trouble::default(),
        }
    }

    /// The answer in memory, if it is good now, and whether a round of polls begins.
    pub(super) fn find(
        &mut self,
        key: &Fingerprint,
        now: Instant,
        terms: &Terms,
    ) -> (Option<A::Answer>, bool) {
        if let Some(grant) = self.granted.get_mut(key) {
            let round_begins = grant.pace.polled(now, terms.round());
            return (grant.kept.at(now), round_begins);
        }
        let refusal = self.refused.get(key).and_then(|kept| kept.at(now));
        (refusal, false)
    }

    /// Keeps what was answered to a question of `asked`, in the place of what was known before.
    pub(super) fn keep(
        &mut self,
        key: Fingerprint,
        answer: &A::Answer,
        question: Arc<A::Question>,
        asked: Instant,
        terms: &Terms,
    ) {
        let is_granted = A::is_granted(answer);
        let ttl = terms.of(is_granted);
        let kept = Kept {
            answer: answer.clone(),
            end: asked + ttl,
        };
        if !is_granted {
            self.forget(&key);
            if !ttl.is_zero() {
                self.refused.put(key, kept);
            }
            return;
        }
        self.refused.pop(&key);
        if ttl.is_zero() {
            return;
        }
        let question = (A::size(&question) <= LONGEST_QUESTION).then_some(question);
        if let Some(grant) = self.granted.get_mut(&key) {
            (grant.kept, grant.question) = (kept, question);
            return;
        }
        let grant = Grant {
            kept,
            pace: Pace::first(asked),
            question,
            place: None,
        };
        if let Some((key, gone)) = self.granted.push(key, grant)
            && let Some(place) = gone.place
        {
            self.agenda.remove(&(place, key));
        }
    }

    /// From now on nobody asks for it but its callers.
    pub(super) fn cool(&mut self, key: &Fingerprint) {
        if let Some(grant) = self.granted.peek_mut(key) {
            grant.question = None;
        }
    }

    fn forget(&mut self, key: &Fingerprint) {
        if let Some(gone) = self.granted.pop(key)
            && let Some(place) = gone.place
        {
            self.agenda.remove(&(place, *key));
        }
    }

    /// Puts a grant on the agenda where it wants to be; whether it is the first there.
    pub(super) fn plan(&mut self, key: &Fingerprint, terms: &Terms) -> bool {
        let Some(grant) = self.granted.peek_mut(key) else {
            return false;
        };
        let (Plan::Renew(at) | Plan::Forget(at)) = grant.plan(terms);
        if let Some(before) = grant.place.replace(at) {
            self.agenda.remove(&(before, *key));
        }
        self.agenda.insert((at, *key));
        self.agenda.first() == Some(&(at, *key))
    }

    /// When the agenda goes on.
    pub(super) fn first(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Looks at the first grant of the agenda, if it is time; tells its question if it is to be
    /// asked again.
    pub(super) fn due(
        &mut self,
        now: Instant,
        terms: &Terms,
    ) -> Option<(Fingerprint, Arc<A::Question>)> {
        if self.first()? > now {
            return None;
        }
        let (_, key) = self.agenda.pop_first()?;
        let grant = self.granted.peek_mut(&key)?;
        grant.place = None;
        match grant.plan(terms) {
            // What is being asked has a place on the agenda again when it is answered.
            Plan::Renew(at) if at <= now && self.flights.contains_key(&key) => None,
            Plan::Renew(at) if at <= now => Some((key, grant.question.clone()?)),
            Plan::Forget(at) if at <= now => {
                self.forget(&key);
                None
            }
            Plan::Renew(_) | Plan::Forget(_) => {
                self.plan(&key, terms);
                None
            }
        }
    }

    /// The flight for a question.
    pub(super) fn flight(&self, key: &Fingerprint) -> Option<Shared<Flight<A::Answer>>> {
        self.flights
            .get(key)
            .and_then(|(_, flight)| flight.upgrade())
    }

    /// The number of a flight that is about to depart.
    pub(super) fn next_flight(&mut self) -> u64 {
        self.flights_so_far += 1;
        self.flights_so_far
    }

    pub(super) fn departed(
        &mut self,
        key: Fingerprint,
        number: u64,
        flight: &Shared<Flight<A::Answer>>,
    ) {
        // One that has not been polled yet can always be downgraded.
        if let Some(weak) = flight.downgrade() {
            self.flights.insert(key, (number, weak));
        }
    }

    /// A flight has landed or was cancelled.
    pub(super) fn landed(&mut self, key: &Fingerprint, number: u64) {
        if self
            .flights
            .get(key)
            .is_some_and(|(last, _)| *last == number)
        {
            self.flights.remove(key);
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 4] {
        let agenda = self.agenda.len();
        [
            self.granted.len(),
            self.refused.len(),
            agenda,
            self.flights.len(),
        ]
    }
}
