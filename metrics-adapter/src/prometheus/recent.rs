//! How many calls the last minute had, second by second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Seconds that are looked back on.
const SECONDS: usize = 60;

/// The calls of the last minute, or since the start if that is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Calls that have ended.
    pub ended: u64,
    /// Of those, the ones without a usable answer.
    pub failed: u64,
    /// The time that this is about; 1 s at least.
    pub over: Duration,
}

/// Counts calls by the second in which they end.
#[derive(Debug)]
pub(super) struct Recent {
    start: Instant,
    /// By the second's number modulo their number.
    seconds: Mutex<[Second; SECONDS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Counted from the start.
    number: u64,
    ended: u64,
    failed: u64,
}

impl Recent {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            seconds: Mutex::new([Second::default(); SECONDS]),
        }
    }

    pub(super) fn called(&self, is_ok: bool) {
        let number = self.start.elapsed().as_secs();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        // Less than the number of seconds, which is a `usize`.
        #[allow(clippy::cast_possible_truncation)]
        let second = &mut seconds[(number % SECONDS as u64) as usize];
        if second.number != number {
            *second = Second {
                number,
                ..Second::default()
            };
        }
        second.ended += 1;
        second.failed += u64::from(!is_ok);
    }

    pub(super) fn calls(&self) -> Calls {
        let elapsed = self.start.elapsed();
        let number = elapsed.as_secs();
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seconds
            .iter()
            .filter(|second| number - second.number < SECONDS as u64);
        let (ended, failed) = recent.fold((0, 0), |(ended, failed), second| {
            (ended + second.ended, failed + second.failed)
        });
        Calls {
            ended,
            failed,
            over: elapsed.clamp(Duration::from_secs(1), Duration::from_secs(SECONDS as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_last_minute_counts() {
        let recent = Recent::start();
        let mk_calls = |ended, failed, seconds| Calls {
            ended,
            failed,
            over: Duration::from_secs(seconds),
        };
        assert_eq!(recent.calls(), mk_calls(0, 0, 1));
        recent.called(true);
        recent.called(false);
        assert_eq!(recent.calls(), mk_calls(2, 1, 1));
        tokio::time::advance(Duration::from_secs(40)).await;
        recent.called(true);
        assert_eq!(recent.calls(), mk_calls(3, 1, 40));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(recent.calls(), mk_calls(1, 0, 60));
        // The same place in the ring as the call of 40 s.
        tokio::time::advance(Duration::from_secs(30)).await;
        recent.called(false);
        assert_eq!(recent.calls(), mk_calls(1, 1, 60));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(recent.calls(), mk_calls(0, 0, 60));
    }
}
