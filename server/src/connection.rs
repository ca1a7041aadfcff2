//! Connections of the gRPC listener: ages them, drains them.
//!
//! Tonic's own server is not used because its `max_connection_age_grace` (0.14.9) cuts connections
//! without ever sending GOAWAY, which fails the calls in flight. Law of every connection: GOAWAY
//! at its age or when the listener drains; calls in flight then go on; it closes with the last of
//! them, or when its grace (at the age) or the drain's limit is over.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use telemetry::listener::{Drained, Limits, Listener};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::age::Policy;
use crate::metric::Metrics;

/// Pings a silent peer, so that connections of vanished nodes do not stay.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long such a peer may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections at once: some hundred clients are usual; this is where a runaway one stops.
const MAX_CONNECTIONS: usize = 10_000;

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

/// Serves until `drain`, then sends GOAWAY on every connection and returns when the last one is
/// closed.
pub async fn serve(listener: Listener, serving: Serving, drain: CancellationToken) -> Drained {
    let limits = Limits {
        connections: MAX_CONNECTIONS,
        drain: serving.drain_limit,
    };
    let streams = TaskTracker::new();
    let executor = Tracked(streams.clone());
    let one =
        |stream, peer, drain| connection(stream, peer, serving.clone(), executor.clone(), drain);
    let drained = listener.serve(limits, drain, one).await;
    // Streams end with their connection; this only waits for their last lines of code.
    streams.close();
    streams.wait().await;
    drained
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
