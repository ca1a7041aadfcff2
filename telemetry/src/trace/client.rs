//! Spans of requests that go out, after OpenTelemetry's semantic conventions for HTTP, stable
//! since 1.23, for whatever client sends them.
//!
//! Law: a call that is neither answered nor failed was cancelled; its status is an error then, and
//! from 400 on.

use http::{HeaderMap, Method, StatusCode, Uri};
use opentelemetry::trace::{Status, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{bounded, inject, method};

/// A request that goes out. Its span lasts as long as this.
#[derive(Debug)]
pub struct Call {
    span: Span,
    ended: bool,
}

impl Call {
    /// Starts a span, the current one's child; `url` is the whole one, `route` is what the span is
    /// named by, and must not be of endless variety.
    #[must_use]
    pub fn start(verb: &Method, url: &str, route: &'static str) -> Self {
        let (method, original) = method(verb);
        let name = format!("{method} {route}");
        let span = tracing::info_span!("call", otel.name = name, otel.kind = "client");
        span.set_attribute("http.request.method", method);
        if let Some(original) = original {
            span.set_attribute("http.request.method_original", bounded(original));
        }
        span.set_attribute("url.template", route);
        if let Ok(uri) = url.parse() {
            locate(&span, &uri);
        }
        Self { span, ended: false }
    }

    /// Tells the callee what it belongs to.
    pub fn inject(&self, headers: &mut HeaderMap) {
        inject(&self.span.context(), headers);
    }

    /// The span, to run the request in.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The trace's id, as 32 hexadecimal digits; there is none without a pipeline.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let context = self.span.context();
        let span = context.span().span_context().clone();
        span.is_valid().then(|| span.trace_id().to_string())
    }

    /// The answer's head came.
    pub fn answered(mut self, status: StatusCode) {
        let code = i64::from(status.as_u16());
        self.span.set_attribute("http.response.status_code", code);
        if status.is_client_error() || status.is_server_error() {
            self.error(status.as_str().to_owned());
        }
        self.ended = true;
    }

    /// No answer came; `kind` is a word of few, such as `timeout`.
    pub fn failed(mut self, kind: &'static str) {
        self.error(kind.to_owned());
        self.ended = true;
    }

    fn error(&self, kind: String) {
        self.span.set_attribute("error.type", kind);
        self.span.set_status(Status::error(""));
    }
}

/// Says where a request goes.
fn locate(span: &Span, uri: &Uri) {
    span.set_attribute("url.full", bounded(&without_credentials(uri)));
    let default = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    if let Some(host) = uri.host() {
        let port = uri.port_u16().unwrap_or(default);
        span.set_attribute("server.address", bounded(host));
        span.set_attribute("server.port", i64::from(port));
    }
}

/// The URL as text; user and password, if any, are not for others to read.
fn without_credentials(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    format!("{}://{host}{path}", uri.scheme_str().unwrap_or("http"))
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.error("cancelled".to_owned());
        }
    }
}
