//! Where bytes are made of wire types: the media type and the headers of every good answer.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_saphyr::SerializerOptions;
use tracing::warn;

use super::accept::Encoding;
use super::wire::Answer;

/// An answer in the encoding that was agreed upon.
pub(super) fn document(encoding: Encoding, document: &impl Answer) -> Response {
    respond(encoding, bytes(encoding, document))
}

/// An answer that has no protobuf form: in JSON or YAML.
pub(super) fn text(encoding: Encoding, document: &impl Serialize) -> Response {
    match encoding {
        Encoding::Yaml => respond(Encoding::Yaml, yaml(document)),
        Encoding::Json | Encoding::Protobuf => respond(Encoding::Json, json(document)),
    }
}

/// A document as it goes out, to be sent many times.
#[derive(Clone, Debug)]
pub(super) struct Written {
    content_type: String,
    body: Bytes,
    etag: String,
}

impl Written {
    /// Writes a document. The parameters of its media type begin with a semicolon.
    pub(super) fn new(encoding: Encoding, parameters: &str, document: &impl Answer) -> Self {
        let content_type = format!("{}{parameters}", encoding.media_type());
        // See `unwritable`.
        let body = bytes(encoding, document).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (&content_type, &body).hash(&mut hasher);
        Self {
            content_type,
            body: body.into(),
            etag: format!("\"{:016x}\"", hasher.finish()),
        }
    }

    /// The answer without an ETag.
    pub(super) fn plain(&self) -> Response {
        let content_type = [(header::CONTENT_TYPE, self.content_type.as_str())];
        (content_type, self.body.clone()).into_response()
    }

    /// The answer with an ETag, or 304 where the caller has it already.
    pub(super) fn cacheable(&self, request: &HeaderMap) -> Response {
        let mut response = self.plain();
        if is_known(request, &self.etag) {
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

/// Whether the caller has this version, by its quoted ETag.
pub(super) fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter();
    let mut values = values.filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|known| known.trim() == etag))
}

fn respond(encoding: Encoding, body: Result<Vec<u8>, Unwritable>) -> Response {
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, encoding.media_type())], body).into_response(),
        Err(error) => unwritable(&error),
    }
}

fn bytes(encoding: Encoding, document: &impl Answer) -> Result<Vec<u8>, Unwritable> {
    match encoding {
        Encoding::Json => json(document),
        Encoding::Yaml => yaml(document),
        Encoding::Protobuf => Ok(document.protobuf()),
    }
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, Unwritable> {
    Ok(serde_json::to_vec(document)?)
}

/// Every text is quoted: Go reads YAML 1.1, where a plain `on` or `1:30` is none.
fn yaml(document: &impl Serialize) -> Result<Vec<u8>, Unwritable> {
    let mut options = SerializerOptions::default();
    options.quote_all = true;
    let mut text = serde_saphyr::to_string_with_options(document, options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

#[derive(Debug, thiserror::Error)]
enum Unwritable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// Our wire types hold strings, numbers and maps with string keys: this cannot happen.
fn unwritable(error: &Unwritable) -> Response {
    warn!("an answer cannot be written: {error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
