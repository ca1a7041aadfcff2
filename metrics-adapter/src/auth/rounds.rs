//! When the same will be asked again, learned from when it was asked.
//!
//! The HPA controller asks for each HPA at an even pace (15 s), and all HPAs that read one metric of
//! one namespace ask one question, each at its own moment. Where these are few, each is expected at
//! its own. Beyond that what counts are *rounds*: a round is what follows its first poll so closely
//! that one answer serves all of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::rhythm::{LONGEST_PERIOD, Rhythm, Times};

/// So long somebody who polled is waited for at least: three of the controller's periods.
const PATIENCE: Duration = Duration::from_secs(45);

/// So many polls are remembered one by one.
const MEMORY: usize = 12;

/// As many pollers are told apart by their moments: each of them came twice at least.
const FEW: usize = 5;

/// Polls are foreseen for so many periods.
const FORESEEN: u32 = 4;

/// The polls of one question.
#[derive(Debug)]
pub(super) struct Rounds {
    polls: Times<MEMORY>,
    /// When rounds began.
    begins: Rhythm,
}

impl Rounds {
    /// Somebody asks for the first time.
    pub(super) const fn first(now: Instant) -> Self {
        Self {
            polls: Times::first(now),
            begins: Rhythm::first(now),
        }
    }

    /// Somebody asks; whether a round begins with that. A round lasts `round`.
    pub(super) fn polled(&mut self, now: Instant, round: Duration) -> bool {
        let interval = now.duration_since(self.began());
        if interval > LONGEST_PERIOD {
            *self = Self::first(now);
            return true;
        }
        self.polls.note(now);
        if interval < round {
            return false;
        }
        self.begins.note(now);
        true
    }

    /// When the last round began.
    pub(super) const fn began(&self) -> Instant {
        self.begins.last()
    }

    /// The polls to come, the soonest first, if all that are remembered are those of a few pollers
    /// with one period.
    pub(super) fn upcoming(&self) -> impl Iterator<Item = Instant> {
        let times = self.polls.all();
        let pollers = (1..=FEW).find(|pollers| keep_pace(times, *pollers));
        pollers.into_iter().flat_map(move |pollers| {
            let (before, latest) = times[times.len() - 2 * pollers..].split_at(pollers);
            let period = latest[0].duration_since(before[0]);
            (1..=FORESEEN).flat_map(move |periods| {
                let later = period * periods;
                latest.iter().map(move |poll| *poll + later)
            })
        })
    }

    /// From when on a round is expected, and until when it is waited for, which is two of the longest
    /// intervals; `None` if nobody polls. Pollers whose moments are far apart make several rounds in a
    /// period, at uneven intervals: where no pace is to be seen, it may be the shortest of them.
    pub(super) fn expected(&self) -> Option<RangeInclusive<Instant>> {
        let intervals = || self.begins.intervals();
        let (shortest, longest) = (intervals().min()?, intervals().max()?);
        let from = self.begins.regular().unwrap_or(self.began() + shortest);
        let until = self.began() + (longest * 2).max(PATIENCE);
        Some(from..=until)
    }
}

/// Whether so many pollers have one period: all of its lengths are equal within a tenth of the mean
/// time from poll to poll, and there are more of them than pollers.
fn keep_pace(times: &[Instant], pollers: usize) -> bool {
    let polls = times.windows(pollers + 1);
    let periods = polls.map(|polls| polls[pollers].duration_since(polls[0]));
    let (Some(shortest), Some(longest)) = (periods.clone().min(), periods.max()) else {
        return false;
    };
    let tolerance = longest.div_f64(10.0 * pollers as f64);
    times.len() > 2 * pollers && longest - shortest <= tolerance
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

    /// The next polls after those at these milliseconds.
    fn upcoming<const N: usize>(polls: &[u64]) -> Vec<u128> {
        let start = Instant::now();
        let at = |poll: &u64| start + Duration::from_millis(*poll);
        let mut rounds = Rounds::first(at(&polls[0]));
        for poll in &polls[1..] {
            rounds.polled(at(poll), ROUND);
        }
        let upcoming = rounds.upcoming().take(N);
        upcoming
            .map(|poll| poll.duration_since(start).as_millis())
            .collect()
    }

    #[test]
    fn few_pollers_are_each_expected_at_their_moments() {
        assert_eq!(upcoming::<2>(&[0, 15_000, 30_010]), [45_020, 60_030]);
        // Two and three of them, when each came twice at least, and one of them once more.
        assert_eq!(
            upcoming::<3>(&[0, 4_000, 15_000, 19_010, 30_000]),
            [34_020, 45_010, 49_030]
        );
        let three = [1_000, 7_100, 9_900, 16_000, 22_100, 24_900, 31_000];
        assert_eq!(upcoming::<4>(&three), [37_100, 39_900, 46_000, 52_100]);
        assert_eq!(upcoming::<9>(&three[..6]), [0; 0]);
        // At once.
        assert_eq!(
            upcoming::<3>(&[0, 0, 15_000, 15_000, 30_000]),
            [30_000, 45_000, 45_000]
        );
    }

    #[test]
    fn without_one_period_no_moment_is_expected() {
        // Once is no pace.
        assert_eq!(upcoming::<1>(&[0]), [0; 0]);
        assert_eq!(upcoming::<1>(&[0, 15_000]), [0; 0]);
        // One poller that moved in its period, also where three of its periods are even.
        let moved = [0, 15_000, 30_000, 50_000, 65_000, 80_000, 95_000, 110_000];
        assert_eq!(upcoming::<1>(&moved), [0; 0]);
        // Six.
        let six =
            (0..30).map(|number| number / 6 * 15_000 + [0, 1, 3, 6, 10, 12][number % 6] * 1000);
        assert_eq!(
            upcoming::<1>(&six.map(|poll| poll as u64).collect::<Vec<_>>()),
            [0; 0]
        );
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
