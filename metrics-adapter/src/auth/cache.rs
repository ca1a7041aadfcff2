//! A bounded cache of reviews with shared flights.
//!
//! Law: equal questions that overlap cost one review; an error is never kept; a caller that
//! goes away takes nobody else's answer with it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use lru::LruCache;
use tokio::time::Instant;

use super::fingerprint::Fingerprint;
use crate::model::review::ReviewError;

type Flight<V> = BoxFuture<'static, Result<V, ReviewError>>;

/// Flights whose callers are all gone are swept out beyond this number.
const SWEEP_ABOVE: usize = 256;

/// Answers by fingerprint of the question, the least recently used one leaving first.
pub(super) struct Cache<V: Clone> {
    state: Mutex<State<V>>,
}

struct State<V: Clone> {
    /// The answer and when it ends.
    answers: LruCache<Fingerprint, (V, Instant)>,
    /// Weak, so that a review nobody waits for any more is dropped with its last caller.
    flights: HashMap<Fingerprint, WeakShared<Flight<V>>>,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Kept from before.
    Cache,
    /// Asked now, alone or with others.
    Review,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            state: Mutex::new(State {
                answers: LruCache::new(capacity),
                flights: HashMap::new(),
            }),
        }
    }

    /// The answer for `key`: kept, in flight, or by `review`. `ttl` tells how long to keep it.
    pub(super) async fn get<F>(
        &self,
        key: Fingerprint,
        review: impl FnOnce() -> F,
        ttl: impl FnOnce(&V) -> Duration,
    ) -> (Result<V, ReviewError>, Origin)
    where
        F: Future<Output = Result<V, ReviewError>> + Send + 'static,
    {
        let flight = {
            let mut state = self.lock();
            let now = Instant::now();
            match state.answers.get(&key) {
                Some((answer, end)) if now < *end => return (Ok(answer.clone()), Origin::Cache),
                Some(_) => drop(state.answers.pop(&key)),
                None => {}
            }
            state.join(key, review)
        };
        let answer = flight.await;
        let mut state = self.lock();
        // The first of those who waited together keeps the answer.
        if state.flights.remove(&key).is_some()
            && let Ok(answer) = &answer
        {
            let ttl = ttl(answer);
            if !ttl.is_zero() {
                state
                    .answers
                    .put(key, (answer.clone(), Instant::now() + ttl));
            }
        }
        drop(state);
        (answer, Origin::Review)
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        // Nothing under this lock leaves the maps half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> State<V> {
    fn join<F>(&mut self, key: Fingerprint, review: impl FnOnce() -> F) -> Shared<Flight<V>>
    where
        F: Future<Output = Result<V, ReviewError>> + Send + 'static,
    {
        if let Some(flight) = self.flights.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        if self.flights.len() >= SWEEP_ABOVE {
            self.flights.retain(|_, flight| flight.upgrade().is_some());
        }
        let flight = review().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            self.flights.insert(key, weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests;
