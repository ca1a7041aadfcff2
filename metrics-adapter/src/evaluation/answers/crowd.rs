//! How much sooner queries ahead of polls begin where many polls come at once.
//!
//! After a new start the controller asks for all HPAs as fast as it gets answers, and each HPA's next
//! poll comes a period after that: what Prometheus answers in some seconds at its best is needed
//! within the same seconds of each period, and the machine idles in between. So queries ahead of
//! polls are levelled: they begin so early that they need not be asked at much more than their mean
//! pace, as far as the freshness bound lets them, and no earlier than slow queries would have to.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Polls are counted by time slots.
const SLOT: Duration = Duration::from_millis(50);

/// Polls so far ahead make the mean pace; a burst is followed so far.
const HORIZON: Duration = Duration::from_secs(10);

/// The pace of queries ahead of polls, in multiples of their mean.
const PACE: f64 = 1.25;

/// Few polls need no levelling: no query is reckoned to take longer than so many times what it
/// usually does, one after the other.
const SLOW: u32 = 3;

/// A poll whose query can be asked with others counts for less than one: for so many parts.
const PARTS: u32 = 64;

/// The polls that queries are to be ahead of.
#[derive(Debug)]
pub(super) struct Crowd {
    epoch: Instant,
    /// How many parts there are in each slot after `epoch`.
    slots: BTreeMap<u128, u32>,
}

/// A poll in the crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    at: Instant,
    parts: u32,
}

impl Member {
    /// A poll whose query `together` polls may share.
    pub(super) fn new(at: Instant, together: usize) -> Self {
        let together = u32::try_from(together.max(1)).unwrap_or(u32::MAX);
        Self {
            at,
            parts: (PARTS / together).max(1),
        }
    }

    pub(super) const fn is_alone(&self) -> bool {
        self.parts == PARTS
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            slots: BTreeMap::new(),
        }
    }
}

impl Crowd {
    /// The poll of one query is expected at another time than before.
    pub(super) fn moves(&mut self, before: Option<Member>, after: Option<Member>) {
        if let Some(after) = after {
            *self.slots.entry(self.slot(after.at)).or_default() += after.parts;
        }
        if let Some(before) = before {
            let slot = self.slot(before.at);
            if let Some(parts) = self.slots.get_mut(&slot) {
                *parts -= before.parts;
                if *parts == 0 {
                    self.slots.remove(&slot);
                }
            }
        }
    }

    /// How long before `poll` its query begins, for it and all that are due after it to be in time
    /// at an even pace. Queries usually take `usual`.
    pub(super) fn head_start(&self, poll: Instant, usual: Duration, now: Instant) -> Duration {
        let each = self.interval(now).min(usual * SLOW);
        let mut work = Duration::ZERO;
        let mut longest = Duration::ZERO;
        let first = self.slot(poll);
        for (slot, parts) in self.near(poll) {
            work = work.saturating_add(each.saturating_mul(*parts) / PARTS);
            let until = SLOT * u32::try_from(slot - first).unwrap_or(u32::MAX);
            longest = longest.max(work.saturating_sub(until));
        }
        longest
    }

    /// From one query ahead of a poll to the next one.
    fn interval(&self, now: Instant) -> Duration {
        let parts: u32 = self.near(now).map(|(_, parts)| parts).sum();
        HORIZON.div_f64(PACE * f64::from(parts.max(PARTS)) / f64::from(PARTS))
    }

    /// The slots from `from` on, as far as is looked.
    fn near(&self, from: Instant) -> impl Iterator<Item = (&u128, &u32)> {
        let first = self.slot(from);
        let last = first + HORIZON.as_nanos() / SLOT.as_nanos();
        self.slots.range(first..=last)
    }

    fn slot(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.epoch).as_nanos() / SLOT.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With polls at these milliseconds: how long before the first one its query begins, where
    /// queries take 10 ms.
    fn head_start(polls: impl IntoIterator<Item = u64>) -> u128 {
        head_start_together(polls, 1)
    }

    /// Likewise, where so many polls may share a query.
    fn head_start_together(polls: impl IntoIterator<Item = u64>, together: usize) -> u128 {
        let mut crowd = Crowd::default();
        let at = |poll| crowd.epoch + Duration::from_millis(poll);
        let now = at(0);
        let polls: Vec<Instant> = polls.into_iter().map(at).collect();
        for poll in &polls {
            crowd.moves(None, Some(Member::new(*poll, together)));
        }
        let usual = Duration::from_millis(10);
        let first = crowd.head_start(polls[0], usual, now).as_millis();
        for poll in polls {
            crowd.moves(Some(Member::new(poll, together)), None);
        }
        assert!(crowd.slots.is_empty(), "{crowd:?}");
        first
    }

    #[test]
    fn few_polls_have_the_time_of_slow_queries() {
        assert_eq!(head_start([4_000]), 30);
        assert_eq!(head_start([4_000; 20]), 600);
    }

    #[test]
    fn polls_at_an_even_pace_have_the_time_of_one_interval() {
        // 100 a second, of which 125 are asked at most.
        assert_eq!(head_start((0..1_000).map(|poll| poll * 10)), 40);
    }

    #[test]
    fn a_burst_begins_as_early_as_its_work_is_long_at_an_even_pace() {
        assert_eq!(head_start([4_000; 1_000]), 8_000);
        // Those before it too.
        assert_eq!(head_start([3_000].into_iter().chain([4_000; 999])), 7_000);
        // It takes five seconds by itself.
        assert_eq!(head_start((0..1_000).map(|poll| 4_000 + poll * 5)), 3_050);
        // As long as a query is for more of them.
        assert_eq!(head_start_together([4_000; 1_000], 32), 937);
        // What comes after the horizon is for later.
        assert_eq!(head_start([1_000].into_iter().chain([12_000; 9_000])), 30);
    }
}
