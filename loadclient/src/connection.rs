//! One HTTP/2 connection as a service for the generated client.
//!
//! Tonic's `Channel` reconnects on its own and hides whether a request was sent at all; here that
//! is known. Law: an error says `unprocessed` only if the server cannot have seen the request, or
//! said itself that it did not process it.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tonic::body::Body;

/// Pings a server that does not answer, so that a vanished node is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long it may take to answer such a ping.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The future that drives a connection until it is closed.
pub type Driver = http2::Connection<TokioIo<TcpStream>, Body, TokioExecutor>;

/// The sending end of a connection; clones share it.
#[derive(Clone, Debug)]
pub struct Connection(http2::SendRequest<Body>);

/// A request got no response.
#[derive(Debug, thiserror::Error)]
#[error("the request failed{}", if *unprocessed { " before it was processed" } else { "" })]
pub struct SendError {
    /// Whether it is certain that the server did not process it.
    pub unprocessed: bool,
    #[source]
    source: hyper::Error,
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// TCP.
    #[error("{0}")]
    Tcp(io::Error),
    /// HTTP/2.
    #[error("{0}")]
    Http(hyper::Error),
}

/// Connects.
///
/// # Errors
///
/// If TCP or the HTTP/2 handshake fails.
pub async fn open(address: SocketAddr) -> Result<(Connection, Driver), OpenError> {
    let stream = TcpStream::connect(address).await.map_err(OpenError::Tcp)?;
    stream.set_nodelay(true).map_err(OpenError::Tcp)?;
    let (sender, driver) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(OpenError::Http)?;
    Ok((Connection(sender), driver))
}

impl Connection {
    /// Whether no request can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        // A closed connection shows when sending, with the request known to be unsent.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = self.0.try_send_request(request);
        Box::pin(async move {
            response.await.map_err(|mut error| {
                let unsent = error.take_message().is_some();
                let source = error.into_error();
                SendError {
                    unprocessed: unsent || is_refused(&source),
                    source,
                }
            })
        })
    }
}

/// Whether the server said that it did not process the request: it refused the stream, or went
/// away naming a smaller last stream (RFC 9113, sections 8.7 and 6.8).
fn is_refused(error: &hyper::Error) -> bool {
    let Some(error) = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
    else {
        return false;
    };
    let gone = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    error.is_remote() && (gone || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}
