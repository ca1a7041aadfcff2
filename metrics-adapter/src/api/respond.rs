//! Where bytes are made of wire types: the media type and the headers of every good answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
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
#[derive(Debug)]
pub(super) struct Written {
    content_type: HeaderValue,
    plain: Coded,
    /// `None` for what is too small.
    gzip: Option<Coded>,
}

/// A document in one content coding. Each has an ETag of its own (RFC 9110, 8.8.3.3).
#[derive(Debug)]
struct Coded {
    body: Bytes,
    etag: HeaderValue,
}

/// Bytes of a document that is worth compressing: it does not fit into a packet. (k8s.io/apiserver
/// compresses from 128 KiB on, but does so for every request.)
const COMPRESSED_FROM: usize = 1400;

impl Written {
    /// Writes a document in all codings. The parameters of its media type begin with a semicolon.
    pub(super) fn new(encoding: Encoding, parameters: &str, document: &impl Answer) -> Self {
        let content_type = format!("{}{parameters}", encoding.media_type());
        // See `unwritable`.
        let body = bytes(encoding, document).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (&content_type, &body).hash(&mut hasher);
        let hash = hasher.finish();
        Self {
            content_type: visible(&content_type),
            gzip: compressed(&body, hash),
            plain: Coded {
                body: body.into(),
                etag: visible(&format!("\"{hash:016x}\"")),
            },
        }
    }

    /// The answer with an ETag, or 304 where the caller has it already.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        let compressed = self.gzip.as_ref().filter(|_| takes_gzip(request));
        let Coded { body, etag } = compressed.unwrap_or(&self.plain);
        let is_known = etag.to_str().is_ok_and(|etag| is_known(request, etag));
        let mut response = if is_known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(body.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if compressed.is_some() && !is_known {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        headers.insert(header::ETAG, etag.clone());
        let vary = HeaderValue::from_static("Accept, Accept-Encoding");
        headers.insert(header::VARY, vary);
        response
    }
}

fn compressed(body: &[u8], hash: u64) -> Option<Coded> {
    if body.len() < COMPRESSED_FROM {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    let body = encoder.finish().ok()?.into();
    let etag = visible(&format!("\"{hash:016x}-gzip\""));
    Some(Coded { body, etag })
}

/// What we write into headers is visible ASCII.
fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// As k8s.io/apiserver reads the header: a quality is not looked at, and spoils the name.
fn takes_gzip(request: &HeaderMap) -> bool {
    let header = request.get(header::ACCEPT_ENCODING);
    let codings = header.and_then(|value| value.to_str().ok());
    codings.is_some_and(|codings| codings.split(',').any(|coding| coding.trim() == "gzip"))
}

/// Whether the caller has this version, by its quoted ETag.
pub(super) fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter();
    let mut values = values.filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|known| known.trim() == etag))
}

fn respond(encoding: Encoding, body: Result<Vec<u8>, Unwritable>) -> Response {
    match body {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            let media_type = HeaderValue::from_static(encoding.media_type());
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
            response
        }
        Err(error) => unwritable(&error),
    }
}

fn bytes(encoding: Encoding, document: &impl Answer) -> Result<Vec<u8>, Unwritable> {
    match encoding {
        Encoding::Json => Ok(document.json()?),
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
