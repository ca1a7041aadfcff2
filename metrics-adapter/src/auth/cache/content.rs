//! What a cache holds: answers, flights, and when to look at what again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use futures::future::{Shared, WeakShared};
use tokio::time::Instant;

use super::brief::{Brief, Kept};
use super::places::{Owner, Places};
use super::refresh::Trouble;
use super::{Ask, Flight, Limits, Terms};
use crate::auth::fingerprint::Fingerprint;
use crate::auth::rounds::Rounds;
use crate::rhythm::LONGEST_PERIOD;

/// Questions of more bytes are not kept, so nobody asks them again but their callers.
const LONGEST_QUESTION: usize = 4096;

/// So many reviews ahead a round of polls earns: of answers of 10 s, enough for three of the
/// controller's periods. Whoever polls causes no more than that.
const EARNED: u8 = 5;

/// A number that tells a flight from a later one for the same question, and the flight: weak, so
/// that a review nobody waits for any more is dropped with its last caller.
type Departed<V> = (u64, WeakShared<Flight<V>>);

pub(super) struct Content<A: Ask> {
    /// Grants whose callers may be expected again.
    expected: HashMap<Fingerprint, Grant<A>, RandomState>,
    places: Places,
    /// All other grants.
    others: Brief<A::Answer>,
    refused: Brief<A::Answer>,
    flights: HashMap<Fingerprint, Departed<A::Answer>>,
    flights_so_far: u64,
    /// When which grant wants to be looked at; each has one place at most.
    agenda: BTreeSet<(Instant, Fingerprint)>,
    pub(super) trouble: Trouble,
}

/// What was granted, and who comes for it.
struct Grant<A: Ask> {
    kept: Kept<A::Answer>,
    rounds: Rounds,
    /// Only while a review ahead of polls is planned: there may be a credential in it.
    question: Option<Arc<A::Question>>,
    /// Reviews ahead that may still be made until somebody polls.
    earned: u8,
    /// Its place on the agenda.
    planned: Option<Instant>,
    /// Whose account it is on, and how many places it takes there.
    account: (Owner, usize),
}

/// What becomes of a grant next.
#[derive(Clone, Copy)]
enum Plan {
    Renew(Instant),
    Forget(Instant),
}

impl<A: Ask> Grant<A> {
    /// What becomes of it; without a review ahead its question is not needed.
    fn plan(&mut self, terms: &Terms) -> Plan {
        if let Some(at) = self.renewal(terms) {
            return Plan::Renew(at);
        }
        self.question = None;
        let until = match self.rounds.expected() {
            Some(polls) => *polls.end(),
            None => self.rounds.began() + LONGEST_PERIOD,
        };
        Plan::Forget(until.max(self.kept.end))
    }

    fn renewal(&self, terms: &Terms) -> Option<Instant> {
        if self.question.is_none() || self.earned == 0 {
            return None;
        }
        let rounds = self.rounds.expected()?;
        let mut at = self.kept.end.checked_sub(terms.rest())?;
        if let Some((first, last)) = self.unserved(terms) {
            let lead = terms.lead(last.saturating_duration_since(first));
            at = at.max(first.checked_sub(lead)?);
        } else if self.kept.end >= self.rounds.began() + terms.round() {
            // An answer that serves this round to its end is good enough until the next one.
            at = at.max(rounds.start().checked_sub(terms.round())?);
        }
        (at <= *rounds.end()).then_some(at)
    }

    /// The first and the last of the upcoming polls that the next answer is for.
    fn unserved(&self, terms: &Terms) -> Option<(Instant, Instant)> {
        let served = self.kept.end.checked_sub(terms.spare())?;
        let mut polls = self.rounds.upcoming().filter(|poll| *poll > served);
        let first = polls.next()?;
        let last = polls
            .take_while(|poll| *poll <= first + terms.reach())
            .last();
        Some((first, last.unwrap_or(first)))
    }
}

