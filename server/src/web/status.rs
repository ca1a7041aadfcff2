//! `/status`, `/status/{code}` and `/flaky`: answers that can be set, and that chance can set.
//!
//! Law: the routes look at the method themselves, since a wrong one gets the text that every code
//! gets here, and no `Allow`; what goes over the wire is what a Go server sends, but for the
//! interim line of 100, 102 and 103, which hyper cannot send.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hyper::body::Frame;
use hyper::ext::ReasonPhrase;

use super::Web;
use crate::flaky::Code;

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/status", any(get))
        .route("/status/{code}", any(set))
        .route("/flaky", any(toggle))
}

async fn get(State(web): State<Web>, method: Method) -> Response {
    if method != Method::GET {
        return answer(Code::METHOD_NOT_ALLOWED);
    }
    answer(web.flaky.answer().await)
}

async fn set(State(web): State<Web>, request: Request) -> Response {
    if request.method() != Method::POST {
        return answer(Code::METHOD_NOT_ALLOWED);
    }
    answer(match Code::parse(last_segment(request.uri())) {
        Ok(code) if web.flaky.set(code) => Code::ACCEPTED,
        Ok(_) => Code::OK,
        Err(_) => Code::BAD_REQUEST,
    })
}

async fn toggle(State(web): State<Web>, method: Method) -> Response {
    if method != Method::POST {
        return answer(Code::METHOD_NOT_ALLOWED);
    }
    let flaky = web.flaky.toggle();
    tracing::debug!(flaky, "toggled");
    answer(Code::ACCEPTED)
}

/// As it was sent: decoding is [`Code::parse`]'s business.
fn last_segment(uri: &Uri) -> &str {
    uri.path().rsplit('/').next().unwrap_or_default()
}

/// The answer with that code, logged. It carries the [`Code`], which is what it is measured as.
fn answer(code: Code) -> Response {
    match code.number() {
        400..500 => tracing::info!(code = code.number(), "request failed: {}", code.text()),
        500..600 => tracing::error!(code = code.number(), "server error: {}", code.text()),
        _ => tracing::debug!(code = code.number(), "request successful"),
    }
    let mut response = if code.has_body() {
        format!("{}\n", code.text()).into_response()
    } else {
        Response::new(Body::new(NoBody))
    };
    *response.status_mut() = code.status();
    if code.status() == code.number() {
        let reason = ReasonPhrase::from_static(code.text().as_bytes());
        response.extensions_mut().insert(reason);
    }
    response.extensions_mut().insert(code);
    response
}

/// Nothing, and not even a length: an empty body would be announced as `content-length: 0`.
struct NoBody;

impl HttpBody for NoBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
