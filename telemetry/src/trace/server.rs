//! Spans of requests that come in, after OpenTelemetry's semantic conventions for HTTP, stable
//! since 1.23.
//!
//! Law: the span is the child of what the caller's `traceparent` names, and a trace of its own
//! without one; it lasts until the answer's head is ready, or until nobody waits for it. Its status
//! is an error from 500 on: what a client does wrong is no error of the server.

use std::pin::Pin;
use std::task;

use http::header::USER_AGENT;
use http::{Request, Response, StatusCode};
use opentelemetry::trace::Status;
use tower::Service;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{bounded, extract, method};
use crate::request::{host, version};

/// Puts a span around every request. Other layers that log or measure belong inside.
///
/// The function tells a request's route, which the span is named by: nothing for one that has
/// none, and never what only the caller knows.
#[derive(Clone, Copy, Debug)]
pub struct Layer<F> {
    /// `http` or `https`, as the listener speaks.
    pub scheme: &'static str,
    /// The request's route.
    pub route: F,
}

/// See [`Layer`].
#[derive(Clone, Copy, Debug)]
pub struct Traced<S, F> {
    inner: S,
    layer: Layer<F>,
}

/// Gives the span its end, also when the request is dropped.
struct Ended {
    span: Span,
    status: Option<StatusCode>,
}

impl<S, F: Clone> tower::Layer<S> for Layer<F> {
    type Service = Traced<S, F>;

    fn layer(&self, inner: S) -> Traced<S, F> {
        let layer = self.clone();
        Traced { inner, layer }
    }
}

impl<S, F, B, R> Service<Request<B>> for Traced<S, F>
where
    F: Fn(&Request<B>) -> Option<String>,
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Layer { scheme, route } = &self.layer;
        let span = span(&request, scheme, route(&request));
        let mut ended = Ended {
            span: span.clone(),
            status: None,
        };
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(
            async move {
                let answer = answer.await;
                if let Ok(answer) = &answer {
                    ended.with(answer.status());
                }
                answer
            }
            .instrument(span),
        )
    }
}

fn span<B>(request: &Request<B>, scheme: &'static str, route: Option<String>) -> Span {
    let path = request.uri().path();
    let (method, original) = method(request.method());
    let name = route
        .as_ref()
        .map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = tracing::info_span!("request", otel.name = name, otel.kind = "server");
    // Fails without a pipeline, when there is nothing to be the parent of.
    let _ = span.set_parent(extract(request.headers()));
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    span.set_attribute("http.request.method", method);
    if let Some(original) = original {
        span.set_attribute("http.request.method_original", bounded(original));
    }
    span.set_attribute("url.scheme", scheme);
    span.set_attribute("url.path", bounded(path));
    if let Some(route) = route {
        span.set_attribute("http.route", route);
    }
    if let Some(host) = host(request) {
        span.set_attribute("server.address", bounded(host.host()));
        if let Some(port) = host.port_u16() {
            span.set_attribute("server.port", i64::from(port));
        }
    }
    span.set_attribute("network.protocol.version", version(request.version()));
    if let Some(agent) = text(USER_AGENT) {
        span.set_attribute("user_agent.original", bounded(agent));
    }
    span
}

impl Ended {
    fn with(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let Some(status) = self.status else {
            self.span.set_attribute("error.type", "cancelled");
            return;
        };
        let code = i64::from(status.as_u16());
        self.span.set_attribute("http.response.status_code", code);
        if status.is_server_error() {
            self.span
                .set_attribute("error.type", status.as_str().to_owned());
            self.span.set_status(Status::error(""));
        }
    }
}
