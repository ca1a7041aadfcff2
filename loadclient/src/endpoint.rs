//! The target's addresses, each with a connection that is kept up in the background.
//!
//! Updated by the driver between two requests (so a connection is never taken away under a
//! request) and by one task per address. Law: requests never wait for a connect that they did not
//! need; an address that failed is tried again after a pause that doubles up to 5 s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{self, Connection};
use crate::rotation::{Choice, Rotation, Standing};

/// A connect that takes longer has failed: in a cluster it takes about a millisecond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The first pause before trying again.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The longest one.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A connection that lived this long ended regularly (GOAWAY at its age): reconnect at once. A
/// shorter one is met with a pause, or a server that closes at once would be flooded.
const STABLE: Duration = Duration::from_millis(500);

/// All endpoints of the target.
#[derive(Debug)]
pub struct Endpoints {
    list: Vec<Endpoint>,
    rotation: Rotation,
    tasks: JoinSet<()>,
    signals: Signals,
}

/// Nothing can take a request.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no address of the target can be connected to")]
pub struct Unreachable;

/// What the tasks tell others.
#[derive(Clone, Debug, Default)]
struct Signals {
    /// To a waiting request: some endpoint's state changed.
    changed: Arc<Notify>,
    /// To the resolver: a connection failed or ended, addresses may have changed.
    lost: Arc<Notify>,
}

#[derive(Debug)]
struct Endpoint {
    address: SocketAddr,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Ready(Connection),
    Failed,
}

impl Endpoints {
    /// No endpoints yet; `lost` is notified when a connection fails or ends.
    #[must_use]
    pub fn new(lost: Arc<Notify>) -> Self {
        let signals = Signals {
            lost,
            ..Signals::default()
        };
        Self {
            list: Vec::new(),
            rotation: Rotation::default(),
            tasks: JoinSet::new(),
            signals,
        }
    }

    /// Whether there is no address at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Starts connecting to new addresses and lets go of those that are gone.
    pub fn update(&mut self, addresses: &[SocketAddr]) {
        self.list.retain(|endpoint| {
            let stays = addresses.contains(&endpoint.address);
            if !stays {
                endpoint.task.abort();
            }
            stays
        });
        // Collects what was aborted, so that the set does not grow.
        while self.tasks.try_join_next().is_some() {}
        for &address in addresses {
            if self.list.iter().all(|endpoint| endpoint.address != address) {
                let (publish, state) = watch::channel(State::Connecting);
                let task = self
                    .tasks
                    .spawn(keep_up(address, publish, self.signals.clone()));
                self.list.push(Endpoint {
                    address,
                    state,
                    task,
                });
            }
        }
        self.list.sort_unstable_by_key(|endpoint| endpoint.address);
    }

    /// The next endpoint's connection in turn; waits while one is about to be there.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] if every address has failed.
    pub async fn pick(&mut self) -> Result<Connection, Unreachable> {
        loop {
            let states: Vec<State> = self
                .list
                .iter()
                .map(|endpoint| endpoint.state.borrow().clone())
                .collect();
            let standings: Vec<Standing> = states.iter().map(State::standing).collect();
            match self.rotation.choose(&standings) {
                Choice::Use(index) => {
                    if let State::Ready(connection) = &states[index] {
                        return Ok(connection.clone());
                    }
                }
                // A change between the look and this wait has left a permit behind.
                Choice::Wait => self.signals.changed.notified().await,
                Choice::Fail => return Err(Unreachable),
            }
        }
    }
}

impl State {
    fn standing(&self) -> Standing {
        match self {
            Self::Ready(connection) if !connection.is_closed() => Standing::Ready,
            // Closed, and its task is about to notice.
            Self::Ready(_) | Self::Connecting => Standing::Pending,
            Self::Failed => Standing::Failed,
        }
    }
}

/// Keeps a connection to one address, for ever.
async fn keep_up(address: SocketAddr, state: watch::Sender<State>, signals: Signals) {
    let set = |new: State| {
        state.send_replace(new);
        signals.changed.notify_one();
    };
    let mut failures = 0;
    loop {
        let error = match timeout(CONNECT_TIMEOUT, connection::open(address)).await {
            Ok(Ok((connection, driver))) => {
                tracing::debug!(%address, "connected");
                let opened = Instant::now();
                set(State::Ready(connection));
                let ended = driver.await;
                tracing::debug!(%address, result = ?ended, "connection ended");
                set(State::Connecting);
                signals.lost.notify_one();
                if opened.elapsed() >= STABLE {
                    failures = 0;
                    continue;
                }
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the connect timed out".to_owned()),
        };
        if let Some(error) = error {
            if failures == 0 {
                tracing::warn!(%address, error, "cannot connect, trying on");
            }
            set(State::Failed);
            signals.lost.notify_one();
        }
        sleep(pause(failures)).await;
        failures += 1;
    }
}

/// 100 ms, doubling up to 5 s.
fn pause(failures: u32) -> Duration {
    MIN_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// Has an address that nobody else gets, and does not listen.
    fn mk_dead() -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses = [0, 1, 5, 6, 100].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [100, 200, 3_200, 5_000, 5_000]);
    }

    #[tokio::test]
    async fn with_every_address_failed_a_request_fails_at_once() {
        let lost = Arc::new(Notify::new());
        let mut endpoints = Endpoints::new(lost.clone());
        let dead = mk_dead();
        endpoints.update(&[dead.local_addr().unwrap()]);
        assert_eq!(endpoints.pick().await.unwrap_err(), Unreachable);
        // The resolver was told.
        lost.notified().await;
    }

    #[tokio::test]
    async fn removed_addresses_are_forgotten() {
        let mut endpoints = Endpoints::new(Arc::default());
        let dead = [mk_dead(), mk_dead()];
        endpoints.update(&dead.each_ref().map(|socket| socket.local_addr().unwrap()));
        assert_eq!(endpoints.list.len(), 2);
        endpoints.update(&[]);
        assert!(endpoints.is_empty());
        assert_eq!(endpoints.pick().await.unwrap_err(), Unreachable);
    }
}
