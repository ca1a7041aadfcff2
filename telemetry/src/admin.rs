//! The admin listener: plain HTTP/1.1 for whoever runs the process.
//!
//! `GET /metrics` is the registry as Prometheus text, `/livez` and `/readyz` are 200 or 503 with
//! one line per condition and note, `/healthz` is `/livez` under its older name, everything else is 404
//! unless the program adds routes. Law: it answers
//! from memory, and it is the last thing of a process to stop, so that a drain can be watched.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::text;

/// How long a connection may take to send a request's headers, or lie idle between requests.
/// Longer than the scrape intervals in use, so that a scraper keeps its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once: a few scrapers, the kubelet and people; not an open door.
const MAX_CONNECTIONS: usize = 64;

/// What an answer may take once the listener stops. Everything is answered from memory.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

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

/// The routes every process has; add your own with [`Router::route`] or [`Router::merge`].
pub fn router(registry: Arc<Registry>, liveness: Health, readiness: Health) -> Router {
    let metrics = move || {
        let text = text::encode(&registry);
        async move { ([(header::CONTENT_TYPE, text::CONTENT_TYPE)], text) }
    };
    let healthz = liveness.clone();
    Router::new()
        .route("/metrics", get(metrics))
        .route(
            "/healthz",
            get(move || std::future::ready(report(&healthz))),
        )
        .route("/livez", get(move || std::future::ready(report(&liveness))))
        .route(
            "/readyz",
            get(move || std::future::ready(report(&readiness))),
        )
}

/// Kubernetes' own shape of a verbose health answer.
fn report(health: &Health) -> Response {
    let states = health.states();
    let holds = states.iter().all(|state| state.holds);
    let mut body = String::new();
    for state in states {
        let (mark, word) = if state.holds {
            ("+", "ok")
        } else {
            ("-", "not ok")
        };
        body.extend(["[", mark, "]", state.name, " ", word, "\n"]);
    }
    for (name, text) in health.notes() {
        body.extend(["[i]", name, ": ", text, "\n"]);
    }
    body.push_str(if holds { "ok\n" } else { "not ok\n" });
    let status = if holds {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, body).into_response()
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

    /// Serves until `stop`, then lets the answers under way finish (2 s at most).
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                // Finished connections are reaped as they go; none of them returns anything.
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &slots) => accepted,
            };
            match accepted {
                Ok((stream, slot)) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, router, &stop).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin listener");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::debug!("admin connections closed before their answers were read");
        }
    }
}

/// Waits for a free slot first: beyond the limit, connections wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn connection(stream: TcpStream, router: Router, stop: &CancellationToken) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let service = TowerToHyperService::new(router);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "admin connection ended early");
    }
}

#[cfg(test)]
mod tests;
