//! What a warm request costs in the API: the router with a provider that has the answer, one part
//! after the other. `cargo bench -p metrics-adapter --bench api`.

#![allow(missing_docs)]

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use futures::FutureExt as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use metrics_adapter::api;
use metrics_adapter::model::{
    ExplainQuery, Explanation, ExternalQuery, ExternalValue, Format, GroupResource, MetricInfo,
    MetricQuery, MetricValue, MetricsApi, NodeUsage, ObjectRef, PodUsage, Provider, ProviderError,
    Quantity, Selector, UsageQuery,
};
use prometheus_client::registry::Registry;
use tower::ServiceExt as _;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Always has the same values.
struct Fixed {
    values: Vec<MetricValue>,
    list: Arc<[MetricInfo]>,
}

impl Fixed {
    /// So many pods, and so many metrics in the list.
    fn new(pods: usize, metrics: usize) -> Self {
        Self {
            values: mk_values(pods),
            list: (0..metrics).map(mk_info).collect(),
        }
    }

    fn router(self) -> Router {
        let metrics = api::Metrics::register(&mut Registry::default());
        api::router(Arc::new(self), metrics)
    }
}

impl Provider for Fixed {
    fn serves(&self, _: MetricsApi) -> bool {
        true
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        Arc::clone(&self.list)
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        Arc::default()
    }

    async fn custom(&self, _: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        Ok(self.values.clone())
    }

    async fn external(&self, _: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        Ok(Vec::new())
    }

    async fn explain(&self, _: ExplainQuery) -> Explanation {
        unreachable!("nothing is explained")
    }

    async fn nodes(&self, _: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        Ok(Vec::new())
    }

    async fn pods(&self, _: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        Ok(Vec::new())
    }
}

fn mk_values(pods: usize) -> Vec<MetricValue> {
    let [api_version, kind, namespace] = ["v1", "Pod", "shop"].map(Arc::<str>::from);
    let value = |pod: usize| MetricValue {
        object: ObjectRef {
            api_version: Arc::clone(&api_version),
            kind: Arc::clone(&kind),
            namespace: Some(Arc::clone(&namespace)),
            name: format!("web-6d4b75cb6d-{pod:05}").into(),
        },
        value: Quantity::from_milli(12_500 + 37 * i64::try_from(pod).expect("pods are few")),
        timestamp: Timestamp::UNIX_EPOCH,
        window: None,
    };
    (0..pods).map(value).collect()
}

fn mk_info(metric: usize) -> MetricInfo {
    MetricInfo {
        resource: GroupResource::new("", "pods"),
        namespaced: true,
        metric: format!("http_requests_{metric:06}_per_second").into(),
    }
}

/// What is asked: the version, the encoding, and how many objects have the metric.
#[derive(Clone, Copy)]
struct Ask {
    version: &'static str,
    accept: &'static str,
    pods: usize,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            accept,
            pods,
        } = self;
        let encoding = accept.rsplit(['/', '.']).next().unwrap_or_default();
        write!(f, "{version} {encoding} {pods}")
    }
}

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const ASKS: [Ask; 9] = {
    const fn ask(version: &'static str, accept: &'static str, pods: usize) -> Ask {
        Ask {
            version,
            accept,
            pods,
        }
    }
    [
        ask("v1beta1", JSON, 1),
        ask("v1beta1", JSON, 20),
        ask("v1beta1", JSON, 100),
        ask("v1beta2", JSON, 1),
        ask("v1beta2", JSON, 20),
        ask("v1beta2", JSON, 100),
        ask("v1beta2", PROTOBUF, 1),
        ask("v1beta2", PROTOBUF, 20),
        ask("v1beta2", PROTOBUF, 100),
    ]
};

/// As the HPA controller asks for a Pods metric.
fn request(ask: Ask) -> Request<Body> {
    let Ask {
        version, accept, ..
    } = ask;
    let accept = match accept {
        PROTOBUF => "application/vnd.kubernetes.protobuf,application/json",
        other => other,
    };
    Request::builder()
        .uri(format!(
            "/apis/custom.metrics.k8s.io/{version}/namespaces/shop/pods/*/http_requests_per_second\
             ?labelSelector=app%3Dweb%2Ctier+in+%28a%2Cb%29"
        ))
        .header("accept", accept)
        .header("user-agent", "kube-controller-manager/v1.36.0")
        .body(Body::empty())
        .expect("the request is well-formed")
}

/// The answer's length. Nothing in it waits.
fn answer(router: Router, request: Request<Body>) -> usize {
    let answered = async {
        let response = router.oneshot(request).await.expect("it cannot fail");
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await;
        body.expect("it is in memory").to_bytes().len()
    };
    answered.now_or_never().expect("the answer is in memory")
}

/// The provider's own part of what is below.
#[divan::bench(args = [1, 20, 100])]
fn provider(bencher: Bencher<'_, '_>, pods: usize) {
    let fixed = Fixed::new(pods, 1);
    bencher.bench(|| fixed.values.clone());
}

#[divan::bench(args = ASKS)]
fn values(bencher: Bencher<'_, '_>, ask: Ask) {
    let router = Fixed::new(ask.pods, 1).router();
    bencher
        .counter(ItemsCount::new(ask.pods))
        .with_inputs(|| (router.clone(), request(ask)))
        .bench_values(|(router, request)| answer(router, request));
}

#[divan::bench(args = [10, 1_000, 10_000])]
fn discovery(bencher: Bencher<'_, '_>, metrics: usize) {
    let router = Fixed::new(1, metrics).router();
    let request = || Request::get("/apis/custom.metrics.k8s.io/v1beta1").body(Body::empty());
    bencher
        .with_inputs(|| {
            (
                router.clone(),
                request().expect("the request is well-formed"),
            )
        })
        .bench_values(|(router, request)| answer(router, request));
}

/// The document of a list that nobody has asked for yet.
#[divan::bench(args = [10, 1_000, 10_000], sample_count = 20)]
fn first_discovery(bencher: Bencher<'_, '_>, metrics: usize) {
    let request = || Request::get("/apis/custom.metrics.k8s.io/v1beta1").body(Body::empty());
    bencher
        .with_inputs(|| {
            let router = Fixed::new(1, metrics).router();
            (router, request().expect("the request is well-formed"))
        })
        .bench_values(|(router, request)| answer(router, request));
}

#[divan::bench]
fn selector_parse() -> Selector {
    let text = black_box("app=web,tier in (a,b),!canary");
    Selector::parse(text).expect("it is a selector")
}

#[divan::bench]
fn selector_match(bencher: Bencher<'_, '_>) {
    let selector = Selector::parse("app=web,tier in (a,b),!canary").expect("it is a selector");
    let labels = [("app", "web"), ("pod-template-hash", "1"), ("tier", "b")];
    bencher.bench(|| {
        black_box(&selector).matches(|wanted| {
            let found = labels.iter().find(|(key, _)| *key == wanted);
            found.map(|(_, value)| *value)
        })
    });
}

#[divan::bench(args = [0, 500, 12_500, 1_500_000, 67_108_864_000])]
fn quantity_write(milli: i64) -> String {
    Quantity::from_milli(milli)
        .with_format(Format::BinarySi)
        .to_string()
}

#[divan::bench(args = ["0", "12500m", "1k", "64Mi"])]
fn quantity_parse(text: &str) -> Quantity {
    text.parse().expect("it is a quantity")
}
