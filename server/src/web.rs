//! The role web: a web application that is slow on purpose.
//!
//! `/` tells the time and burns a little in the background, see [`hit`]. `/load` burns all CPUs for a time and answers `Load generation done.` when that is over,
//! `/health` answers `OK`, both on any method and without a line break; so does `/`, and every other path is 404. Law: the burning happens
//! on the burner's threads, so that `/health` answers at once meanwhile; requests to `/load` that
//! come at the same time share the burn, each with an end of its own; beyond the limit they get
//! 503 and when to come again.

pub mod cli;
pub mod hit;
mod home;
mod metric;

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use telemetry::http::Options;
use telemetry::listener;

pub use self::metric::Metrics;

use self::hit::Hits;
use crate::burn::Burner;

/// The paths that exist, for requests to be counted by.
const PATHS: [&str; 3] = ["/", "/load", "/health"];

/// How long a connection may take to send a request's headers, or lie idle between requests:
/// longer than the intervals of the load balancers' health checks.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once besides those that burn, so that `/health` always gets through.
const SPARE_CONNECTIONS: usize = 256;

/// The application.
#[derive(Clone, Debug)]
pub struct Web {
    /// Who burns.
    pub burner: Burner,
    /// What requests to `/` burn.
    pub hits: Hits,
    /// How long a `/load` burns.
    pub load_time: Duration,
    /// What is measured.
    pub metrics: Metrics,
}

/// What the listener bears when that many burns are allowed.
#[must_use]
pub fn options(burns: u32, drain: Duration) -> Options {
    let burns = usize::try_from(burns).unwrap_or(usize::MAX);
    Options {
        limits: listener::Limits {
            connections: burns.saturating_add(SPARE_CONNECTIONS),
            drain,
        },
        header_timeout: HEADER_TIMEOUT,
    }
}

/// The routes.
pub fn router(web: Web) -> Router {
    let counted = middleware::from_fn_with_state(web.metrics.clone(), count);
    Router::new()
        .route("/", any(home::home))
        .route("/load", any(load))
        .route("/health", any(async || "OK"))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(counted)
        .with_state(web)
}

async fn load(State(web): State<Web>) -> Response {
    match web.burner.burn(web.load_time) {
        Ok(burn) => {
            burn.ended().await;
            "Load generation done.".into_response()
        }
        Err(full) => {
            let seconds = web.load_time.as_secs().max(1).to_string();
            let again = [(header::RETRY_AFTER, seconds)];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                again,
                format!("{full}, come again later\n"),
            )
                .into_response()
        }
    }
}

async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let counted = metrics.request(class(request.uri().path()));
    let response = next.run(request).await;
    counted.end(response.status());
    response
}

/// What a path is counted as: itself if it exists, so that callers cannot invent label values.
fn class(path: &str) -> &'static str {
    PATHS
        .into_iter()
        .find(|known| *known == path)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests;
