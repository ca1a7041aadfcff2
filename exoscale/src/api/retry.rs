//! When to ask again: the pauses between attempts, and their end.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::Error;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How often and how fast to ask again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in all, the first one counted.
    pub attempts: u32,
    /// The first pause; each one after it is twice as long.
    pub first_pause: Duration,
}

impl Default for Retry {
    /// Four attempts within about four seconds of pauses: less than the interval of any caller.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(500),
        }
    }
}

impl Retry {
    /// The pause after the failure of attempt number `attempt` (from 1), or `None` to give up.
    pub(super) fn pause(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if attempt >= self.attempts || !worthwhile(error) {
            return None;
        }
        if let Error::Status {
            retry_after: Some(wait),
            ..
        } = error
        {
            // Longer than that, the caller's next round is the better moment.
            return (*wait <= MAX_PAUSE).then_some(*wait);
        }
        let full = self.first_pause * 2u32.saturating_pow(attempt - 1);
        Some(jittered(full.min(MAX_PAUSE)))
    }
}

/// Whether the same question may get another answer.
fn worthwhile(error: &Error) -> bool {
    match error {
        Error::Transport { .. } | Error::Timeout { .. } => true,
        Error::Status { status, .. } => *status == 429 || *status >= 500,
        Error::Garbled { .. } => false,
    }
}

/// Between half of a pause and all of it, so that those who failed together do not come back
/// together. A hasher's random keys are all the randomness that this needs.
fn jittered(full: Duration) -> Duration {
    let percent = 50 + RandomState::new().hash_one(()) % 51;
    full * u32::try_from(percent).unwrap_or(100) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        Error::Status {
            call: "GET x",
            status,
            message: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn pauses_double_and_end() {
        let retry = Retry::default();
        for (attempt, full) in [(1, 500), (2, 1_000), (3, 2_000)] {
            let pause = retry.pause(attempt, &status(503, None)).unwrap();
            let full = Duration::from_millis(full);
            assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
        }
        assert_eq!(retry.pause(4, &status(503, None)), None);
    }

    #[test]
    fn the_api_may_name_the_pause() {
        let retry = Retry::default();
        let pause = retry.pause(1, &status(429, Some(3)));
        assert_eq!(pause, Some(Duration::from_secs(3)));
        assert_eq!(retry.pause(1, &status(429, Some(3_600))), None);
    }

    #[test]
    fn a_refusal_is_final() {
        for refused in [400, 401, 403, 404, 409] {
            assert_eq!(Retry::default().pause(1, &status(refused, None)), None);
        }
    }
}
