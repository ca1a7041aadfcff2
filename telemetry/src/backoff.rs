//! Pauses between attempts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Doubling pauses with jitter, up to a limit that the caller names each time.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    random: RandomState,
    step: u64,
}

impl Backoff {
    /// The first pause is at most `first`.
    #[must_use]
    pub fn new(first: Duration) -> Self {
        Self {
            first,
            next: first,
            random: RandomState::new(),
            step: 0,
        }
    }

    /// To be called after a success: the next pause is a first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The pause to make now: between half of it and all of it, so that replicas and loops that
    /// failed together do not come back together.
    pub fn pause(&mut self, limit: Duration) -> Duration {
        let full = self.next.min(limit);
        self.next = full.saturating_mul(2).min(limit);
        self.step = self.step.wrapping_add(1);
        let percent = 50 + self.random.hash_one(self.step) % 51;
        full.mul_f64(f64::from(u8::try_from(percent).unwrap_or(100)) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(250);

    #[test]
    fn doubles_up_to_the_limit_and_starts_over() {
        let mut backoff = Backoff::new(FIRST);
        let limit = Duration::from_secs(3);
        for full in [250, 500, 1000, 2000, 3000, 3000].map(Duration::from_millis) {
            let pause = backoff.pause(limit);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause(limit) <= FIRST);
    }

    #[test]
    fn those_that_fail_together_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<_> =
            (0..50).map(|_| Backoff::new(FIRST).pause(FIRST)).collect();
        assert!(pauses.len() > 5, "{pauses:?}");
    }
}
