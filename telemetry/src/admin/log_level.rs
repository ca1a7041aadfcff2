//! `/log-level`: what is logged, told and changed while the process runs.

use std::future::ready;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::get;

use super::local;
use crate::log::{Error, Filter, Handle};

/// Longer than any filter that somebody would type.
const MAX_BODY: usize = 4096;

/// `GET /log-level` tells the filter in force, `PUT` replaces it by its body: a level (`debug`), or
/// directives (`info,hyper=warn`), as [`Filter`] reads them. For local peers alone.
pub fn log_level(handle: Handle) -> Router {
    let told = handle.clone();
    let tell = move || ready(line(&told));
    let replace = move |body: String| ready(replace(&handle, &body));
    let router = Router::new()
        .route("/log-level", get(tell).put(replace))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    local::only(router)
}

fn line(handle: &Handle) -> String {
    format!("{}\n", handle.filter())
}

fn replace(handle: &Handle, body: &str) -> (StatusCode, String) {
    let replaced = body
        .parse::<Filter>()
        .and_then(|filter| handle.set(&filter));
    match replaced {
        Ok(()) => (StatusCode::OK, line(handle)),
        Err(error @ (Error::Filter { .. } | Error::Format(_))) => {
            (StatusCode::BAD_REQUEST, format!("{error}\n"))
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
