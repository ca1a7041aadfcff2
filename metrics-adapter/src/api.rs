//! The HTTP face of the metrics APIs: paths, options, documents and wire types.
//!
//! Every answer comes from a [`Provider`] or from memory. Errors become `Status` objects in one
//! place ([`status`]). Who may ask was decided before a request gets here.

mod accept;
mod discovery;
mod metrics;
mod options;
mod path;
pub mod status;
mod wire;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;

pub use metrics::Metrics;

use crate::model::{MetricQuery, Provider, ProviderError, Target};
use accept::{Accepted, AggregatedVersion};
use discovery::Documents;
use options::QueryOptions;
use path::{Route, Version};
use status::ApiError;

/// Which API groups exist: those that have rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// `custom.metrics.k8s.io`.
    pub custom: bool,
}

struct Api<P> {
    provider: Arc<P>,
    served: Served,
    metrics: Metrics,
}

/// The routes below `/apis`, `/version`, and `Status` objects for everything unknown.
pub fn router<P: Provider>(provider: Arc<P>, served: Served, metrics: Metrics) -> Router {
    let api = Arc::new(Api {
        provider,
        served,
        metrics,
    });
    Router::new()
        .route("/version", get(version))
        .fallback(handle::<P>)
        .with_state(api)
}

async fn version() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let mut parts = version.split('.');
    json(
        StatusCode::OK,
        &serde_json::json!({
            "major": parts.next(),
            "minor": parts.next(),
            "gitVersion": format!("v{version}"),
            "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        }),
    )
}

async fn handle<P: Provider>(State(api): State<Arc<Api<P>>>, request: Request) -> Response {
    let started = Instant::now();
    let (request, _) = request.into_parts();
    let route = path::parse(request.uri.path());
    let kind = match &route {
        Ok(Route::Custom { .. }) => "custom",
        Ok(Route::Groups | Route::Group | Route::Version(_)) => "discovery",
        Err(_) => "other",
    };
    let answer = match route {
        Ok(route) => api.answer(route, &request).await,
        Err(error) => Err(error),
    };
    let response = answer.unwrap_or_else(|error| {
        error.log(request.uri.path());
        error.into_response()
    });
    api.metrics.observe(kind, response.status(), started);
    response
}

impl<P: Provider> Api<P> {
    async fn answer(&self, route: Route, request: &Parts) -> Result<Response, ApiError> {
        if matches!(
            route,
            Route::Group | Route::Version(_) | Route::Custom { .. }
        ) && !self.served.custom
        {
            return Err(ApiError::UnknownPath);
        }
        if request.method != Method::GET {
            return Err(ApiError::MethodNotAllowed);
        }
        let accepted = accept::negotiate(&request.headers)?;
        let documents = Documents {
            provider: self.provider.as_ref(),
            served: self.served,
        };
        let headers = &request.headers;
        match (route, accepted) {
            (Route::Groups, Accepted::Aggregated(version)) => Ok(cacheable(
                headers,
                version.content_type(),
                &documents.aggregated(version),
            )),
            (Route::Groups, Accepted::Json) => {
                Ok(cacheable(headers, "application/json", &documents.groups()))
            }
            (_, Accepted::Aggregated(_)) => Err(ApiError::NotAcceptable),
            (Route::Group, Accepted::Json) => Ok(json(StatusCode::OK, &documents.group())),
            (Route::Version(version), Accepted::Json) => {
                Ok(json(StatusCode::OK, &documents.resources(version)))
            }
            (
                Route::Custom {
                    version,
                    namespace,
                    resource,
                    name,
                    metric,
                },
                Accepted::Json,
            ) => {
                let options = QueryOptions::parse(request.uri.query().unwrap_or_default())?;
                options.check_field_selector(&name)?;
                let target = if name == "*" {
                    Target::Selected(options.label_selector)
                } else {
                    Target::Name(name.into())
                };
                let query = MetricQuery {
                    resource,
                    metric: metric.into(),
                    namespace: namespace.map(Into::into),
                    target,
                    metric_selector: options.metric_selector,
                };
                self.custom(version, query).await
            }
        }
    }

    async fn custom(&self, version: Version, query: MetricQuery) -> Result<Response, ApiError> {
        let (metric, selector) = (Arc::clone(&query.metric), query.metric_selector.clone());
        let values = self.provider.custom(query).await?;
        Ok(match version {
            Version::V1Beta1 => json(StatusCode::OK, &wire::v1beta1(&metric, &selector, &values)),
            Version::V1Beta2 => json(StatusCode::OK, &wire::v1beta2(&metric, &selector, &values)),
        })
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        // Our wire types hold strings, numbers and maps with string keys: this cannot fail.
        Err(error) => {
            warn!("an answer cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An answer with an ETag, or 304 where the caller has it already.
fn cacheable(request: &HeaderMap, content_type: &'static str, value: &impl Serialize) -> Response {
    let mut response = json(StatusCode::OK, value);
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (content_type, &body).hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| value == etag.as_str());
    if known {
        response = (StatusCode::NOT_MODIFIED, Body::empty()).into_response();
    }
    let headers = response.headers_mut();
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    headers.insert(header::VARY, http::HeaderValue::from_static("Accept"));
    response
}

impl AggregatedVersion {
    const fn content_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
        }
    }
}

#[cfg(test)]
mod tests;
