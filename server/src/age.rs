//! When a connection has lived long enough.
//!
//! A gRPC client keeps its connection for ever, so new pods would get no traffic. At its age a
//! connection is told to move on (GOAWAY); the calls in flight have the grace to finish. Ages
//! differ by up to a tenth, so that clients that came together do not all come back together.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// What a connection is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Age at which it is told to move on; `None` for never.
    pub max_age: Option<Duration>,
    /// Time from then until it is closed, whatever is still in flight.
    pub grace: Duration,
}

impl Policy {
    /// The age of one connection: the maximum with up to 10 % more or less.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        // A hasher's random keys are all the randomness that this needs.
        let random = RandomState::new().hash_one(());
        self.max_age.map(|age| jittered(age, random))
    }
}

/// Maps `random`, evenly distributed, to 90 % to 110 % of `age`, in steps of 0.01 %.
fn jittered(age: Duration, random: u64) -> Duration {
    let ten_thousandths = u32::try_from(9_000 + random % 2_001).unwrap_or(10_000);
    age * ten_thousandths / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let age = Duration::from_secs(30);
        assert_eq!(jittered(age, 0), Duration::from_secs(27));
        assert_eq!(jittered(age, 1_000), age);
        assert_eq!(jittered(age, 2_000), Duration::from_secs(33));
        assert_eq!(jittered(age, 2_001), Duration::from_secs(27));
    }

    #[test]
    fn ages_differ() {
        let policy = Policy {
            max_age: Some(Duration::from_secs(30)),
            grace: Duration::ZERO,
        };
        let ages: std::collections::HashSet<_> = (0..20).map(|_| policy.age()).collect();
        assert!(ages.len() > 1, "{ages:?}");
    }

    #[test]
    fn without_a_maximum_there_is_no_age() {
        assert_eq!(
            Policy {
                max_age: None,
                grace: Duration::ZERO
            }
            .age(),
            None
        );
    }
}
