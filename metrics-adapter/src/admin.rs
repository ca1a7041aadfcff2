//! The status page on the admin listener: what the adapter is doing, for people, as HTML without
//! scripts.
//!
//! It shows a [`Status`], which its maker has put together from what others tell of themselves.
//! Laws: it reads from memory, waits for nobody and changes nothing; all that it shows is bounded,
//! escaped and without secrets; the browser may load nothing and run nothing. It tells texts of
//! Prometheus and of clients, as the log does, so it answers local peers alone.

mod autoscaler;
mod page;
mod status;
mod table;
mod text;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use telemetry::admin::local;

pub use status::{Calls, RuleStatus, Status};

/// The style is the one that we wrote; nothing else may be loaded or run.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

/// `GET /` shows what `source` tells at that moment; it must not block. For local peers alone.
pub fn router(source: impl Fn() -> Status + Send + Sync + 'static) -> Router {
    let source = Arc::new(source);
    let show = move || {
        let source = Arc::clone(&source);
        async move {
            // Thousands of metrics take a while to be looked through.
            let page = tokio::task::spawn_blocking(move || page::page(&source())).await;
            page.map_or_else(
                |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                answer,
            )
        }
    };
    local::only(Router::new().route("/", get(show)))
}

fn answer(page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

#[cfg(test)]
mod tests;
