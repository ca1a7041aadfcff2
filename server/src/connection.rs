//! The gRPC listener: accepts connections, ages them, drains them.
//!
//! Tonic's own server is not used because its `max_connection_age_grace` (0.14.9) cuts connections
//! without ever sending GOAWAY, which fails the calls in flight. Law of every connection: GOAWAY
//! at its age or when the listener drains; calls in flight then go on; it closes with the last of
//! them, or when its grace (at the age) or the drain's limit is over.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::age::Policy;
use crate::metric::Metrics;

/// Pings a silent peer, so that connections of vanished nodes do not stay.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long such a peer may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

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
}

/// What a listener serves, and how.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The services.
    pub routes: Routes,
    /// How old a connection may get.
    pub policy: Policy,
    /// How long a drain may take.
    pub drain_limit: Duration,
    /// Counts connections.
    pub metrics: Metrics,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had calls in flight at the limit, and were closed.
    pub cut: usize,
}

/// Runs a connection's streams on a tracker instead of as detached tasks.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

impl Listener {
    /// Opens the port; `flag` is the name to give in an error.
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
        Ok(Self { listener, address })
    }

    /// The address in use, with the real port if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `drain`, then sends GOAWAY on every connection and returns when the last one
    /// is closed.
    pub async fn serve(self, serving: Serving, drain: CancellationToken) -> Drained {
        let streams = TaskTracker::new();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = drain.cancelled() => break,
                // Finished connections are reaped as they go; they have logged how they ended.
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (serving, drain) = (serving.clone(), drain.clone());
                    let executor = Tracked(streams.clone());
                    connections.spawn(connection(stream, peer, serving, executor, drain));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the gRPC listener");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        let cut = match tokio::time::timeout(serving.drain_limit, drained).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        connections.shutdown().await;
        // Streams end with their connection; this only waits for their last lines of code.
        streams.close();
        streams.wait().await;
        Drained { cut }
    }
}

/// One connection, from the handshake to its end.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    serving: Serving,
    executor: Tracked,
    drain: CancellationToken,
) {
    let _open = serving.metrics.connection();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let service = TowerToHyperService::new(serving.routes);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    let aged = tokio::select! {
        result = connection.as_mut() => return log_end(peer, result),
        () = wait(serving.policy.age()) => true,
        () = drain.cancelled() => false,
    };
    tracing::debug!(%peer, aged, "sending GOAWAY");
    connection.as_mut().graceful_shutdown();
    // While draining the limit is the listener's, which drops this future.
    let grace = aged.then_some(serving.policy.grace);
    tokio::select! {
        result = connection.as_mut() => log_end(peer, result),
        () = wait(grace) => tracing::debug!(%peer, "connection closed after its grace"),
    }
}

/// Sleeps that long, or for ever.
async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

fn log_end(peer: SocketAddr, result: hyper::Result<()>) {
    match result {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error) => tracing::debug!(%peer, %error, "connection ended early"),
    }
}
