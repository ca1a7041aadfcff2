//! The listening socket: bind, accept, drain.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use hyper::body::Body;
use hyper::body::Incoming;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::Metrics;
use super::connection::{Front, builders};
use super::guard::tell_panic;
use super::room::Room;

/// Pause after a failed accept (out of file descriptors, for instance), so that the loop does
/// not spin while the cause lasts.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of the HTTPS front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Connections at once. When only a sixteenth of the places is left, those that are idle longest
    /// make room for new ones that ask, strangers first; where all are busy, more wait in the kernel's
    /// backlog. A connection that has asked something costs some 50 KiB.
    pub max_connections: usize,
    /// Connections at once that have not sent a byte yet; beyond this number the oldest of them is
    /// closed.
    pub max_silent_connections: usize,
    /// Likewise of those that have sent something, but no whole request yet: handshakes and first
    /// heads. The front proxy needs a few, for some milliseconds.
    pub max_new_connections: usize,
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the first request of a connection to come, and over HTTP/1.1 for every next
    /// one, idle time included. Close to k8s.io/apiserver's 32 s.
    pub header_read_timeout: Duration,
    /// Time that an HTTP/2 connection may have no request in flight.
    pub idle_timeout: Duration,
    /// Time for a handler to begin its answer; then 504.
    pub request_timeout: Duration,
    /// HTTP/2 streams at once per connection; `--http2-max-streams-per-connection`.
    pub max_concurrent_streams: u32,
    /// Bytes of a request's head. A front proxy repeats a header for each of the user's groups,
    /// and people are in hundreds of them, so hyper's 16 KiB would lock some out.
    pub max_header_bytes: usize,
    /// HTTP/2: a ping is sent after so much silence.
    pub keep_alive_interval: Duration,
    /// HTTP/2: and the connection is closed when the ping is not answered in this time.
    pub keep_alive_timeout: Duration,
    /// Time that requests in flight get to finish once serving is to end.
    pub drain_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_silent_connections: 256,
            max_new_connections: 128,
            handshake_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(10),
            max_concurrent_streams: 250,
            max_header_bytes: 64 * 1024,
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(15),
        }
    }
}

/// Why serving cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("--bind-address and --secure-port: cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
}

/// Whether other sockets may listen on the same address and port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortSharing {
    /// They may not.
    #[default]
    Exclusive,
    /// They may, with the same option (`SO_REUSEPORT`); `--permit-port-sharing`.
    Shared,
}

/// Connections that the kernel completes before they are accepted; std's and tokio's number.
const BACKLOG: i32 = 1024;

/// A listening socket that accepts nothing yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds `address` (`--bind-address` and `--secure-port`) and logs it. Port 0 takes any
    /// free port; see [`Self::address`]. `0.0.0.0` and `::` both mean IPv4 and IPv6, as in Go.
    /// Needs a running tokio runtime.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub fn bind(address: SocketAddr, sharing: PortSharing) -> Result<Self, Error> {
        let bind = || {
            let listener = if address.ip().is_unspecified() {
                let every = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
                match listen(every, sharing) {
                    // A machine without IPv6.
                    Err(error) if address.is_ipv4() && lacks_family(&error) => {
                        listen(address, sharing)?
                    }
                    listener => listener?,
                }
            } else {
                listen(address, sharing)?
            };
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        let bound = bind().map_err(|reason| Error::Bind { address, reason })?;
        tracing::info!(address = %bound.address, "listening for HTTPS");
        Ok(bound)
    }

    /// The address, with the port that was really taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `service` until `token` is cancelled, then drains: accepts nothing more, tells
    /// every client to go elsewhere (GOAWAY, `connection: close`), and returns when the last
    /// request in flight has its answer or [`Options::drain_timeout`] is over.
    pub async fn serve<S, B>(
        self,
        tls: ServerConfig,
        service: S,
        options: Options,
        metrics: Metrics,
        token: CancellationToken,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let tasks = TaskTracker::new();
        let room = Room::new(&options);
        let metrics = Arc::new(metrics);
        let (http1, http2) = builders(&options, tasks.clone(), Arc::clone(&metrics));
        let drain_timeout = options.drain_timeout;
        let front = Front {
            service,
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            http1,
            http2,
            room: room.clone(),
            options: Arc::new(options),
            metrics,
            drain: token.clone(),
        };
        // Cancelled when draining took too long: what is left is dropped.
        let abort = CancellationToken::new();
        let _abort_at_the_end = abort.clone().drop_guard();
        let mut failing = false;
        loop {
            let accepted = token.run_until_cancelled(self.listener.accept()).await;
            let Some(accepted) = accepted else {
                break;
            };
            let (socket, peer) = match accepted {
                // IPv4 peers of a socket for both families show as ::ffff:a.b.c.d.
                Ok((socket, peer)) => (
                    socket,
                    SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                ),
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot accept connections at the moment");
                        failing = true;
                    }
                    token
                        .run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE))
                        .await;
                    continue;
                }
            };
            failing = false;
            let Some(place) = token.run_until_cancelled(room.take()).await else {
                break;
            };
            let Some(newcomer) = token.run_until_cancelled(room.silent.add()).await else {
                break;
            };
            front.metrics.accepted.inc();
            front.metrics.connections.inc();
            let open = OpenConnection {
                metrics: Arc::clone(&front.metrics),
                _place: place,
            };
            let connection = abort
                .clone()
                .run_until_cancelled_owned(front.clone().serve(socket, peer, newcomer));
            let metrics = Arc::clone(&front.metrics);
            let connection = tell_panic(connection.map(|_cut_or_not| ()), metrics);
            tasks.spawn(connection.map(|()| drop(open)));
        }
        drop(self.listener);
        tasks.close();
        tracing::info!(connections = tasks.len(), "draining connections");
        if tokio::time::timeout(drain_timeout, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = tasks.len(),
                "draining took too long, cutting connections"
            );
        }
    }
}

fn listen(address: SocketAddr, sharing: PortSharing) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Always, as Go does: a restart need not wait for connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == PortSharing::Shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The kernel has no IPv6 at all, or none that is switched on.
fn lacks_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// One accepted connection, for the gauge and the limit. Also right when a task panics.
struct OpenConnection {
    metrics: Arc<Metrics>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
