//! How busy one connection is: what the idle timeout looks at, and who gives way to newcomers.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::Place;
use super::room::Idle;

/// Requests of one connection. Updated by its requests, read by its connection loop.
///
/// Law: a connection with a request in flight is never idle. One that is idle stands in line with
/// the others of its kind: the one that has been idle longest is the first to give way. A slow reader
/// is idle too, or it would keep its place for ever; but it has time to finish, see `is_sending`.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// Bodies of answers that are not handed over to the last byte.
    sending: usize,
    served_any: bool,
    /// Whether a request has passed authentication.
    authenticated: bool,
    /// When the connection was opened or its last request ended.
    idle_since: Instant,
    idle: Idle,
    /// Cancelled when the connection has to give way.
    displaced: CancellationToken,
    /// While idle, after the first request.
    place: Option<Place>,
}

/// One request in flight; ends when dropped.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

/// The body of an answer on its way; ends when dropped.
#[derive(Debug)]
pub(super) struct Sending(Activity);

impl Activity {
    /// `displaced` is cancelled when the connection has to give way to a newer one.
    pub(super) fn new(idle: Idle, displaced: CancellationToken) -> Self {
        Self(Arc::new(Mutex::new(State {
            in_flight: 0,
            sending: 0,
            served_any: false,
            authenticated: false,
            idle_since: Instant::now(),
            idle,
            displaced,
            place: None,
        })))
    }

    pub(super) fn start(&self) -> InFlight {
        self.update(|state| {
            state.in_flight += 1;
            state.served_any = true;
            state.place = None;
        });
        InFlight(self.clone())
    }

    pub(super) fn send(&self) -> Sending {
        self.update(|state| state.sending += 1);
        Sending(self.clone())
    }

    /// A request has passed authentication: from now on strangers give way before this connection.
    pub(super) fn authenticated(&self) {
        self.update(|state| state.authenticated = true);
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

    pub(super) fn is_idle(&self) -> bool {
        self.update(|state| state.in_flight == 0)
    }

    /// Whether an answer to somebody who is known is still on its way. (A stranger's answers are
    /// small.)
    pub(super) fn is_sending(&self) -> bool {
        self.update(|state| state.authenticated && state.sending > 0)
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

impl InFlight {
    /// The answer has begun: what is left is to send it.
    pub(super) fn end(self) -> Sending {
        self.0.send()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.update(|state| {
            state.in_flight -= 1;
            state.idle_since = Instant::now();
            if state.in_flight == 0 {
                let line = if state.authenticated {
                    &state.idle.authenticated
                } else {
                    &state.idle.strangers
                };
                state.place = Some(line.join(state.displaced.clone()));
            }
        });
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.update(|state| state.sending -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(300);

    fn mk_activity(idle: &Idle) -> (Activity, CancellationToken) {
        let displaced = CancellationToken::new();
        (Activity::new(idle.clone(), displaced.clone()), displaced)
    }

    #[tokio::test]
    async fn who_is_idle_longest_gives_way() {
        let idle = Idle::default();
        let line = &idle.strangers;
        let connections = [(); 4].map(|()| mk_activity(&idle));
        // The first has asked nothing, the third has asked again since.
        for (activity, _) in &connections[1..] {
            drop(activity.start());
        }
        drop(connections[1].0.start());
        let _in_flight = connections[2].0.start();
        let displaced = || {
            connections
                .each_ref()
                .map(|(_, token)| token.is_cancelled())
        };
        line.displace();
        assert_eq!(displaced(), [false, false, false, true]);
        line.displace();
        assert_eq!(displaced(), [false, true, false, true]);
        line.displace();
        assert_eq!(displaced(), [false, true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_has_no_deadline() {
        let start = Instant::now();
        let activity = mk_activity(&Idle::default()).0;
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
