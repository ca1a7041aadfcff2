//! Whose call of Prometheus is next, where only so many may run at once.
//!
//! Laws: while somebody's request waits for its answer, no call begins whose answer is needed
//! later. Calls of that kind hold half of the permits at most, so that a request finds one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many permits, for two classes of calls.
#[derive(Clone)]
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// What calls for later may still take.
    free_for_later: usize,
    requests: VecDeque<Waiter>,
    later: VecDeque<Waiter>,
}

type Waiter = oneshot::Sender<Permit>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Request,
    Later,
}

/// The right to one call; given back when dropped.
pub(super) struct Permit {
    permits: Permits,
    class: Class,
}

impl Permits {
    /// So many, at least one.
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: count,
            free_for_later: (count / 2).max(1),
            requests: VecDeque::new(),
            later: VecDeque::new(),
        })))
    }

    /// For a call that a request waits for.
    pub(super) async fn acquire(&self) -> Permit {
        self.wait(Class::Request).await
    }

    /// For a call whose answer is needed later, or as soon as `awaited` is ready.
    pub(super) async fn acquire_later(&self, awaited: impl Future<Output = ()>) -> Permit {
        tokio::select! {
            biased;
            permit = self.wait(Class::Later) => permit,
            () = awaited => self.acquire().await,
        }
    }

    async fn wait(&self, class: Class) -> Permit {
        let (sender, receiver) = oneshot::channel();
        self.lock().waiters(class).push_back(sender);
        self.hand_out();
        receiver
            .await
            .expect("a waiter stays in its line until it gets a permit")
    }

    fn hand_out(&self) {
        loop {
            let next = self.lock().next();
            let Some((waiter, class)) = next else {
                return;
            };
            // Whoever leaves at this moment gives it back.
            let _left = waiter.send(Permit {
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
    fn waiters(&mut self, class: Class) -> &mut VecDeque<Waiter> {
        match class {
            Class::Request => &mut self.requests,
            Class::Later => &mut self.later,
        }
    }

    /// Takes a permit for whoever is next.
    fn next(&mut self) -> Option<(Waiter, Class)> {
        if self.free == 0 {
            return None;
        }
        if let Some(waiter) = first(&mut self.requests) {
            self.free -= 1;
            return Some((waiter, Class::Request));
        }
        if self.free_for_later == 0 {
            return None;
        }
        let waiter = first(&mut self.later)?;
        self.free -= 1;
        self.free_for_later -= 1;
        Some((waiter, Class::Later))
    }
}

/// The first one who still waits.
fn first(waiters: &mut VecDeque<Waiter>) -> Option<Waiter> {
    while let Some(waiter) = waiters.pop_front() {
        if !waiter.is_closed() {
            return Some(waiter);
        }
    }
    None
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        state.free += 1;
        state.free_for_later += usize::from(self.class == Class::Later);
        drop(state);
        self.permits.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn requests_come_first_whenever_they_come() {
        let permits = Permits::new(1);
        let held = permits.acquire().await;
        let mut later = pin!(permits.acquire_later(pending()));
        let mut promoted = pin!(permits.acquire_later(async { tokio::task::yield_now().await }));
        let mut request = pin!(permits.acquire());
        assert!(poll!(&mut later).is_pending());
        assert!(poll!(&mut promoted).is_pending());
        assert!(poll!(&mut request).is_pending());
        // Somebody waits for it now, behind those who waited before.
        assert!(poll!(&mut promoted).is_pending());
        drop(held);
        assert!(poll!(&mut later).is_pending() && poll!(&mut promoted).is_pending());
        drop(request.await);
        assert!(poll!(&mut later).is_pending());
        drop(promoted.await);
        later.await;
    }

    #[tokio::test]
    async fn half_of_the_permits_are_for_requests() {
        let permits = Permits::new(4);
        let one = permits.acquire_later(pending()).await;
        let _two = permits.acquire_later(pending()).await;
        let mut three = pin!(permits.acquire_later(pending()));
        assert!(poll!(&mut three).is_pending());
        let _requests = (permits.acquire().await, permits.acquire().await);
        drop(one);
        three.await;
    }

    #[tokio::test]
    async fn whoever_leaves_takes_nothing_along() {
        let permits = Permits::new(1);
        let held = permits.acquire().await;
        for _ in 0..3 {
            let mut left = Box::pin(permits.acquire());
            assert!(poll!(&mut left).is_pending());
        }
        let mut served = Box::pin(permits.acquire());
        let mut promoted = Box::pin(permits.acquire_later(ready(())));
        assert!(poll!(&mut served).is_pending());
        assert!(poll!(&mut promoted).is_pending());
        drop(held);
        // It has its permit already, but does not look.
        drop(served);
        drop(promoted.await);
        permits.acquire_later(pending()).await;
        let state = permits.lock();
        assert_eq!((state.free, state.free_for_later), (1, 1));
    }
}
