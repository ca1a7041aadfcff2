//! The admin listener: plain HTTP/1.1 for whoever runs the process.
//!
//! `GET /metrics` is the registry as Prometheus text (as OpenMetrics for those who ask for it),
//! `/livez` and `/readyz` are 200 or 503 with one line per condition and note, `/healthz` is
//! `/livez` under its older name, everything else is 404 unless the program adds routes. Law: it
//! answers from memory, and it is the last thing of a process to stop, so that a drain can be
//! watched.
//!
//! The listener may be open to scrapers and the kubelet. What is for people who run the process
//! stands behind [`local::only`].

pub mod local;
mod log_level;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::listener::{self, Limits};
use crate::{http, text};

pub use log_level::log_level;

/// How long a connection may take to send a request's headers, or lie idle between requests.
/// Longer than the scrape intervals in use, so that a scraper keeps its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once: a few scrapers, the kubelet and people; not an open door.
const MAX_CONNECTIONS: usize = 64;

/// What an answer may take once the listener stops. Everything is answered from memory.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A bound listener that does not serve yet.
#[derive(Debug)]
pub struct Listener(listener::Listener);

/// The routes every process has; add your own with [`Router::route`] or [`Router::merge`].
pub fn router(registry: Arc<Registry>, liveness: Health, readiness: Health) -> Router {
    let metrics = move |headers: HeaderMap| std::future::ready(metrics(&registry, &headers));
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

/// The registry, in the format that was asked for.
fn metrics(registry: &Registry, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let format = accept.map_or(text::Format::Text, text::Format::accepted);
    let kind = [(header::CONTENT_TYPE, format.content_type())];
    (kind, text::encode_as(registry, format)).into_response()
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
        body.extend(["[i]", name, ": ", &text, "\n"]);
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
    pub async fn bind(flag: &'static str, address: SocketAddr) -> Result<Self, listener::Error> {
        listener::Listener::bind(flag, address).await.map(Self)
    }

    /// The address in use, with the real port if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Serves until `stop`, then lets the answers under way finish (2 s at most).
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let options = http::Options {
            limits: Limits {
                connections: MAX_CONNECTIONS,
                drain: DRAIN_TIMEOUT,
            },
            header_timeout: HEADER_TIMEOUT,
        };
        if http::serve(self.0, router, options, stop).await.cut > 0 {
            tracing::debug!("admin connections closed before their answers were read");
        }
    }
}

#[cfg(test)]
mod tests;
