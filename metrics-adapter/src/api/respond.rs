//! Where bytes are made of wire types: the media type and the headers of every good answer.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tracing::warn;

/// An answer in plain JSON.
pub(super) fn document(document: &impl Serialize) -> Response {
    match serde_json::to_vec(document) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => unwritable(&error),
    }
}

/// An answer with an ETag, or 304 where the caller has it already.
pub(super) fn cacheable(
    request: &HeaderMap,
    content_type: &'static str,
    document: &impl Serialize,
) -> Response {
    let body = match serde_json::to_vec(document) {
        Ok(body) => body,
        Err(error) => return unwritable(&error),
    };
    let mut hasher = DefaultHasher::new();
    (content_type, &body).hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| value == etag.as_str());
    let mut response = if known {
        (StatusCode::NOT_MODIFIED, Body::empty()).into_response()
    } else {
        body.into_response()
    };
    let headers = response.headers_mut();
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Our wire types hold strings, numbers and maps with string keys: this cannot happen.
fn unwritable(error: &serde_json::Error) -> Response {
    warn!("an answer cannot be written: {error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
