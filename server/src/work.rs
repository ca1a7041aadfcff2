//! What one operation costs: time by the clock, or CPU.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest `max_prime` accepted: some seconds of one core. Without a limit one request could
/// occupy a worker for ever.
pub const MAX_PRIME_LIMIT: u64 = 10_000_000;

/// Numbers tested between two looks at the stop flag; well under a millisecond each.
const STOP_CHECK_EVERY: u64 = 1_024;

/// How a worker spends an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Waits for the service time by the clock; costs no CPU, so capacity is exact.
    #[default]
    Delay,
    /// Counts primes up to the request's `max_prime`; burns CPU, so capacity depends on the node.
    Primes,
}

/// Not a work function.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown work {0:?}, expected delay or primes")]
pub struct Unknown(String);

impl FromStr for Work {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "delay" => Ok(Self::Delay),
            "primes" => Ok(Self::Primes),
            other => Err(Unknown(other.to_owned())),
        }
    }
}

/// The number of primes up to and including `max`, or nothing once `stop` is set.
///
/// Trial division on purpose: a sieve would trade the CPU time, which is the point, for memory.
#[must_use]
pub fn count_primes(max: u64, stop: &AtomicBool) -> Option<u64> {
    let mut count = u64::from(max >= 2);
    for number in (3..=max).step_by(2) {
        if number % STOP_CHECK_EVERY == 1 && stop.load(Ordering::Relaxed) {
            return None;
        }
        let mut divisors = (3..)
            .step_by(2)
            .take_while(|divisor| divisor * divisor <= number);
        count += u64::from(divisors.all(|divisor| number % divisor != 0));
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_known_numbers() {
        let stop = AtomicBool::new(false);
        // The prime counting function, OEIS A000720 and A006880.
        let known = [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (10, 4),
            (25, 9),
            (100, 25),
            (10_000, 1_229),
        ];
        for (max, count) in known {
            assert_eq!(count_primes(max, &stop), Some(count), "up to {max}");
        }
    }

    #[test]
    fn stops_when_told() {
        assert_eq!(count_primes(MAX_PRIME_LIMIT, &AtomicBool::new(true)), None);
    }

    #[test]
    fn only_known_work() {
        assert_eq!("delay".parse(), Ok(Work::Delay));
        assert_eq!("primes".parse(), Ok(Work::Primes));
        assert_eq!("sleep".parse::<Work>(), Err(Unknown("sleep".to_owned())));
    }
}
