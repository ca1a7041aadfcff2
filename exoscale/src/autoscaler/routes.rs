//! `/up` and `/down` for alerts, `/status` for people.
//!
//! Law: an answer other than 200 means that the request was not counted, so that a sender who
//! tries again asks for one step only.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};

use super::Shared;
use crate::scaler::Direction;
use crate::webhook::meaning;

/// Largest body, in bytes: an alert with its annotations has some KiB, and a group some dozens.
const MAX_BODY: usize = 1 << 20;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of the autoscaler, without those that every program has.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/up", any(up))
        .route("/down", any(down))
        .route("/status", get(status))
        .with_state(shared)
}

async fn up(State(shared): State<Arc<Shared>>, method: Method, body: Body) -> Response {
    accept(&shared, Direction::Up, &method, body).await
}

async fn down(State(shared): State<Arc<Shared>>, method: Method, body: Body) -> Response {
    accept(&shared, Direction::Down, &method, body).await
}

async fn accept(shared: &Shared, direction: Direction, method: &Method, body: Body) -> Response {
    if method != Method::GET && method != Method::POST {
        let allow = [(header::ALLOW, "GET, POST")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => {
            shared.request(direction, meaning(&body));
            (StatusCode::OK, "ok\n").into_response()
        }
        Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.status()).into_response()
}
