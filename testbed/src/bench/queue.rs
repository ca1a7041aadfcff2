//! The HPA controller's work queue. Law: pure but for being asked for the time; an HPA waits its
//! period from the end of one sync to its next turn, whatever that sync took.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::plan::SEED;

/// `--horizontal-pod-autoscaler-sync-period`.
pub(crate) const PERIOD: Duration = Duration::from_secs(15);

/// When HPAs have their first turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arrival {
    /// Evenly over a period: HPAs that were created one by one.
    Spread,
    /// All at once: a controller that was just started.
    AtOnce,
}

impl Arrival {
    pub(crate) const ALL: [Self; 2] = [Self::Spread, Self::AtOnce];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread over the period",
            Self::AtOnce => "all at once",
        }
    }
}

/// Who is next, and when; times since the queue began.
#[derive(Debug)]
pub(crate) struct Queue(BinaryHeap<Reverse<(Duration, usize)>>);

impl Queue {
    /// The first turns of so many HPAs, in an order that has nothing to do with their names.
    pub(crate) fn new(count: usize, arrival: Arrival) -> Self {
        let mut order: Vec<usize> = (0..count).collect();
        fastrand::Rng::with_seed(SEED).shuffle(&mut order);
        let turns = order.into_iter().enumerate().map(|(place, hpa)| {
            let due = match arrival {
                Arrival::Spread => PERIOD.mul_f64(place as f64 / count as f64),
                Arrival::AtOnce => Duration::ZERO,
            };
            Reverse((due, hpa))
        });
        Self(turns.collect())
    }

    /// Takes the next turn out: when it is due, and whose it is.
    pub(crate) fn take(&mut self) -> Option<(Duration, usize)> {
        self.0.pop().map(|Reverse(turn)| turn)
    }

    /// The HPA's sync ended now.
    pub(crate) fn put_back(&mut self, hpa: usize, now: Duration) {
        self.0.push(Reverse((now + PERIOD, hpa)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly() {
        let mut queue = Queue::new(30, Arrival::Spread);
        let turns: Vec<Duration> = std::iter::from_fn(|| queue.take())
            .map(|turn| turn.0)
            .collect();
        assert_eq!(turns.len(), 30);
        for (place, due) in turns.iter().enumerate() {
            assert_eq!(
                *due,
                Duration::from_millis(500) * u32::try_from(place).expect("few")
            );
        }
    }

    #[test]
    fn everybody_has_a_turn_at_once() {
        let mut queue = Queue::new(30, Arrival::AtOnce);
        let mut hpas: Vec<usize> = std::iter::from_fn(|| queue.take())
            .map(|(due, hpa)| {
                assert_eq!(due, Duration::ZERO);
                hpa
            })
            .collect();
        hpas.sort_unstable();
        assert_eq!(hpas, (0..30).collect::<Vec<usize>>());
    }

    #[test]
    fn the_next_turn_is_a_period_after_the_end_of_a_sync() {
        let mut queue = Queue::new(2, Arrival::AtOnce);
        let (_, first) = queue.take().expect("two of them");
        queue.put_back(first, Duration::from_secs(3));
        let (due, second) = queue.take().expect("another");
        assert_eq!(due, Duration::ZERO);
        assert_ne!(second, first);
        assert_eq!(queue.take(), Some((Duration::from_secs(18), first)));
    }
}
