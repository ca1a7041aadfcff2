//! Spans: their names and attributes, which are OpenTelemetry's conventions' where these have a
//! word, and else begin with `metrics_adapter.`.
//!
//! Spans are `tracing`'s. Laws: while nobody records them (that takes the feature `otel` and
//! `--otlp-endpoint`, see `app`) each costs the load of a flag, and its attributes are not made; no
//! attribute is a credential, a query or a label's value; what callers wrote is cut short.

use std::fmt::Display;

use reqwest::Url;
use tracing::field::{self, Empty};
use tracing::{Level, Span, Value, info_span};

#[cfg(feature = "otel")]
pub(crate) use telemetry::trace::hand_on;

/// Bytes of a name that stand in a span; Kubernetes' own names have 253.
const NAME_LIMIT: usize = 256;

/// What of an evaluation is known in its course.
pub(crate) const RULE: &str = "metrics_adapter.rule";
pub(crate) const ANSWER: &str = "metrics_adapter.answer";
pub(crate) const OBJECTS: &str = "metrics_adapter.objects";
/// Of a call.
pub(crate) const STATUS_CODE: &str = "http.response.status_code";

/// Nobody records spans, so there is nothing to tell a callee.
#[cfg(not(feature = "otel"))]
pub(crate) const fn hand_on(_: &mut http::HeaderMap) {}

/// From a request to values.
pub(crate) fn evaluation(
    metric: Option<&str>,
    namespace: Option<&str>,
    resource: Option<&dyn Display>,
) -> Span {
    info_span!(
        "evaluate",
        k8s.namespace.name = namespace.map(bounded),
        metrics_adapter.metric = metric.map(bounded),
        metrics_adapter.resource = resource.map(|it| bounded(&it.to_string()).to_owned()),
        metrics_adapter.rule = Empty,
        metrics_adapter.answer = Empty,
        metrics_adapter.objects = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// A query, from the wait for its turn to its answer, whoever else shares that.
pub(crate) fn query(rule: &dyn Display) -> Span {
    info_span!("query", metrics_adapter.rule = field::display(rule))
}

/// Likewise, for which nobody waits yet: a trace of its own.
pub(crate) fn query_ahead(rule: &dyn Display) -> Span {
    info_span!(parent: None, "query ahead of a poll", metrics_adapter.rule = field::display(rule))
}

/// A call of Prometheus; `url` is its base, of which user and parameters stay out.
pub(crate) fn call(method: &'static str, url: &Url, endpoint: &str) -> Span {
    let path = || format!("/api/v1/{endpoint}");
    let whole = || {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}"));
        let prefix = url.path().trim_end_matches('/');
        let scheme = url.scheme();
        let port = port.unwrap_or_default();
        format!("{scheme}://{host}{port}{prefix}{}", path())
    };
    info_span!(
        "call",
        otel.name = format!("{method} {}", path()),
        otel.kind = "client",
        http.request.method = method,
        url.template = path(),
        url.full = whole(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default().map(i64::from),
        http.response.status_code = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// A review by kube-apiserver, at a path of its API.
pub(crate) fn review(path: &'static str) -> Span {
    info_span!(
        "review",
        otel.name = format!("POST {path}"),
        otel.kind = "client",
        http.request.method = "POST",
        url.template = path,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// The wait for a review that another request asked for.
pub(crate) fn shared_review(name: &'static str) -> Span {
    info_span!("shared review", metrics_adapter.review = name)
}

/// Writes an attribute of the current span, one that the span was made with.
pub(crate) fn note(name: &'static str, value: impl Value) {
    if is_recorded() {
        Span::current().record(name, value);
    }
}

/// A number of things as an attribute.
pub(crate) fn count(things: usize) -> i64 {
    i64::try_from(things).unwrap_or(i64::MAX)
}

/// Links the current span to another one, whose outcome it shares.
pub(crate) fn shares(other: &Span) {
    if is_recorded() {
        Span::current().follows_from(other);
    }
}

/// The end of a span that is an error; `kind` is a word of few.
pub(crate) fn failed(span: &Span, kind: &'static str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

fn is_recorded() -> bool {
    tracing::span_enabled!(Level::INFO)
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_LIMIT)]
}

#[cfg(test)]
pub(crate) mod tests;
