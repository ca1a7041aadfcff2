//! When the same will be asked again, learned from when it was asked.
//!
//! The HPA controller asks for each HPA at an even pace (15 s), and all HPAs that read one metric of
//! one namespace ask one question, each at its own moment. So what counts are *rounds*: a round
//! is what follows its first poll so closely that one answer serves all of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

/// Rounds further apart than this are no polling.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(120);

/// Intervals that are remembered. Pollers whose moments are far apart make several rounds in a
/// period, at uneven intervals.
const MEMORY: usize = 6;

/// So long somebody who polled is waited for at least: three of the controller's periods.
const PATIENCE: Duration = Duration::from_secs(45);

/// The rounds of one question.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the last round began.
    began: Instant,
    /// From the beginning of a round to that of the next, the newest first.
    intervals: [Option<Duration>; MEMORY],
}

impl Pace {
    /// Somebody asks for the first time.
    pub(super) const fn first(now: Instant) -> Self {
        Self {
            began: now,
            intervals: [None; MEMORY],
        }
    }

    /// Somebody asks; whether a round begins with that. A round lasts `round`.
    pub(super) fn polled(&mut self, now: Instant, round: Duration) -> bool {
        let interval = now.duration_since(self.began);
        if interval < round {
            return false;
        }
        self.began = now;
        if interval > LONGEST_INTERVAL {
            self.intervals = [None; MEMORY];
        } else {
            self.intervals.rotate_right(1);
            self.intervals[0] = Some(interval);
        }
        true
    }

    /// When the last round began.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// From when on a round is expected, which is after the shortest of the intervals, and until
    /// when it is waited for, which is two of the longest; `None` if nobody polls.
    pub(super) fn expected(&self) -> Option<RangeInclusive<Instant>> {
        let intervals = self.intervals.iter().flatten();
        let (shortest, longest) = (*intervals.clone().min()?, *intervals.max()?);
        let until = self.began + (longest * 2).max(PATIENCE);
        Some(self.began + shortest..=until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(4);

    /// From when to when a round is expected after polls at these milliseconds.
    fn expected(polls: &[u64]) -> Option<(u128, u128)> {
        let start = Instant::now();
        let mut pace = Pace::first(start);
        for at in polls {
            pace.polled(start + Duration::from_millis(*at), ROUND);
        }
        let expected = pace.expected()?;
        let after = |at: &Instant| at.duration_since(start).as_millis();
        Some((after(expected.start()), after(expected.end())))
    }

    #[test]
    fn an_even_pace_goes_on() {
        for (polls, next) in [
            // Once is no pace, and neither is one round.
            (&[][..], None),
            (&[1_000, 3_999], None),
            (&[15_000], Some((30_000, 60_000))),
            (&[15_000, 30_020], Some((45_020, 75_020))),
            // Those who ask soon after belong to the round.
            (&[2_000, 15_000, 17_000, 18_999], Some((30_000, 60_000))),
            // Others, later, are a round of their own.
            (&[6_000, 15_000], Some((21_000, 60_000))),
            (&[4_000, 60_000], Some((64_000, 172_000))),
            // One that is left out is an exception.
            (&[15_000, 45_000], Some((60_000, 105_000))),
            // Too slow, and after that anew.
            (&[120_000], Some((240_000, 360_000))),
            (&[120_001], None),
            (&[15_000, 155_000], None),
            (&[15_000, 155_000, 170_000], Some((185_000, 215_000))),
        ] {
            assert_eq!(expected(polls), next, "{polls:?}");
        }
    }
}
