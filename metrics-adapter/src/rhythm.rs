//! When something will come again, learned from when it came.
//!
//! The HPA controller polls each HPA's metrics at an even pace (`--horizontal-pod-autoscaler-
//! sync-period`, 15 s, plus the time that a round takes). Pollers that cannot be told apart
//! interleave, and repeat as a group.

use std::time::Duration;

use tokio::time::Instant;

/// How many polls are remembered: seven tell up to five interleaved pollers apart.
const MEMORY: usize = 7;

/// Slower than this is no polling.
pub(crate) const LONGEST_PERIOD: Duration = Duration::from_secs(120);

/// Polls at an even pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one poll to the next one of the same poller.
    pub period: Duration,
    /// Interleaved pollers.
    pub pollers: usize,
}

/// The last times, so many at most.
#[derive(Debug)]
pub(crate) struct Times<const MOST: usize> {
    /// The newest at the end, of which so many count.
    times: [Instant; MOST],
    count: usize,
}

impl<const MOST: usize> Times<MOST> {
    pub(crate) const fn first(now: Instant) -> Self {
        Self {
            times: [now; MOST],
            count: 1,
        }
    }

    pub(crate) fn note(&mut self, now: Instant) {
        self.times.rotate_left(1);
        self.times[MOST - 1] = now;
        self.count = (self.count + 1).min(MOST);
    }

    pub(crate) const fn last(&self) -> Instant {
        self.times[MOST - 1]
    }

    /// The newest at the end.
    pub(crate) fn all(&self) -> &[Instant] {
        &self.times[MOST - self.count..]
    }
}

/// The last polls.
#[derive(Debug)]
pub(crate) struct Rhythm {
    times: Times<MEMORY>,
    /// What pace they kept last, and whether the newest one keeps it.
    pace: Option<Pace>,
    is_regular: bool,
}

impl Rhythm {
    pub(crate) const fn first(now: Instant) -> Self {
        Self {
            times: Times::first(now),
            pace: None,
            is_regular: false,
        }
    }

    /// It comes again.
    pub(crate) fn note(&mut self, now: Instant) {
        self.times.note(now);
        let found = self.continued().or_else(|| self.repeated());
        self.is_regular = found.is_some();
        // One poller that comes elsewhere in its period, or somebody else once, changes no period.
        let single = self.pace.filter(|pace| pace.pollers == 1);
        self.pace = found.or(single);
    }

    pub(crate) const fn last(&self) -> Instant {
        self.times.last()
    }

    /// The pace of the last polls.
    pub(crate) fn pace(&self) -> Option<Pace> {
        self.pace.filter(|_| self.is_regular)
    }

    /// The pace before, if the last poll keeps it.
    fn continued(&self) -> Option<Pace> {
        let before = self.pace?;
        let latest = self.latest(before.pollers, 0)?;
        is_even(latest.period, before.period).then_some(latest)
    }

    /// A new one: with so many pollers, poll and poll before are one period apart, twice in a row.
    /// One poll alone that is out of the pace of one poller does not make it one of several.
    fn repeated(&self) -> Option<Pace> {
        let most = match self.pace() {
            Some(Pace { pollers: 1, .. }) => 1,
            _ => self.times.all().len(),
        };
        (1..=most).find_map(|pollers| {
            let (latest, before) = (self.latest(pollers, 0)?, self.latest(pollers, 1)?);
            is_even(latest.period, before.period).then_some(latest)
        })
    }

    /// What so many pollers have for a pace by the last poll of one of them, leaving out the newest
    /// so many polls.
    fn latest(&self, pollers: usize, newest: usize) -> Option<Pace> {
        let mut polls = self.times.all().iter().rev().skip(newest);
        let (last, before) = (polls.next()?, polls.nth(pollers - 1)?);
        let period = last.duration_since(*before);
        Some(Pace { period, pollers })
    }

    /// The next poll: by the pace that the last ones keep or kept, or by the only two that there
    /// are, which is but a guess.
    pub(crate) fn expected(&self) -> Option<Instant> {
        let guess = || self.latest(1, 0).filter(|_| self.times.all().len() == 2);
        self.next(self.pace.or_else(guess)?)
    }

    /// The next poll, when the last ones keep a pace.
    pub(crate) fn regular(&self) -> Option<Instant> {
        self.next(self.pace()?)
    }

    /// One period after the last poll of whose turn it is.
    fn next(&self, Pace { period, pollers }: Pace) -> Option<Instant> {
        let times = self.times.all();
        (period <= LONGEST_PERIOD).then(|| times[times.len() - pollers] + period)
    }

    /// Whether it came four times within `span` lately, on average, at whatever pace, and goes on.
    pub(crate) fn is_frequent(&self, now: Instant, span: Duration) -> bool {
        let times = self.times.all();
        // Six intervals, of a quarter of it.
        times.len() == MEMORY
            && self.last().duration_since(times[0]) * 2 <= span * 3
            && now.duration_since(self.last()) * 2 <= span
    }

    /// From one poll to the next, the oldest first.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Duration> {
        let pairs = self.times.all().windows(2);
        pairs.map(|pair| pair[1].duration_since(pair[0]))
    }
}

/// Whether two periods are about the same: within a tenth.
fn is_even(a: Duration, b: Duration) -> bool {
    a.abs_diff(b) <= a.max(b) / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_often_is_expected_until_it_stays_away() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let span = Duration::from_secs(4);
        let polls = |times: [u64; 7]| {
            let mut rhythm = Rhythm::first(at(times[0]));
            for (count, time) in times.iter().enumerate().skip(1) {
                assert!(!rhythm.is_frequent(at(*time), span), "{count} polls");
                rhythm.note(at(*time));
            }
            rhythm
        };
        let uneven = polls([0, 10, 2_500, 2_600, 4_000, 4_500, 6_000]);
        assert!(uneven.is_frequent(at(6_000), span));
        assert!(uneven.is_frequent(at(8_000), span));
        assert!(!uneven.is_frequent(at(8_001), span));
        let slower = polls([0, 10, 2_500, 2_600, 4_000, 4_500, 6_001]);
        assert!(!slower.is_frequent(at(6_001), span));
    }

    /// What is expected after polls at these milliseconds, if anything.
    fn expected(polls: &[u64]) -> Option<u64> {
        let start = Instant::now();
        let at = |poll: &u64| start + Duration::from_millis(*poll);
        let mut rhythm = Rhythm::first(at(&polls[0]));
        for poll in &polls[1..] {
            rhythm.note(at(poll));
        }
        let next = rhythm.expected()?;
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
            // After a pause, from the new poll on.
            (&[0, 15_000, 30_000, 95_000], Some(110_000)),
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
}