impl<A: Ask> Content<A> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            expected: HashMap::default(),
            places: Places::new(limits.expected, limits.share),
            others: Brief::new(limits.others),
            refused: Brief::new(limits.others),
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
        question: impl FnOnce() -> A::Question,
        now: Instant,
        terms: &Terms,
    ) -> (Option<A::Answer>, bool) {
        let Some(grant) = self.expected.get_mut(key) else {
            let granted = self.others.get(key, now);
            return (granted.or_else(|| self.refused.get(key, now)), false);
        };
        let answer = grant.kept.at(now);
        let round_begins = grant.rounds.polled(now, terms.round());
        if round_begins {
            grant.earned = EARNED;
            // Without an answer it comes with the review that follows.
            if answer.is_some() && grant.question.is_none() && grant.rounds.expected().is_some() {
                grant.question = Some(Arc::new(question()));
            }
        }
        (answer, round_begins)
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
        let now = Instant::now();
        if !is_granted {
            self.forget(&key);
            self.others.remove(&key);
            if !ttl.is_zero() {
                self.refused.put(key, kept, now);
            }
            return;
        }
        self.refused.remove(&key);
        if ttl.is_zero() {
            return;
        }
        if let Some(grant) = self.expected.get_mut(&key) {
            grant.kept = kept;
            grant.question = grant.rounds.expected().map(|_| question);
            return;
        }
        let Some(account) = self.account(&question, answer) else {
            self.others.put(key, kept, now);
            return;
        };
        self.others.remove(&key);
        let grant = Grant {
            kept,
            rounds: Rounds::first(asked),
            question: None,
            earned: 0,
            planned: None,
            account,
        };
        self.expected.insert(key, grant);
    }

    /// Takes places for a new grant, unless nobody is expected to ask for it at an even pace, or
    /// there are none.
    fn account(&mut self, question: &A::Question, answer: &A::Answer) -> Option<(Owner, usize)> {
        let owner = A::owner(question, answer)?;
        let bytes = A::size(question);
        let places = (bytes <= LONGEST_QUESTION).then(|| self.places.take(owner, bytes));
        Some((owner, places.flatten()?))
    }

    /// Until somebody polls again nobody asks for it but its callers.
    pub(super) fn cool(&mut self, key: &Fingerprint) {
        if let Some(grant) = self.expected.get_mut(key) {
            grant.earned = 0;
        }
    }

    fn forget(&mut self, key: &Fingerprint) {
        if let Some(gone) = self.expected.remove(key) {
            let (owner, places) = gone.account;
            self.places.free(&owner, places);
            if let Some(planned) = gone.planned {
                self.agenda.remove(&(planned, *key));
            }
        }
    }

    /// Puts a grant on the agenda where it wants to be; whether it is the first there.
    pub(super) fn plan(&mut self, key: &Fingerprint, terms: &Terms) -> bool {
        let Some(grant) = self.expected.get_mut(key) else {
            return false;
        };
        let (Plan::Renew(at) | Plan::Forget(at)) = grant.plan(terms);
        if let Some(before) = grant.planned.replace(at) {
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
        let grant = self.expected.get_mut(&key)?;
        grant.planned = None;
        match grant.plan(terms) {
            // What is being asked has a place on the agenda again when it is answered.
            Plan::Renew(at) if at <= now && self.flights.contains_key(&key) => None,
            Plan::Renew(at) if at <= now => {
                grant.earned -= 1;
                Some((key, grant.question.clone()?))
            }
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
            self.expected.len(),
            self.refused.len(),
            agenda,
            self.flights.len(),
        ]
    }

    /// Grants without a place, and questions.
    #[cfg(test)]
    pub(super) fn others_and_questions(&self) -> (usize, usize) {
        let with_question = self.expected.values().filter(|one| one.question.is_some());
        (self.others.len(), with_question.count())
    }
}
