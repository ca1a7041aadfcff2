//! How busy one connection is: what the idle timeout looks at.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Requests of one connection. Updated by its requests, read by its connection loop.
///
/// Law: a connection with a request in flight is never idle.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    served_any: bool,
    /// When the connection was opened or its last request ended.
    idle_since: Instant,
}

/// One request in flight; ends when dropped.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            in_flight: 0,
            served_any: false,
            idle_since: Instant::now(),
        })))
    }

    pub(super) fn start(&self) -> InFlight {
        self.update(|state| {
            state.in_flight += 1;
            state.served_any = true;
        });
        InFlight(self.clone())
    }

    /// When the connection is to be closed for idleness, as things stand now; `None` while a
    /// request is in flight. A connection gets `first` for its first request and `idle` between
    /// requests.
    pub(super) fn deadline(&self, first: Duration, idle: Duration) -> Option<Instant> {
        self.update(|state| {
            let limit = if state.served_any { idle } else { first };
            (state.in_flight == 0).then(|| state.idle_since + limit)
        })
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // A poisoned lock holds plain numbers: they are as good as before.
        change(
            &mut self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.update(|state| {
            state.in_flight -= 1;
            state.idle_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(300);

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_has_no_deadline() {
        let start = Instant::now();
        let activity = Activity::new();
        assert_eq!(activity.deadline(FIRST, IDLE), Some(start + FIRST));
        let request = activity.start();
        let other = activity.start();
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(activity.deadline(FIRST, IDLE), None);
        drop(request);
        assert_eq!(activity.deadline(FIRST, IDLE), None);
        drop(other);
        assert_eq!(activity.deadline(FIRST, IDLE), Some(Instant::now() + IDLE));
    }
}
