//! Answers that are kept for their time and no longer.

use std::num::NonZeroUsize;

use lru::LruCache;
use tokio::time::Instant;

use crate::auth::fingerprint::Fingerprint;

/// An answer and when it ends.
pub(super) struct Kept<V> {
    pub(super) answer: V,
    pub(super) end: Instant,
}

impl<V: Clone> Kept<V> {
    pub(super) fn at(&self, now: Instant) -> Option<V> {
        (now < self.end).then(|| self.answer.clone())
    }
}

/// Answers by fingerprint of the question, the least recently used one leaving first.
pub(super) struct Brief<V>(LruCache<Fingerprint, Kept<V>>);

impl<V: Clone> Brief<V> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self(LruCache::sparse(capacity))
    }

    pub(super) fn get(&mut self, key: &Fingerprint, now: Instant) -> Option<V> {
        let answer = self.0.get(key)?.at(now);
        if answer.is_none() {
            self.remove(key);
        }
        answer
    }

    /// Keeps an answer. What is over by `now` leaves on the way: two for each that comes, so that
    /// nothing lies here for long.
    pub(super) fn put(&mut self, key: Fingerprint, kept: Kept<V>, now: Instant) {
        for _ in 0..2 {
            if self.0.peek_lru().is_some_and(|(_, last)| last.end <= now) {
                self.0.pop_lru();
            }
        }
        self.0.put(key, kept);
    }

    pub(super) fn remove(&mut self, key: &Fingerprint) {
        self.0.pop(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_over_leaves_on_the_way() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut brief = Brief::new(NonZeroUsize::new(100).unwrap());
        for number in 0..50 {
            let kept = Kept {
                answer: number,
                end: after(10),
            };
            brief.put([number; 32], kept, start);
        }
        assert_eq!(brief.get(&[0; 32], after(9)), Some(0));
        assert_eq!(brief.len(), 50);
        assert_eq!(brief.get(&[0; 32], after(10)), None);
        assert_eq!(brief.len(), 49);
        for number in 100..125 {
            let kept = Kept {
                answer: number,
                end: after(20),
            };
            brief.put([number; 32], kept, after(10));
        }
        assert_eq!(brief.len(), 25);
    }
}
