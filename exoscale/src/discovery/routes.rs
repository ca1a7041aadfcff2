//! The targets over HTTP, for Prometheus' `http_sd_configs`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::Known;

/// `/targets`: the last good ones; 503 before there are any, which Prometheus takes as "keep what
/// you have".
pub fn router(known: Known) -> Router {
    Router::new()
        .route("/targets", get(targets))
        .with_state(known)
}

async fn targets(State(known): State<Known>) -> Response {
    match known.get() {
        // The format wants an empty list, not a group without targets.
        Some(group) if group.targets.is_empty() => Json([(); 0]).into_response(),
        Some(group) => Json([group]).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
