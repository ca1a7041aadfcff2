//! Pauses between attempts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(250);

/// Doubling pauses with jitter, up to a limit that the caller names each time.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    random: RandomState,
    step: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            random: RandomState::new(),
            step: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The pause to make now: between half of it and all of it, so that replicas and watches
    /// that failed together do not come back together.
    pub(super) fn pause(&mut self, limit: Duration) -> Duration {
        let full = self.next.min(limit);
        self.next = (full * 2).min(limit);
        self.step = self.step.wrapping_add(1);
        let percent = 50 + self.random.hash_one(self.step) % 51;
        full.mul_f64(f64::from(u8::try_from(percent).unwrap_or(100)) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_starts_over() {
        let mut backoff = Backoff::new();
        let limit = Duration::from_secs(3);
        for full in [250, 500, 1000, 2000, 3000, 3000].map(Duration::from_millis) {
            let pause = backoff.pause(limit);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause(limit) <= FIRST);
    }
}
