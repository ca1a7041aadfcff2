//! When the next poll of a query will come, learned from the polls that came.
//!
//! The HPA controller polls each HPA's metrics at an even pace (`--horizontal-pod-autoscaler-
//! sync-period`, 15 s, plus the time that a round takes). HPAs that ask for the same metric of the
//! same objects cannot be told apart: their polls interleave, and repeat as a group.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// How many polls of one poller are remembered: seven tell up to five interleaved ones apart.
const MEMORY: usize = 7;

/// Slower than this is no polling.
pub(super) const LONGEST_PERIOD: Duration = Duration::from_secs(120);

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
    pollers: HashMap<Poller, Polls>,
}

/// The last polls of one poller, the newest at the end.
#[derive(Debug)]
pub(super) struct Polls {
    times: [Instant; MEMORY],
    count: usize,
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
        let punctual = self.pollers.values().filter(|polls| polls.owed <= FORGIVEN);
        let expected = punctual.filter_map(Polls::expected);
        expected.filter(|expected| *expected > after).min()
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
            .retain(|_, polls| now.duration_since(polls.last()) <= LONGEST_PERIOD);
    }

    /// Whether nobody polls.
    pub(super) fn is_empty(&self) -> bool {
        self.pollers.is_empty()
    }
}

impl Polls {
    pub(super) const fn first(now: Instant) -> Self {
        Self {
            times: [now; MEMORY],
            count: 1,
            owed: 0,
        }
    }

    /// Tells how late the poll is, if it was expected.
    pub(super) fn push(&mut self, now: Instant, tolerance: Duration) -> Option<Duration> {
        let late = self
            .regular()
            // Much earlier is another pace, and tells nothing.
            .filter(|expected| expected.saturating_duration_since(now) <= tolerance)
            .map(|expected| now.saturating_duration_since(expected));
        self.owed = match late {
            Some(late) if late > tolerance => (self.owed + PER_LATE).min(MOST),
            Some(_) => self.owed.saturating_sub(1),
            None => self.owed,
        };
        self.note(now);
        late
    }

    /// A poll, however late.
    pub(super) fn note(&mut self, now: Instant) {
        self.times.rotate_left(1);
        self.times[MEMORY - 1] = now;
        self.count = (self.count + 1).min(MEMORY);
    }

    pub(super) fn last(&self) -> Instant {
        self.times[MEMORY - 1]
    }

    /// How many interleaved pollers the last polls show, and their period: with `apart` of them,
    /// poll and poll before `apart` others are one period apart, twice in a row.
    pub(super) fn pattern(&self) -> Option<(usize, Duration)> {
        let times = self.times();
        (1..self.count.saturating_sub(1)).find_map(|apart| {
            let period = |last: usize| times[last].duration_since(times[last - apart]);
            let (latest, before) = (period(self.count - 1), period(self.count - 2));
            is_even(latest, before).then_some((apart, latest))
        })
    }

    /// The next poll: by the pattern that the last ones make, or by the only two that there are,
    /// which is but a guess.
    fn expected(&self) -> Option<Instant> {
        let times = self.times();
        let guess = || (self.count == 2).then(|| times[1].duration_since(times[0]));
        self.regular().or_else(|| self.next(1, guess()?))
    }

    /// The next poll, when the last ones make a pattern.
    fn regular(&self) -> Option<Instant> {
        let (apart, period) = self.pattern()?;
        self.next(apart, period)
    }

    /// One period after the poll before `apart` others.
    fn next(&self, apart: usize, period: Duration) -> Option<Instant> {
        (period <= LONGEST_PERIOD).then(|| self.times()[self.count - apart] + period)
    }

    /// The last polls, the newest at the end.
    fn times(&self) -> &[Instant] {
        &self.times[MEMORY - self.count..]
    }
}

/// Whether two periods are about the same: within a tenth.
fn is_even(a: Duration, b: Duration) -> bool {
    a.abs_diff(b) <= a.max(b) / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is expected after polls at these milliseconds, if anything.
    fn expected(polls: &[u64]) -> Option<u64> {
        let start = Instant::now();
        let mut demand = Demand::default();
        for at in polls {
            demand.polled(1, start + Duration::from_millis(*at), Duration::MAX);
        }
        let next = demand.next(start)?;
        u64::try_from(next.duration_since(start).as_millis()).ok()
    }

    #[test]
    fn an_even_pace_goes_on() {
        for (polls, next) in [
            (&[0][..], None),
            (&[0, 15_000], Some(30_000)),
            (&[0, 15_000, 30_020], Some(45_040)),
            // Two pollers, three pollers.
            (&[0, 4_000, 15_000, 19_010, 30_000], Some(34_010)),
            (&[0, 1_000, 5_000, 15_000, 16_000], Some(20_000)),
            // After a pause, from the new polls on.
            (&[0, 15_000, 30_000, 95_000], None),
            (
                &[0, 15_000, 30_000, 95_000, 110_000, 125_000],
                Some(140_000),
            ),
            // No pattern, or none that is worth it.
            (&[0, 1_000, 8_000, 9_500, 30_000], None),
            (&[0, 130_000], None),
        ] {
            assert_eq!(expected(polls), next, "{polls:?}");
        }
    }

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
    fn who_polls_elsewhere_in_the_period_once_is_expected_as_soon_as_it_is_even() {
        polled_at(&[
            (0, None, None),
            // What two polls make believe is nobody's fault.
            (2, None, Some(4)),
            (17, None, None),
            (32, None, Some(47)),
            (47, Some(0), Some(62)),
            // A new start of the controller.
            (69, Some(7), None),
            // Two pollers, 22 s apart?
            (84, None, Some(106)),
            (99, None, Some(114)),
            (114, Some(0), Some(129)),
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
            (69, Some(7), None),
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
