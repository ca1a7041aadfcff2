//! Where bytes are made of wire types: the media type and the headers of every good answer.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
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

/// A document as it goes out, to be sent many times.
#[derive(Clone, Debug)]
pub(super) struct Written {
    content_type: &'static str,
    body: Bytes,
    etag: String,
}

impl Written {
    pub(super) fn new(content_type: &'static str, document: &impl Serialize) -> Self {
        // See `unwritable`.
        let body = serde_json::to_vec(document).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (content_type, &body).hash(&mut hasher);
        Self {
            content_type,
            body: body.into(),
            etag: format!("\"{:016x}\"", hasher.finish()),
        }
    }

    /// The answer without an ETag.
    pub(super) fn plain(&self) -> Response {
        (
            [(header::CONTENT_TYPE, self.content_type)],
            self.body.clone(),
        )
            .into_response()
    }

    /// The answer with an ETag, or 304 where the caller has it already.
    pub(super) fn cacheable(&self, request: &HeaderMap) -> Response {
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|value| value == self.etag.as_str());
        let mut response = self.plain();
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
        }
        let headers = response.headers_mut();
        if let Ok(etag) = self.etag.parse() {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// Our wire types hold strings, numbers and maps with string keys: this cannot happen.
fn unwritable(error: &serde_json::Error) -> Response {
    warn!("an answer cannot be written: {error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
