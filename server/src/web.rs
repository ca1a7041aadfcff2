//! The role web: a web application that is slow on purpose.
//!
//! `/` tells the time and burns a little in the background ([`hit`]), `/load` burns all CPUs for a
//! time and answers `Load generation done.` when that is over, `/health` answers `OK`, all on any
//! method and without a line break. `/status` answers what it was told to, and is as flaky as it
//! was told to be. Every other path is 404. Law: the burning happens on threads of its own, so that
//! `/health` answers at once meanwhile; requests to `/load` that come at the same time share the
//! burn, each with an end of its own; beyond the limit they get 503 and when to come again.

pub mod cli;
mod convention;
pub mod hit;
mod home;
mod metric;
mod status;

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use telemetry::http::Options;
use telemetry::listener;
use telemetry::trace::server::Layer as Traced;

pub use self::convention::{Conventions, Hosts};
pub use self::metric::Metrics;

use self::hit::Hits;
use crate::burn::Burner;
use crate::flaky::Flaky;

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
    /// What `/status` answers.
    pub flaky: Flaky,
    /// What is measured under our own names.
    pub metrics: Metrics,
    /// What is measured under OpenTelemetry's names.
    pub conventions: Conventions,
}

/// What the listener bears when that many burns are allowed; `header_timeout` is also how long a
/// connection may lie idle.
#[must_use]
pub fn options(burns: u32, header_timeout: Duration, drain: Duration) -> Options {
    let burns = usize::try_from(burns).unwrap_or(usize::MAX);
    Options {
        limits: listener::Limits {
            connections: burns.saturating_add(SPARE_CONNECTIONS),
            drain,
        },
        header_timeout,
    }
}

/// The routes.
pub fn router(web: Web) -> Router {
    let counted = middleware::from_fn_with_state(web.metrics.clone(), count);
    let observed = middleware::from_fn_with_state(web.conventions.clone(), convention::observe);
    Router::new()
        .route("/", any(home::home))
        .route("/load", any(load))
        .route("/health", any(async || "OK"))
        .merge(status::routes())
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(counted)
        .layer(observed)
        .layer(Traced {
            scheme: "http",
            route: |request: &Request| route(request).map(str::to_owned),
        })
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
    let counted = metrics.request(class(&request));
    let response = next.run(request).await;
    counted.end(response.status());
    response
}

/// What a request is counted as: its route if there is one, so that callers cannot invent label
/// values.
fn class(request: &Request) -> String {
    route(request).unwrap_or("other").to_owned()
}

fn route(request: &Request) -> Option<&str> {
    let route = request.extensions().get::<MatchedPath>();
    route.map(MatchedPath::as_str)
}

#[cfg(test)]
mod tests;
