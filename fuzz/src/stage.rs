//! The adapter's layers as `app` puts them together, between a reviewer and a provider that
//! remember what they are asked.

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use metrics_adapter::api;
use metrics_adapter::auth::{self, AuthLayer, Trust};
use metrics_adapter::model::review::{
    AccessAttributes, Cause, Decision, ReviewError, Reviewer, UserInfo,
};
use metrics_adapter::model::{
    ExplainQuery, Explanation, ExternalQuery, ExternalValue, GroupResource, MetricInfo,
    MetricQuery, MetricValue, MetricsApi, NodeUsage, PodUsage, Provider, ProviderError, UsageQuery,
};
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower::{Layer as _, ServiceExt as _};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

static API_METRICS: LazyLock<api::Metrics> =
    LazyLock::new(|| api::Metrics::register(&mut Registry::default()));

static AUTH_METRICS: LazyLock<auth::Metrics> =
    LazyLock::new(|| auth::Metrics::register(&mut Registry::default()));

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// What the provider was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Served {
    Custom(MetricQuery),
    External(ExternalQuery),
    Explained(ExplainQuery),
    Nodes(UsageQuery),
    Pods(UsageQuery),
}

/// Allows everything and everybody; what it answers, the test sets.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) asked: Mutex<Vec<(UserInfo, AccessAttributes)>>,
    pub(crate) served: Mutex<Vec<Served>>,
    pub(crate) custom: Vec<MetricValue>,
    pub(crate) external: Vec<ExternalValue>,
    pub(crate) nodes: Vec<NodeUsage>,
    pub(crate) pods: Vec<PodUsage>,
}

impl Reviewer for Stage {
    async fn authorize(
        &self,
        user: &UserInfo,
        attributes: &AccessAttributes,
        _cause: Cause,
    ) -> Result<Decision, ReviewError> {
        let question = (user.clone(), attributes.clone());
        self.asked.lock().unwrap().push(question);
        Ok(Decision {
            allowed: true,
            reason: String::new(),
        })
    }

    /// Tokens are their owners' names.
    async fn authenticate(
        &self,
        token: &str,
        _cause: Cause,
    ) -> Result<Option<UserInfo>, ReviewError> {
        Ok(Some(UserInfo {
            name: format!("token:{token}"),
            ..UserInfo::default()
        }))
    }
}

impl Stage {
    fn note(&self, served: Served) {
        self.served.lock().unwrap().push(served);
    }
}

impl Provider for Stage {
    fn serves(&self, _: MetricsApi) -> bool {
        true
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        let info = |resource: &str, namespaced| MetricInfo {
            resource: GroupResource::new("", resource),
            namespaced,
            metric: "ops".into(),
        };
        [info("namespaces", false), info("pods", true)].into()
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        ["queue".into()].into()
    }

    async fn custom(&self, query: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        self.note(Served::Custom(query));
        Ok(self.custom.clone())
    }

    async fn external(&self, query: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        self.note(Served::External(query));
        Ok(self.external.clone())
    }

    async fn explain(&self, query: ExplainQuery) -> Explanation {
        self.note(Served::Explained(query));
        Explanation::new(Ok(0))
    }

    /// For one object, any usage will do.
    async fn nodes(&self, query: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        let name = one(&query);
        self.note(Served::Nodes(query));
        answer(&self.nodes, name, "nodes")
    }

    async fn pods(&self, query: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        let name = one(&query);
        self.note(Served::Pods(query));
        answer(&self.pods, name, "pods")
    }
}

fn one(query: &UsageQuery) -> Option<String> {
    match query {
        UsageQuery::One { name, .. } => Some(name.to_string()),
        UsageQuery::List { .. } => None,
    }
}

fn answer<T: Clone>(
    all: &[T],
    name: Option<String>,
    resource: &str,
) -> Result<Vec<T>, ProviderError> {
    match name {
        None => Ok(all.to_vec()),
        Some(name) => match all.first() {
            Some(first) => Ok(vec![first.clone()]),
            None => Err(ProviderError::ObjectNotFound {
                resource: GroupResource::new("", resource),
                name,
            }),
        },
    }
}

/// A whole answer.
pub(crate) type Answer = Response<bytes::Bytes>;

async fn collect(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// The API alone.
pub(crate) fn api(stage: &Arc<Stage>) -> Router {
    api::router(Arc::clone(stage), API_METRICS.clone())
}

pub(crate) fn send(router: Router, request: Request<Body>) -> Answer {
    block_on(async { collect(router.oneshot(request).await.unwrap()).await })
}

/// The API behind authentication and authorization.
pub(crate) fn send_gated(
    stage: &Arc<Stage>,
    router: Router,
    trust: Option<Arc<Trust>>,
    request: Request<Body>,
) -> Answer {
    let (_keep, trust) = watch::channel(trust);
    let options = auth::Options {
        cache_capacity: std::num::NonZeroUsize::MIN,
        always_allow_paths: ["/healthz", "/readyz", "/livez", "/open/*"]
            .map(str::to_owned)
            .to_vec(),
        ..auth::Options::default()
    };
    let gate = AuthLayer::new(trust, Arc::clone(stage), &options, AUTH_METRICS.clone());
    block_on(async { collect(gate.layer(router).oneshot(request).await.unwrap()).await })
}
