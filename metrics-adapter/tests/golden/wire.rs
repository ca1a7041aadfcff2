//! Answers in protobuf and JSON against the serializers of k8s.io/apimachinery, and the choice
//! between them against that of k8s.io/apiserver: asked over the router, from a provider that
//! answers what the case says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use metrics_adapter::api;
use metrics_adapter::model::{
    Amount, ExplainQuery, Explanation, ExternalQuery, ExternalValue, Format, GroupResource,
    IndexedObject, MetricInfo, MetricQuery, MetricValue, MetricsApi, NodeUsage, ObjectRef,
    PodUsage, Provider, ProviderError, Quantity, Usage, UsageQuery,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tower::ServiceExt;

use crate::{read, text};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Answers what a case says.
struct Stub(Mutex<Value>);

impl Stub {
    fn case(&self) -> Value {
        let case = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        case.clone()
    }

    fn items<T>(&self, item: impl Fn(&Value) -> T) -> Result<Vec<T>, ProviderError> {
        let case = self.case();
        let metric = case["metric"].as_str().unwrap_or_default();
        let missing = |group: &str, resource: &str| ProviderError::ObjectNotFound {
            resource: GroupResource::new(group, resource),
            name: metric.to_owned(),
        };
        match case["answer"].as_str().unwrap() {
            "status/pod" => Err(missing("", "pods")),
            "status/podmetrics" => Err(missing("metrics.k8s.io", "podmetrics")),
            "status/metric" => Err(ProviderError::MetricNotFound {
                metric: metric.into(),
                described: "pods".to_owned(),
            }),
            _ => Ok(case["items"].as_array().unwrap().iter().map(item).collect()),
        }
    }
}

impl Provider for Stub {
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

    async fn custom(&self, _: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        self.items(|item| MetricValue {
            object: ObjectRef {
                api_version: string(&item["apiVersion"]),
                kind: string(&item["kind"]),
                namespace: namespace(item),
                name: string(&item["name"]),
            },
            value: Quantity::from_milli(item["milli"].as_i64().unwrap()),
            timestamp: timestamp(item),
            window: window(item),
        })
    }

    async fn external(&self, _: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        self.items(|item| ExternalValue {
            labels: (!item["labels"].is_null()).then(|| labels(item).into_iter().collect()),
            value: Quantity::from_milli(item["milli"].as_i64().unwrap()),
            timestamp: timestamp(item),
            window: window(item),
        })
    }

    async fn explain(&self, _: ExplainQuery) -> Explanation {
        unreachable!("nothing is explained")
    }

    async fn nodes(&self, _: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        self.items(|item| usage(item, amount(&item["usage"][""])))
    }

    async fn pods(&self, _: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        self.items(|item| {
            let containers = item["usage"].as_object().into_iter().flatten();
            let amounts: BTreeMap<Arc<str>, Amount> = containers
                .map(|(name, usage)| (name.as_str().into(), amount(usage)))
                .collect();
            usage(item, amounts)
        })
    }
}

fn string(value: &Value) -> Arc<str> {
    value.as_str().unwrap_or_default().into()
}

fn namespace(item: &Value) -> Option<Arc<str>> {
    item.get("namespace").map(string)
}

fn timestamp(item: &Value) -> Timestamp {
    // What is below a second is cut off.
    Timestamp::new(item["seconds"].as_i64().unwrap(), 999_000_000).unwrap()
}

fn window(item: &Value) -> Option<Duration> {
    item["window"].as_u64().map(Duration::from_millis)
}

fn labels(item: &Value) -> Vec<(Arc<str>, Arc<str>)> {
    let labels = item["labels"].as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.as_str().into(), string(value)))
        .collect()
}

fn amount(usage: &Value) -> Amount {
    let quantity = |index: usize| Quantity::from_milli(usage[index].as_i64().unwrap());
    Amount {
        cpu: quantity(0),
        memory: quantity(1).with_format(Format::BinarySi),
    }
}

fn usage<A>(item: &Value, amount: A) -> Usage<A> {
    Usage {
        object: IndexedObject {
            namespace: namespace(item),
            name: string(&item["name"]),
            labels: labels(item).into(),
        },
        timestamp: timestamp(item),
        window: window(item).unwrap(),
        amount,
    }
}

