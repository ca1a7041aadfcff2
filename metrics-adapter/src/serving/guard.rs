//! What stands around every handler: a deadline, and a net for panics; and around every connection:
//! another net. Both are combinators: an `async fn` has room for its argument twice, as it came and
//! as it is awaited, and every request would carry that.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};

use super::Metrics;

/// A handler's body, or the short text that replaces it.
pub type GuardedBody<B> = Either<B, Full<Bytes>>;

/// Answers with 504 when `handler` takes longer than `limit` to begin its answer, and with 500
/// when it panics. The bodies are Kubernetes `Status` objects.
pub(super) fn guard<B>(
    handler: impl Future<Output = Result<Response<B>, Infallible>>,
    limit: Duration,
    metrics: Arc<Metrics>,
) -> impl Future<Output = Response<GuardedBody<B>>> {
    let guarded = tokio::time::timeout(limit, AssertUnwindSafe(handler).catch_unwind());
    guarded.map(move |outcome| match outcome {
        Ok(Ok(Ok(response))) => response.map(Either::Left),
        Ok(Err(panic)) => {
            metrics.panics.inc();
            tracing::error!(panic = panic_text(&*panic), "a request handler panicked");
            status(
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred","reason":"InternalError","code":500}"#,
            )
        }
        Err(_elapsed) => {
            metrics.timeouts.inc();
            status(
                StatusCode::GATEWAY_TIMEOUT,
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: request did not complete within the allotted timeout","reason":"Timeout","code":504}"#,
            )
        }
    })
}

/// What is no handler may panic as well: a body, or a library. The connection or stream is lost then,
/// and nothing else; the log and a counter tell.
pub(super) fn tell_panic(
    task: impl Future<Output = ()>,
    metrics: Arc<Metrics>,
) -> impl Future<Output = ()> {
    AssertUnwindSafe(task).catch_unwind().map(move |outcome| {
        if let Err(panic) = outcome {
            metrics.connection_panics.inc();
            tracing::error!(panic = panic_text(&*panic), "a connection panicked");
        }
    })
}

fn status<B>(code: StatusCode, body: &'static str) -> Response<GuardedBody<B>> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(
        body.as_bytes(),
    ))));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}
