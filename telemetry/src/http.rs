//! Plain HTTP/1.1 on a [`Listener`], for routes of axum: what `axum::serve` has no settings for.
//!
//! Law: a connection sends a request's headers in time or is closed, and the same time is all it
//! may lie idle between requests; once stopped, requests under way get their answers. Every request
//! carries its peer's address as axum's `ConnectInfo<SocketAddr>`.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::listener::{Drained, Limits, Listener};

/// What a plain HTTP listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections, and the time to drain them.
    pub limits: Limits,
    /// How long a connection may take to send a request's headers, or lie idle between requests.
    pub header_timeout: Duration,
}

/// Serves until `stop`, then lets the answers under way finish, as long as the limits say.
pub async fn serve(
    listener: Listener,
    router: Router,
    options: Options,
    stop: CancellationToken,
) -> Drained {
    let timeout = options.header_timeout;
    let connection = move |stream, peer, stop| {
        let router = router.clone();
        connection(stream, peer, router, timeout, stop)
    };
    listener.serve(options.limits, stop, connection).await
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}
