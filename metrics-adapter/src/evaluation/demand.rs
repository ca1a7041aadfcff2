//! Who polls a query, and when the next poll will come.
//!
//! Pollers are told apart by what they ask for: HPAs that ask for the same metric of the same objects
//! are one, whose polls interleave.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::rhythm::{LONGEST_PERIOD, Rhythm};

/// Pollers of one query that are told apart. With so many, others find an answer that was asked for
/// just before.
const MAX_POLLERS: usize = 1000;

/// A late poll is made good by two in time, and many by so many. One is forgiven: after a new start
/// the controller's polls are all elsewhere in the period, once.
const PER_LATE: u8 = 2;
const FORGIVEN: u8 = PER_LATE;
const MOST: u8 = 8;

/// Whoever asks for the same again and again, told apart by what it asks for.
pub(super) type Poller = u64;

/// The polls of one query.
#[derive(Debug, Default)]
pub(super) struct Demand {
    pollers: HashMap<Poller, Polls, RandomState>,
}

/// The polls of one poller.
#[derive(Debug)]
struct Polls {
    rhythm: Rhythm,
    /// Polls in time that are owed; beyond [`FORGIVEN`] none are expected.
    owed: u8,
}

impl Demand {
    /// Somebody polls now. Tells how late, if it was expected; beyond `tolerance` is too late for
    /// whatever was made ready.
    pub(super) fn polled(
        &mut self,
        poller: Poller,
        now: Instant,
        tolerance: Duration,
    ) -> Option<Duration> {
        if let Some(polls) = self.pollers.get_mut(&poller) {
            return polls.push(now, tolerance);
        }
        if self.pollers.len() < MAX_POLLERS {
            self.pollers.insert(poller, Polls::first(now));
        }
        None
    }

    /// The earliest expected poll after `after` by somebody who comes in time.
    pub(super) fn next(&self, after: Instant) -> Option<Instant> {
        self.expected().filter(|expected| *expected > after).min()
    }

    /// The latest one until `until`.
    pub(super) fn last(&self, until: Instant) -> Option<Instant> {
        self.expected().filter(|expected| *expected <= until).max()
    }

    fn expected(&self) -> impl Iterator<Item = Instant> {
        let punctual = self.pollers.values().filter(|polls| polls.is_punctual());
        punctual.filter_map(|polls| polls.rhythm.expected())
    }

    /// Whether somebody polls often within `span`, at whatever pace.
    pub(super) fn is_frequent(&self, now: Instant, span: Duration) -> bool {
        let mut pollers = self.pollers.values();
        pollers.any(|polls| polls.rhythm.is_frequent(now, span))
    }

    /// Whether it has polled before.
    pub(super) fn knows(&self, poller: Poller) -> bool {
        self.pollers.contains_key(&poller)
    }

    /// Bytes of memory that it takes, of which a hash table may use less than half.
    pub(super) fn bytes(&self) -> usize {
        2 * self.pollers.capacity() * size_of::<(Poller, Polls)>()
    }

    /// Forgets who has not polled for long.
    pub(super) fn forget(&mut self, now: Instant) {
        self.pollers
            .retain(|_, polls| now.duration_since(polls.rhythm.last()) <= LONGEST_PERIOD);
    }

    /// Whether nobody polls.
    pub(super) fn is_empty(&self) -> bool {
        self.pollers.is_empty()
    }
}

impl Polls {
    const fn first(now: Instant) -> Self {
        Self {
            rhythm: Rhythm::first(now),
            owed: 0,
        }
    }

    /// Tells how late the poll is, if it was expected.
    fn push(&mut self, now: Instant, tolerance: Duration) -> Option<Duration> {
        let late = self
            .rhythm
            .regular()
            // Much earlier is another pace, and tells nothing.
            .filter(|expected| expected.saturating_duration_since(now) <= tolerance)
            .map(|expected| now.saturating_duration_since(expected));
        self.owed = match late {
            Some(late) if late > tolerance => (self.owed + PER_LATE).min(MOST),
            Some(_) => self.owed.saturating_sub(1),
            None => self.owed,
        };
        self.rhythm.note(now);
        late
    }

    fn is_punctual(&self) -> bool {
        self.owed <= FORGIVEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pollers_are_told_apart_and_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut demand = Demand::default();
        for (poller, time) in [(1, 0), (2, 4), (1, 15), (2, 19), (1, 30)] {
            demand.polled(poller, at(time), Duration::MAX);
        }
        assert_eq!(demand.next(at(30)), Some(at(34)));
        assert_eq!(demand.next(at(34)), Some(at(45)));
        assert_eq!(demand.next(at(45)), None);
        for (time, left) in [(130, 2), (140, 1), (151, 0)] {
            demand.forget(at(time));
            assert_eq!(demand.pollers.len(), left, "at {time} s");
        }
        assert!(demand.is_empty());
    }

    /// Polls at these seconds: how late each is told to be, and the next one that is expected.
    fn polled_at(polls: &[(u64, Option<u64>, Option<u64>)]) {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let tolerance = Duration::from_secs(4);
        let mut demand = Demand::default();
        for &(time, late, next) in polls {
            let told = demand.polled(1, at(time), tolerance);
            assert_eq!(told, late.map(Duration::from_secs), "at {time} s");
            assert_eq!(demand.next(at(time)), next.map(at), "at {time} s");
        }
    }

    #[test]
    fn who_polls_elsewhere_in_the_period_once_is_expected_a_period_later() {
        polled_at(&[
            (0, None, None),
            // What two polls make believe is nobody's fault.
            (2, None, Some(4)),
            (17, None, None),
            (32, None, Some(47)),
            (47, Some(0), Some(62)),
            // A new start of the controller.
            (69, Some(7), Some(84)),
            // Not two pollers with a period of 37 s.
            (84, None, Some(99)),
            (99, Some(0), Some(114)),
        ]);
    }

    #[test]
    fn whoever_comes_late_again_is_expected_after_two_polls_in_time() {
        polled_at(&[
            (0, None, None),
            (15, None, Some(30)),
            (30, None, Some(45)),
            // What was asked ahead of it is still good.
            (46, Some(1), Some(62)),
            (69, Some(7), Some(85)),
            // Two periods of 23 s, one after the other.
            (92, None, Some(115)),
            (122, Some(7), None),
            (152, None, None),
            (182, Some(0), None),
            (212, Some(0), Some(242)),
        ]);
    }

    #[test]
    fn a_crowd_is_bounded() {
        let start = Instant::now();
        let mut demand = Demand::default();
        for poller in 0..=MAX_POLLERS as u64 {
            demand.polled(poller, start, Duration::MAX);
        }
        assert_eq!(demand.pollers.len(), MAX_POLLERS);
    }
}
