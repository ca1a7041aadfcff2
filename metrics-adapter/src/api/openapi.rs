//! OpenAPI documents: v2, which kube-aggregator asks for every minute and merges with its own,
//! and v3, of which it asks for the list alone and hands requests for the rest on.
//!
//! The documents of each group and version are made by Go from upstream's schemas
//! (`make golden`). Law: they tell of nothing that is not served; what is served changes with the
//! rules file only, so they are put together once for each set of groups. Anything but 200 and 304
//! makes kube-apiserver log an error, again and again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::accept::accepts_json;
use super::group::GROUPS;
use super::options::Parameters;
use super::respond::is_known;
use super::status::ApiError;
use crate::model::MetricsApi;

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// Everything, in v2.
    V2,
    /// The list of the documents in v3.
    V3List,
    /// One of them, by its place in the list: `apis/metrics.k8s.io/v1beta1`.
    V3(String),
}

/// What Go made.
struct Source {
    api: MetricsApi,
    place: &'static str,
    v2: &'static str,
    v3: &'static str,
}

macro_rules! source {
    ($api:ident, $place:literal, $file:literal) => {
        Source {
            api: MetricsApi::$api,
            place: $place,
            v2: include_str!(concat!("openapi/", $file, ".v2.json")),
            v3: include_str!(concat!("openapi/", $file, ".v3.json")),
        }
    };
}

const SOURCES: [Source; 7] = [
    source!(
        Custom,
        "apis/custom.metrics.k8s.io",
        "custom.metrics.k8s.io"
    ),
    source!(
        Custom,
        "apis/custom.metrics.k8s.io/v1beta1",
        "custom.metrics.k8s.io_v1beta1"
    ),
    source!(
        Custom,
        "apis/custom.metrics.k8s.io/v1beta2",
        "custom.metrics.k8s.io_v1beta2"
    ),
    source!(
        External,
        "apis/external.metrics.k8s.io",
        "external.metrics.k8s.io"
    ),
    source!(
        External,
        "apis/external.metrics.k8s.io/v1beta1",
        "external.metrics.k8s.io_v1beta1"
    ),
    source!(Resource, "apis/metrics.k8s.io", "metrics.k8s.io"),
    source!(
        Resource,
        "apis/metrics.k8s.io/v1beta1",
        "metrics.k8s.io_v1beta1"
    ),
];

/// The documents as they were last put together, and for which groups.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Option<(Vec<MetricsApi>, Arc<OpenApi>)>>);

impl Shelf {
    /// The documents of the groups that are served now.
    pub(super) fn get(&self, serves: impl Fn(MetricsApi) -> bool) -> Arc<OpenApi> {
        let served: Vec<MetricsApi> = GROUPS.into_iter().filter(|api| serves(*api)).collect();
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, documents)) = shelf.as_ref().filter(|(known, _)| *known == served) {
            return Arc::clone(documents);
        }
        let documents = Arc::new(OpenApi::of(|api| served.contains(&api)));
        *shelf = Some((served, Arc::clone(&documents)));
        documents
    }
}

/// All documents of one set of groups.
pub(super) struct OpenApi {
    v2: Written,
    v3_list: Written,
    v3: BTreeMap<&'static str, Written>,
}

/// A document as it is sent.
struct Written {
    body: Bytes,
    hash: String,
}

impl OpenApi {
    /// The documents of the groups that are served.
    pub(super) fn of(serves: impl Fn(MetricsApi) -> bool) -> Self {
        let served = || SOURCES.iter().filter(|source| serves(source.api));
        let mut merged = json!({
            "swagger": "2.0",
            "info": {"title": "metrics-adapter", "version": "unversioned"},
            "paths": {},
            "definitions": {},
        });
        for source in served() {
            let mut document = read(source.v2);
            for part in ["paths", "definitions"] {
                if let (Value::Object(all), Value::Object(more)) =
                    (&mut merged[part], document[part].take())
                {
                    all.extend(more);
                }
            }
        }
        let v3: BTreeMap<_, _> = served()
            .map(|source| (source.place, Written::new(&read(source.v3))))
            .collect();
        let places: BTreeMap<_, _> = v3
            .iter()
            .map(|(place, document)| {
                let url = json!({"serverRelativeURL": document.url(place)});
                (*place, url)
            })
            .collect();
        Self {
            v2: Written::new(&merged),
            v3_list: Written::new(&json!({"paths": places})),
            v3,
        }
    }

    /// Answers as k8s.io/kube-openapi does; there is only JSON here, which is all that
    /// kube-aggregator and client-go ask for.
    pub(super) fn answer(
        &self,
        document: &Document,
        request: &Parts,
        parameters: Parameters<'_>,
    ) -> Result<Response, ApiError> {
        let (written, place) = match document {
            Document::V2 => (&self.v2, None),
            Document::V3List => return Ok(self.v3_list.respond(request)),
            Document::V3(place) => {
                let written = self.v3.get(place.as_str());
                (written.ok_or(ApiError::UnknownPath)?, Some(place))
            }
        };
        if !accepts_json(&request.headers) {
            return Err(ApiError::OnlyJson);
        }
        let hash = parameters.text("hash");
        match (place, hash) {
            (Some(place), Some(hash)) if hash != written.hash => {
                let url = [(header::LOCATION, written.url(place))];
                Ok((StatusCode::MOVED_PERMANENTLY, url).into_response())
            }
            (Some(_), Some(_)) => {
                let mut response = written.respond(request);
                // One year. What has another hash is another document.
                let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
                response
                    .headers_mut()
                    .insert(header::CACHE_CONTROL, forever);
                Ok(response)
            }
            _ => Ok(written.respond(request)),
        }
    }
}

impl Written {
    fn new(document: &Value) -> Self {
        let body = document.to_string();
        let mut hash = String::new();
        for byte in Sha512::digest(&body) {
            // Writing to a string does not fail.
            let _ = write!(hash, "{byte:02X}");
        }
        Self {
            body: body.into(),
            hash,
        }
    }

    fn url(&self, place: &str) -> String {
        format!("/openapi/v3/{place}?hash={}", self.hash)
    }

    fn respond(&self, request: &Parts) -> Response {
        let etag = format!("\"{}\"", self.hash);
        let known = is_known(&request.headers, &etag);
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::ETAG, &etag),
            (header::VARY, "Accept"),
        ];
        if known {
            (StatusCode::NOT_MODIFIED, headers, Body::empty()).into_response()
        } else {
            (headers, self.body.clone()).into_response()
        }
    }
}

/// Files of ours, which a test reads too.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