/// Path, and what stands behind the media type in `Accept`.
fn request(case: &Value) -> (String, &'static str) {
    let encode = |text: &Value| {
        utf8_percent_encode(text.as_str().unwrap_or_default(), NON_ALPHANUMERIC).to_string()
    };
    let (metric, selector) = (encode(&case["metric"]), encode(&case["selector"]));
    let custom = |version: &str| {
        format!(
            "custom.metrics.k8s.io/{version}/namespaces/shop/pods/*/{metric}?metricLabelSelector={selector}"
        )
    };
    let nodes = "metrics.k8s.io/v1beta1/nodes";
    let pods = "metrics.k8s.io/v1beta1/namespaces/shop/pods";
    let (path, parameters) = match case["answer"].as_str().unwrap() {
        "custom/v1beta1" => (custom("v1beta1"), ""),
        "custom/v1beta2" | "status/metric" => (custom("v1beta2"), ""),
        "external" => (
            format!("external.metrics.k8s.io/v1beta1/namespaces/shop/{metric}"),
            "",
        ),
        "nodes" => (nodes.to_owned(), ""),
        "node" => (format!("{nodes}/n1"), ""),
        "partials/v1" => (
            nodes.to_owned(),
            ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        ),
        "partials/v1beta1" => (
            nodes.to_owned(),
            ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1",
        ),
        "partial/v1" => (
            format!("{nodes}/n1"),
            ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        ),
        "partial/v1beta1" => (
            format!("{nodes}/n1"),
            ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1",
        ),
        "pods" => (pods.to_owned(), ""),
        "pod" | "status/pod" | "status/podmetrics" => (format!("{pods}/web-0"), ""),
        "groups" => (String::new(), ""),
        "group" => ("custom.metrics.k8s.io".to_owned(), ""),
        "resources/custom" => ("custom.metrics.k8s.io/v1beta2".to_owned(), ""),
        "resources/external" => ("external.metrics.k8s.io/v1beta1".to_owned(), ""),
        "resources/resource" => ("metrics.k8s.io/v1beta1".to_owned(), ""),
        "aggregated/v2" => (
            String::new(),
            ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
        "aggregated/v2beta1" => (
            String::new(),
            ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        ),
        other => panic!("unknown answer {other:?}"),
    };
    (format!("/apis/{path}"), parameters)
}

async fn ask(routes: &axum::Router, path: &str, accept: &str) -> (StatusCode, String, Vec<u8>) {
    let request = Request::builder().uri(path).header(header::ACCEPT, accept);
    let request = request.body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let content_type = parts.headers[header::CONTENT_TYPE].to_str().unwrap();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, content_type.to_owned(), body.to_vec())
}

fn mk_routes(stub: &Arc<Stub>) -> axum::Router {
    api::router(
        Arc::clone(stub),
        api::Metrics::register(&mut Registry::default()),
    )
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn answers_are_written_as_kubernetes_writes_them() {
    let (_, cases) = read("wire");
    let stub = Arc::new(Stub(Mutex::new(Value::Null)));
    let routes = mk_routes(&stub);
    let mut compared = 0;
    for case in &cases {
        *stub.0.lock().unwrap() = case.clone();
        let answer = case["answer"].as_str().unwrap();
        let (path, parameters) = request(case);
        let (expected, json) = (case["protobuf"].as_str().unwrap(), &case["json"]);
        let expected_json: Value = serde_json::from_str(json.as_str().unwrap()).unwrap();

        let (status, content_type, body) =
            ask(&routes, &path, &format!("{PROTOBUF}{parameters}")).await;
        assert_eq!(
            status.is_success(),
            !answer.starts_with("status/"),
            "{case}"
        );
        assert_eq!(hexadecimal(&body), expected, "{case}");
        assert!(content_type.starts_with(PROTOBUF), "{content_type}: {case}");

        let (_, content_type, body) =
            ask(&routes, &path, &format!("application/json{parameters}")).await;
        assert!(
            content_type.starts_with("application/json"),
            "{content_type}: {case}"
        );
        let body = String::from_utf8(body).unwrap();
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told, expected_json, "{case}");
        let discovery = ["group", "resources", "aggregated"];
        if !discovery.iter().any(|prefix| answer.starts_with(prefix)) {
            // Go escapes what a browser could take for markup, and ends with a new line.
            let go = json.as_str().unwrap().trim_end();
            let go = go.replace("\\u003c", "<").replace("\\u003e", ">");
            assert_eq!(body, go.replace("\\u0026", "&"), "{case}");
        }

        let (_, content_type, body) =
            ask(&routes, &path, &format!("application/yaml{parameters}")).await;
        assert!(
            content_type.starts_with("application/yaml"),
            "{content_type}: {case}"
        );
        let told: Value = serde_saphyr::from_slice(&body).unwrap();
        assert_eq!(told, expected_json, "{case}");
        compared += 1;
    }
    assert!(compared > 150, "only {compared}");
}

#[tokio::test]
async fn the_encoding_is_chosen_as_kubernetes_chooses_it() {
    let (_, cases) = read("accept");
    let stub = Arc::new(Stub(Mutex::new(Value::Null)));
    let routes = mk_routes(&stub);
    for case in &cases {
        let path = "/apis/custom.metrics.k8s.io";
        let (status, content_type, _) = ask(&routes, path, text(case, 0)).await;
        let ours = status.is_success().then_some(content_type.as_str());
        assert_eq!(ours, case[1].as_str(), "{case}");
    }
}
