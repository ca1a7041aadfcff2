//! The HTTP face of the metrics APIs: paths, options, documents and wire types.
//!
//! Every answer comes from a [`Provider`] or from memory. Errors become `Status` objects in one
//! place ([`status`]), and wire types become bytes in one place (`respond`). Who may ask was
//! decided before a request gets here.

mod accept;
mod discovery;
mod explanation;
mod group;
mod metrics;
mod openapi;
mod options;
mod path;
mod respond;
pub mod status;
mod usage;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use http::request::Parts;
use tokio::time::Instant;

pub use metrics::Metrics;

use crate::auth::query::{self, Explain};
use crate::model::{ExplainQuery, ExternalQuery, MetricQuery, Provider, ProviderError, Target};
use accept::{AggregatedVersion, Encoding, Form, Negotiated, Offer, negotiate};
use discovery::{Page, Pages};
use group::GroupVersion;
use metrics::Subject;
use options::{CustomOptions, ListOptions, Parameters};
use path::Route;
use respond::{document, text};
use status::ApiError;
use usage::UsageRequest;
use wire::custom::{V1Beta1, V1Beta2, Values};
use wire::external;

struct Api<P> {
    provider: Arc<P>,
    metrics: Metrics,
    openapi: openapi::Shelf,
    pages: Pages,
}

/// The routes below `/apis` and `/openapi`, `/version`, and `Status` objects for everything unknown.
pub fn router<P: Provider>(provider: Arc<P>, metrics: Metrics) -> Router {
    let api = Arc::new(Api {
        provider,
        metrics,
        openapi: openapi::Shelf::default(),
        pages: Pages::default(),
    });
    Router::new()
        .route("/version", get(version))
        .fallback(handle::<P>)
        .with_state(api)
}

/// The kind of path that a path is, if it is one of the metrics APIs': what a request's span is named
/// by.
#[must_use]
pub fn route(path: &str) -> Option<String> {
    path::parse(path).ok().map(|route| route.template())
}

