//! When the same will be asked again, learned from when it was asked.
//!
//! The HPA controller asks for each HPA at an even pace (15 s), and all HPAs that read one metric of
//! one namespace ask one question, each at its own moment. So what counts are *rounds*: a round
//! is what follows its first poll so closely that one answer serves all of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::rhythm::{LONGEST_PERIOD, Rhythm};

/// So long somebody who polled is waited for at least: three of the controller's periods.
const PATIENCE: Duration = Duration::from_secs(45);

/// The rounds of one question, by when they began.
#[derive(Debug)]
pub(super) struct Rounds(Rhythm);

impl Rounds {
    /// Somebody asks for the first time.
    pub(super) const fn first(now: Instant) -> Self {
        Self(Rhythm::first(now))
    }

    /// Somebody asks; whether a round begins with that. A round lasts `round`.
    pub(super) fn polled(&mut self, now: Instant, round: Duration) -> bool {
        let interval = now.duration_since(self.began());
        if interval < round {
            return false;
        }
        if interval > LONGEST_PERIOD {
            self.0 = Rhythm::first(now);
        } else {
            self.0.note(now);
        }
        true
    }

    /// When the last round began.
    pub(super) const fn began(&self) -> Instant {
        self.0.last()
    }

    /// From when on a round is expected, and until when it is waited for, which is two of the longest
    /// intervals; `None` if nobody polls. Pollers whose moments are far apart make several rounds in a
    /// period, at uneven intervals: where no pace is to be seen, it may be the shortest of them.
    pub(super) fn expected(&self) -> Option<RangeInclusive<Instant>> {
        let (shortest, longest) = (self.0.intervals().min()?, self.0.intervals().max()?);
        let from = self.0.regular().unwrap_or(self.began() + shortest);
        let until = self.began() + (longest * 2).max(PATIENCE);
        Some(from..=until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(4);

    /// From when to when a round is expected after polls at these milliseconds.
    fn expected(polls: &[u64]) -> Option<(u128, u128)> {
        let start = Instant::now();
        let mut rounds = Rounds::first(start);
        for at in polls {
            rounds.polled(start + Duration::from_millis(*at), ROUND);
        }
        let expected = rounds.expected()?;
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
            (&[15_000, 30_020], Some((45_040, 75_020))),
            // Those who ask soon after belong to the round.
            (&[2_000, 15_000, 17_000, 18_999], Some((30_000, 60_000))),
            // Others, later, are a round of their own.
            (&[6_000, 15_000], Some((21_000, 60_000))),
            (&[4_000, 60_000], Some((64_000, 172_000))),
            // Until the pace of both is to be seen, which ends at once when another one begins.
            (&[6_000, 15_000, 21_000], Some((30_000, 66_000))),
            (
                &[6_000, 15_000, 21_000, 34_000, 49_000, 64_000],
                Some((79_000, 109_000)),
            ),
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
