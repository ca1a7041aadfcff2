//! A bound TCP port, its accept loop and its drain: the same for every listener here.
//!
//! Law: at most [`Limits::connections`] at once, others wait in the kernel's queue; once stopped
//! nothing more is accepted, and connections have [`Limits::drain`] to end before they are cut.
//! What is spoken on a connection is its caller's business.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Pause after an accept error that is not the peer's fault (usually: too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: cannot listen on {address}")]
pub struct Error {
    flag: &'static str,
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound listener that does not serve yet.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    flag: &'static str,
}

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long a drain may take.
    pub drain: Duration,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the limit, and were closed.
    pub cut: usize,
}

impl Listener {
    /// Opens the port; `flag` is the name to give in errors and logs.
    ///
    /// # Errors
    ///
    /// If the address is taken or not ours.
    pub async fn bind(flag: &'static str, address: SocketAddr) -> Result<Self, Error> {
        let fail = |source| Error {
            flag,
            address,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self {
            listener,
            address,
            flag,
        })
    }

    /// The address in use, with the real port if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs `connection` for everyone who connects, until `stop`; it gets `stop` too, in order
    /// to end gracefully. Returns when the last connection has ended or was cut.
    pub async fn serve<F, C>(
        self,
        limits: Limits,
        stop: CancellationToken,
        connection: F,
    ) -> Drained
    where
        F: Fn(TcpStream, SocketAddr, CancellationToken) -> C,
        C: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let mut connections = JoinSet::new();
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                // Finished connections are reaped as they go.
                Some(ended) = connections.join_next() => {
                    self.tell_panic(&ended);
                    continue;
                }
                accepted = accept(&self.listener, &slots) => accepted,
            };
            match accepted {
                Ok((stream, peer, slot)) => {
                    failing = false;
                    let served = connection(stream, peer, stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(listener = self.flag, %error, "cannot accept at the moment");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        let cut = match tokio::time::timeout(limits.drain, drained).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        connections.shutdown().await;
        Drained { cut }
    }
}

impl Listener {
    /// A connection that panicked is lost, and nobody else is: but not in silence.
    fn tell_panic(&self, ended: &Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(listener = self.flag, %error, "a connection panicked");
        }
    }
}

/// Waits for a free slot first: beyond the limit, connections wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// One byte to the peer, then until the peer closes.
    async fn greet(mut stream: TcpStream) {
        let _ = stream.write_all(b"x").await;
        let _ = stream.read(&mut [0]).await;
    }

    async fn mk_listener(limits: Limits) -> (SocketAddr, CancellationToken, JoinSet<Drained>) {
        let listener = Listener::bind("--test-address", ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let (address, stop) = (listener.address(), CancellationToken::new());
        let mut task = JoinSet::new();
        task.spawn(listener.serve(limits, stop.clone(), |stream, _, _| greet(stream)));
        (address, stop, task)
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_a_slot() {
        let limits = Limits {
            connections: 1,
            drain: Duration::ZERO,
        };
        let (address, _stop, _task) = mk_listener(limits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        // Connected by the kernel, but nobody serves it while the first one is open.
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        let unserved = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte));
        assert!(unserved.await.is_err(), "two at once");
        drop(first);
        second.read_exact(&mut [0]).await.unwrap();
    }

    #[tokio::test]
    async fn a_drain_cuts_what_is_left_and_counts_it() {
        let limits = Limits {
            connections: 2,
            drain: Duration::from_millis(10),
        };
        let (address, stop, mut task) = mk_listener(limits).await;
        let mut stays = TcpStream::connect(address).await.unwrap();
        stays.read_exact(&mut [0]).await.unwrap();
        stop.cancel();
        let drained = task.join_next().await.unwrap().unwrap();
        assert_eq!(drained, Drained { cut: 1 });
        assert!(TcpStream::connect(address).await.is_err());
    }
}
