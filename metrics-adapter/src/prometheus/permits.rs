//! Whose call of Prometheus is next, where only so many may run at once.
//!
//! Laws: what somebody's request waits for goes first, then what is asked ahead of polls, then
//! series queries. Calls of the two later classes hold half of the permits at most, series queries
//! a quarter, so that a request finds one; either share is at least one permit. A series query that
//! has waited for long goes next within its share: without that a busy adapter would never learn
//! of new metrics.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody's request waits for it.
    Request,
    /// A request is expected that will need it.
    Ahead,
    /// The list of metrics.
    Series,
}

/// So many permits.
#[derive(Clone)]
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    count: usize,
    /// After so long a series query goes next.
    patience: Duration,
    /// By class.
    held: [usize; 3],
    lines: [VecDeque<Waiter>; 3],
}

struct Waiter {
    since: Instant,
    sender: oneshot::Sender<Permit>,
}

/// The right to one call; given back when dropped.
pub(super) struct Permit {
    permits: Permits,
    class: Class,
}

impl Permits {
    /// So many, at least one; series queries wait for `patience` behind all others.
    pub(super) fn new(count: usize, patience: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            count,
            patience,
            held: [0; 3],
            lines: Default::default(),
        })))
    }

    /// For one call, when its turn comes.
    pub(super) async fn acquire(&self, class: Class) -> Permit {
        let (sender, receiver) = oneshot::channel();
        let since = Instant::now();
        self.lock().lines[class as usize].push_back(Waiter { since, sender });
        self.hand_out();
        receiver
            .await
            .expect("a waiter stays in its line until it gets a permit")
    }

    fn hand_out(&self) {
        loop {
            let next = self.lock().next(Instant::now());
            let Some((waiter, class)) = next else {
                return;
            };
            // Whoever leaves at this moment gives it back.
            let _left = waiter.sender.send(Permit {
                permits: self.clone(),
                class,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock leaves the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a permit for whoever is next.
    fn next(&mut self, now: Instant) -> Option<(Waiter, Class)> {
        for line in &mut self.lines {
            while line
                .pop_front_if(|first| first.sender.is_closed())
                .is_some()
            {}
        }
        let first = self.lines[Class::Series as usize].front();
        let is_due = first.is_some_and(|first| now - first.since >= self.patience);
        let order = if is_due {
            [Class::Series, Class::Request, Class::Ahead]
        } else {
            [Class::Request, Class::Ahead, Class::Series]
        };
        order.into_iter().find_map(|class| {
            let may_begin = self.has_room(class);
            let line = &mut self.lines[class as usize];
            let waiter = may_begin.then(|| line.pop_front()).flatten()?;
            self.held[class as usize] += 1;
            Some((waiter, class))
        })
    }

    /// Whether one more call of a class may run.
    fn has_room(&self, class: Class) -> bool {
        let share = |part: usize| (self.count / part).max(1);
        let [requests, ahead, series] = self.held;
        let later = ahead + series;
        requests + later < self.count
            && (class == Class::Request || later < share(2))
            && (class != Class::Series || series < share(4))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.lock().held[self.class as usize] -= 1;
        self.permits.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn mk_permits(count: usize) -> Permits {
        Permits::new(count, PATIENCE)
    }

    #[tokio::test]
    async fn the_classes_have_an_order() {
        let permits = mk_permits(1);
        let held = permits.acquire(Class::Request).await;
        let mut series = pin!(permits.acquire(Class::Series));
        let mut ahead = pin!(permits.acquire(Class::Ahead));
        let mut request = pin!(permits.acquire(Class::Request));
        assert!(poll!(&mut series).is_pending());
        assert!(poll!(&mut ahead).is_pending());
        assert!(poll!(&mut request).is_pending());
        drop(held);
        assert!(poll!(&mut series).is_pending() && poll!(&mut ahead).is_pending());
        drop(request.await);
        assert!(poll!(&mut series).is_pending());
        drop(ahead.await);
        series.await;
    }

    #[tokio::test]
    async fn each_class_has_its_share() {
        let permits = mk_permits(8);
        let mut series = Vec::new();
        for _ in 0..2 {
            series.push(permits.acquire(Class::Series).await);
        }
        let mut third = pin!(permits.acquire(Class::Series));
        assert!(poll!(&mut third).is_pending());
        let ahead = permits.acquire(Class::Ahead).await;
        let _ahead = permits.acquire(Class::Ahead).await;
        let mut beyond = pin!(permits.acquire(Class::Ahead));
        assert!(poll!(&mut beyond).is_pending());
        let mut requests = Vec::new();
        for _ in 0..4 {
            requests.push(permits.acquire(Class::Request).await);
        }
        let mut late = pin!(permits.acquire(Class::Request));
        assert!(poll!(&mut late).is_pending());
        // A place of the later classes is anybody's; what a series query leaves is not only theirs.
        drop(ahead);
        assert!(poll!(&mut beyond).is_pending());
        let late = late.await;
        series.pop();
        assert!(poll!(&mut third).is_pending());
        drop(beyond.await);
        drop((late, requests));
        third.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_of_requests_without_end_does_not_keep_series_waiting() {
        for count in [1, 2, 8] {
            let permits = mk_permits(count);
            let mut series = pin!(permits.acquire(Class::Series));
            // Two for each permit: one holds it, the other one waits.
            let busy = async {
                let request = async || {
                    loop {
                        let _permit = permits.acquire(Class::Request).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                };
                futures::future::join_all((0..2 * count).map(|_| request())).await;
            };
            let began = Instant::now();
            let test = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let _permit = tokio::time::timeout(PATIENCE * 2, &mut series).await;
                began.elapsed()
            };
            let waited = tokio::select! {
                _ = busy => unreachable!("requests have no end"),
                waited = test => waited,
            };
            // Behind them as long as it can wait, and then the next one.
            assert!(waited >= PATIENCE, "{count}: {waited:?}");
            assert!(waited < PATIENCE + Duration::from_millis(300), "{waited:?}");
        }
    }

    #[tokio::test]
    async fn whoever_leaves_takes_nothing_along() {
        let permits = mk_permits(1);
        let held = permits.acquire(Class::Request).await;
        for class in [Class::Request, Class::Ahead, Class::Series] {
            let mut left = Box::pin(permits.acquire(class));
            assert!(poll!(&mut left).is_pending());
        }
        let mut served = Box::pin(permits.acquire(Class::Request));
        let mut next = Box::pin(permits.acquire(Class::Ahead));
        assert!(poll!(&mut served).is_pending() && poll!(&mut next).is_pending());
        drop(held);
        // It has its permit already, but does not look.
        drop(served);
        drop(next.await);
        permits.acquire(Class::Series).await;
        assert_eq!(permits.lock().held, [0; 3]);
    }
}