async fn version() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let mut parts = version.split('.');
    let version = serde_json::json!({
        "major": parts.next(),
        "minor": parts.next(),
        "gitVersion": format!("v{version}"),
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    text(Encoding::Json, &version)
}

async fn handle<P: Provider>(State(api): State<Arc<Api<P>>>, request: Request) -> Response {
    let started = Instant::now();
    let (request, _) = request.into_parts();
    let route = path::parse(request.uri.path());
    let explain = query::explain(request.uri.query().unwrap_or_default());
    let subject = match &route {
        // In whatever spelling: such requests are no HPA's.
        Ok(_) if explain != Explain::No => Subject::Explanation,
        Ok(Route::Custom { .. }) => Subject::Custom,
        Ok(Route::External { .. }) => Subject::External,
        Ok(Route::Nodes { .. } | Route::Pods { .. }) => Subject::Resource,
        Ok(Route::Groups | Route::Group(_) | Route::Version(_)) => Subject::Discovery,
        Ok(Route::OpenApi(_)) => Subject::OpenApi,
        Err(_) => Subject::Other,
    };
    let answer = match route {
        Ok(route) => api.answer(route, &request, explain).await,
        Err(error) => Err(error),
    };
    let response = answer.unwrap_or_else(|error| {
        error.log(request.uri.path());
        error.respond(&request.headers)
    });
    api.metrics.observe(subject, response.status(), started);
    response
}

impl<P: Provider> Api<P> {
    async fn answer(
        &self,
        route: Route,
        request: &Parts,
        explain: Explain,
    ) -> Result<Response, ApiError> {
        if route.api().is_some_and(|api| !self.provider.serves(api)) {
            return Err(ApiError::UnknownPath);
        }
        if request.method != Method::GET {
            return Err(ApiError::MethodNotAllowed);
        }
        let provider = self.provider.as_ref();
        let page = |page, encoding| self.pages.get(provider, page, encoding);
        let headers = &request.headers;
        let parameters = || Parameters::read(request.uri.query().unwrap_or_default());
        let is_explained = explanation::is_asked_for(explain, &route, request.uri.path())?;
        match route {
            Route::Groups => {
                let Negotiated { form, encoding } = negotiate(headers, Offer::Groups)?;
                let wanted = match form {
                    Form::Aggregated(version) => Page::Aggregated(version),
                    _ => Page::Groups,
                };
                Ok(page(wanted, encoding).await.respond(headers))
            }
            Route::Group(api) => {
                let Negotiated { encoding, .. } = negotiate(headers, Offer::Plain)?;
                Ok(page(Page::Group(api), encoding).await.respond(headers))
            }
            Route::Version(version) => {
                let Negotiated { encoding, .. } = negotiate(headers, Offer::Plain)?;
                Ok(page(Page::Version(version), encoding)
                    .await
                    .respond(headers))
            }
            Route::OpenApi(document) => {
                let served = |api| self.provider.serves(api);
                let documents = self.openapi.get(served);
                documents.answer(&document, request, parameters()?)
            }
            Route::Custom {
                version,
                namespace,
                resource,
                name,
                metric,
            } => {
                let Negotiated { encoding, .. } = negotiate(headers, Offer::Plain)?;
                let options = CustomOptions::read(parameters()?, name.as_deref())?;
                let target = match name {
                    None => Target::Selected(options.labels),
                    Some(name) => Target::Name(name),
                };
                let query = MetricQuery {
                    resource,
                    metric,
                    namespace,
                    target,
                    metric_selector: options.metric,
                };
                if is_explained {
                    return Ok(self.explain(ExplainQuery::Custom(query), encoding).await);
                }
                self.custom(version, query, encoding).await
            }
            Route::External { namespace, metric } => {
                let Negotiated { encoding, .. } = negotiate(headers, Offer::Plain)?;
                let query = ExternalQuery {
                    namespace,
                    metric,
                    selector: ListOptions::read(parameters()?)?.labels,
                };
                if is_explained {
                    return Ok(self.explain(ExplainQuery::External(query), encoding).await);
                }
                let metric = Arc::clone(&query.metric);
                let values = self.provider.external(query).await;
                let values = values.map_err(|error| self.judge(error))?;
                Ok(document(encoding, &external::values(&metric, &values)))
            }
            Route::Nodes { name } => {
                let UsageRequest { query, form } =
                    UsageRequest::read(request, parameters()?, None, name)?;
                Ok(form.respond(&self.provider.nodes(query).await?))
            }
            Route::Pods { namespace, name } => {
                let UsageRequest { query, form } =
                    UsageRequest::read(request, parameters()?, namespace, name)?;
                Ok(form.respond(&self.provider.pods(query).await?))
            }
        }
    }

    /// Before Prometheus was first asked nobody knows whether a metric is missing.
    fn judge(&self, error: ProviderError) -> ApiError {
        match error {
            ProviderError::MetricNotFound { .. } if !self.provider.is_complete() => {
                ProviderError::NotReady.into()
            }
            error => error.into(),
        }
    }

    async fn custom(
        &self,
        version: GroupVersion,
        query: MetricQuery,
        encoding: Encoding,
    ) -> Result<Response, ApiError> {
        let (metric, selector) = (Arc::clone(&query.metric), query.metric_selector.clone());
        let values = self.provider.custom(query).await;
        let values = values.map_err(|error| self.judge(error))?;
        Ok(match version {
            GroupVersion::CustomV1Beta2 => document(
                encoding,
                &Values::<V1Beta2>::new(&metric, &selector, &values),
            ),
            _ => document(
                encoding,
                &Values::<V1Beta1>::new(&metric, &selector, &values),
            ),
        })
    }
}

impl AggregatedVersion {
    /// What stands behind the media type.
    const fn parameters(self) -> &'static str {
        match self {
            Self::V2 => ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        }
    }
}

#[cfg(test)]
mod tests;
