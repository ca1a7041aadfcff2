mod discovery;
mod explanation;
mod external;
mod usage;

use std::sync::Mutex;

use axum::body::Body;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::model::{
    Explanation, ExternalValue, GroupResource, MetricInfo, MetricValue, MetricsApi, NodeUsage,
    ObjectRef, ObjectSourceError, PodUsage, ProviderError, Quantity, UsageQuery,
};

/// Lists two metrics, remembers what it is asked, and answers what the test sets.
struct Fake {
    complete: bool,
    serves: Vec<MetricsApi>,
    list: Vec<MetricInfo>,
    answer: Result<Vec<MetricValue>, ProviderError>,
    external: Result<Vec<ExternalValue>, ProviderError>,
    asked: Mutex<Vec<MetricQuery>>,
    asked_external: Mutex<Vec<ExternalQuery>>,
    explained: Mutex<Vec<ExplainQuery>>,
    asked_usage: Mutex<Vec<UsageQuery>>,
}

impl Provider for Fake {
    fn serves(&self, api: MetricsApi) -> bool {
        self.serves.contains(&api)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        self.list.clone().into()
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        self.list.iter().map(|i| Arc::clone(&i.metric)).collect()
    }

    async fn custom(&self, query: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        self.asked.lock().unwrap().push(query);
        self.answer.clone()
    }

    async fn external(&self, query: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        self.asked_external.lock().unwrap().push(query);
        self.external.clone()
    }

    async fn explain(&self, query: ExplainQuery) -> Explanation {
        self.explained.lock().unwrap().push(query);
        Explanation::new(self.answer.clone().map(|values| values.len()))
    }

    async fn nodes(&self, query: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        usage::nodes(self, query)
    }

    async fn pods(&self, query: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        usage::pods(self, query)
    }
}

fn mk_info(resource: &str, namespaced: bool, metric: &str) -> MetricInfo {
    MetricInfo {
        resource: GroupResource::new("", resource),
        namespaced,
        metric: metric.into(),
    }
}

fn mk_fake() -> Fake {
    let object = ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("shop".into()),
        name: "web-0".into(),
    };
    let value = MetricValue {
        object,
        value: Quantity::from_milli(12_500),
        timestamp: Timestamp::from_millisecond(1_700_000_000_999).unwrap(),
        window: None,
    };
    Fake {
        complete: true,
        serves: group::GROUPS.to_vec(),
        list: vec![
            mk_info("namespaces", false, "ops"),
            mk_info("pods", true, "ops"),
        ],
        answer: Ok(vec![value]),
        external: Ok(Vec::new()),
        asked: Mutex::default(),
        asked_external: Mutex::default(),
        explained: Mutex::default(),
        asked_usage: Mutex::default(),
    }
}

fn mk_metrics() -> Metrics {
    Metrics::register(&mut Registry::default())
}

async fn send(fake: Fake, request: Request) -> (StatusCode, HeaderMap, Value) {
    let response = router(Arc::new(fake), mk_metrics())
        .oneshot(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (parts.status, parts.headers, value)
}

fn get_request(path: &str) -> Request {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

async fn get_json(fake: Fake, path: &str) -> (StatusCode, Value) {
    let (status, _, body) = send(fake, get_request(path)).await;
    (status, body)
}

const V1BETA1: &str = "/apis/custom.metrics.k8s.io/v1beta1";
const V1BETA2: &str = "/apis/custom.metrics.k8s.io/v1beta2";

#[tokio::test]
async fn the_two_versions_name_things_differently() {
    let path = "/namespaces/shop/pods/*/ops";
    let described =
        json!({"kind": "Pod", "namespace": "shop", "name": "web-0", "apiVersion": "v1"});
    let (status, body) = get_json(mk_fake(), &format!("{V1BETA1}{path}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        json!({
            "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [{
                "describedObject": described, "metricName": "ops",
                "timestamp": "2023-11-14T22:13:20Z", "value": "12500m", "selector": null,
            }],
        })
    );
    let (_, body) = get_json(
        mk_fake(),
        &format!("{V1BETA2}{path}?metricLabelSelector=code%3D2xx,zone!%3Da,x+in+(b,c),!y,z"),
    )
    .await;
    assert_eq!(
        body,
        json!({
            "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2",
            "metadata": {},
            "items": [{
                "describedObject": described,
                "metric": {"name": "ops", "selector": {
                    "matchLabels": {"code": "2xx"},
                    "matchExpressions": [
                        {"key": "x", "operator": "In", "values": ["b", "c"]},
                        {"key": "y", "operator": "DoesNotExist"},
                        {"key": "z", "operator": "Exists"},
                        {"key": "zone", "operator": "NotIn", "values": ["a"]},
                    ],
                }},
                "timestamp": "2023-11-14T22:13:20Z", "value": "12500m",
            }],
        })
    );
}

#[tokio::test]
async fn a_request_reaches_the_provider_as_it_was_meant() {
    let fake = Arc::new(mk_fake());
    let routes = router(Arc::clone(&fake), mk_metrics());
    for path in [
        "/namespaces/shop/deployments.apps/web/ops?labelSelector=a",
        "/namespaces/shop/pods/*/ops?labelSelector=app%3Dweb&metricLabelSelector=b",
        "/namespaces/shop/metrics/ops",
    ] {
        let request = get_request(&format!("{V1BETA1}{path}"));
        assert_eq!(
            routes.clone().oneshot(request).await.unwrap().status(),
            StatusCode::OK
        );
    }
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked[0].resource, GroupResource::new("apps", "deployments"));
    assert_eq!(asked[0].target, Target::Name("web".into()));
    assert_eq!(asked[1].namespace.as_deref(), Some("shop"));
    let Target::Selected(selector) = &asked[1].target else {
        panic!("{:?}", asked[1])
    };
    assert_eq!(
        (selector.to_string(), asked[1].metric_selector.to_string()),
        ("app=web".into(), "b".into())
    );
    assert_eq!(
        (asked[2].namespace.as_deref(), &asked[2].target),
        (None, &Target::Name("shop".into()))
    );
}

#[tokio::test]
async fn errors_are_status_objects() {
    let not_found = ProviderError::MetricNotFound {
        metric: "ops".into(),
        described: "pods".into(),
    };
    let upstream = ProviderError::Upstream {
        reason: "internal host".to_owned(),
    };
    let metric = format!("{V1BETA1}/namespaces/shop/pods/*/ops");
    for (fake, path, code, reason, message) in [
        (
            Fake {
                answer: Err(not_found),
                ..mk_fake()
            },
            metric.clone(),
            404,
            "NotFound",
            "the server could not find the metric ops for pods",
        ),
        (
            Fake {
                answer: Err(upstream),
                ..mk_fake()
            },
            metric.clone(),
            500,
            "InternalError",
            "unable to fetch metrics",
        ),
        (
            Fake {
                answer: Err(ProviderError::Timeout),
                ..mk_fake()
            },
            metric.clone(),
            504,
            "Timeout",
            "timed out while fetching metrics",
        ),
        (
            mk_fake(),
            format!("{metric}?labelSelector=a+b"),
            400,
            "BadRequest",
            "labelSelector: unable to parse requirement: found 'b', expected: in, notin, =, ==, \
             !=, gt, lt",
        ),
        (
            mk_fake(),
            format!("{V1BETA1}/namespaces/shop/foo"),
            400,
            "BadRequest",
            "invalid request path",
        ),
        (
            mk_fake(),
            "/apis/nothing".to_owned(),
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
    ] {
        let (status, body) = get_json(fake, &path).await;
        assert_eq!(status.as_u16(), code, "{path}");
        assert_eq!(
            body,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                   "message": message, "reason": reason, "code": code})
        );
    }
}

#[tokio::test]
async fn only_get_is_allowed() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri(V1BETA1)
            .body(Body::empty())
            .unwrap();
        let (status, _, body) = send(mk_fake(), request).await;
        assert_eq!(
            (status.as_u16(), &body["reason"]),
            (405, &json!("MethodNotAllowed")),
            "{method}"
        );
    }
}

#[tokio::test]
async fn legacy_discovery() {
    let (_, body) = get_json(mk_fake(), V1BETA2).await;
    assert_eq!(
        body,
        json!({"kind": "APIResourceList", "apiVersion": "v1",
               "groupVersion": "custom.metrics.k8s.io/v1beta2",
               "resources": [
                   {"name": "namespaces/ops", "singularName": "", "namespaced": false,
                    "kind": "MetricValueList", "verbs": ["get"]},
                   {"name": "pods/ops", "singularName": "", "namespaced": true,
                    "kind": "MetricValueList", "verbs": ["get"]}]})
    );
    let (_, groups) = get_json(mk_fake(), "/apis").await;
    let (_, group) = get_json(mk_fake(), "/apis/custom.metrics.k8s.io").await;
    assert_eq!(groups["groups"][0]["versions"], group["versions"]);
    assert_eq!(group["kind"], "APIGroup");
    assert_eq!(group["preferredVersion"]["version"], "v1beta1");
}

#[tokio::test]
async fn an_empty_list_is_never_served() {
    let (_, body) = get_json(
        Fake {
            list: Vec::new(),
            ..mk_fake()
        },
        V1BETA1,
    )
    .await;
    assert_eq!(body["resources"][0]["name"], "custommetrics");
}

#[tokio::test]
async fn aggregated_discovery_names_every_version_and_has_an_etag() {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = || {
        Request::builder()
            .uri("/apis")
            .header(header::ACCEPT, accept)
    };
    let (status, headers, body) = send(mk_fake(), request().body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status, headers[header::CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, accept)
    );
    assert_eq!(body["apiVersion"], "apidiscovery.k8s.io/v2");
    let versions: Vec<&Value> = body["items"][0]["versions"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let names: Vec<&Value> = versions.iter().map(|v| &v["version"]).collect();
    assert_eq!(names, ["v1beta1", "v1beta2"]);
    let items = body["items"].as_array().unwrap();
    let groups: Vec<&Value> = items.iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(
        groups,
        [
            "custom.metrics.k8s.io",
            "external.metrics.k8s.io",
            "metrics.k8s.io"
        ]
    );
    assert_eq!(
        versions[0]["resources"][1],
        json!({"resource": "pods", "scope": "Namespaced", "singularResource": "", "verbs": [],
               "responseKind": {"group": "", "version": "", "kind": ""},
               "subresources": [{"subresource": "ops", "verbs": ["get"],
                   "responseKind": {"group": "", "version": "", "kind": "MetricValueList"}}]})
    );

    let etag = headers[header::ETAG].clone();
    let again = request()
        .header(header::IF_NONE_MATCH, &etag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(mk_fake(), again).await.0, StatusCode::NOT_MODIFIED);
    let changed = Fake {
        list: Vec::new(),
        ..mk_fake()
    };
    let again = request()
        .header(header::IF_NONE_MATCH, &etag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(changed, again).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_version_document_has_no_aggregated_form() {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = |path: &str| {
        Request::builder()
            .uri(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .unwrap()
    };
    for path in [
        V1BETA1,
        "/apis/custom.metrics.k8s.io",
        "/apis/external.metrics.k8s.io/v1beta1",
        "/apis/metrics.k8s.io",
    ] {
        assert_eq!(
            send(mk_fake(), request(path)).await.0,
            StatusCode::NOT_ACCEPTABLE,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_group_without_rules_does_not_exist() {
    let paths = [
        (MetricsApi::Custom, "custom.metrics.k8s.io"),
        (MetricsApi::External, "external.metrics.k8s.io"),
        (MetricsApi::Resource, "metrics.k8s.io"),
    ];
    for (served, name) in paths {
        let fake = || Fake {
            serves: vec![served],
            ..mk_fake()
        };
        for (api, group) in paths {
            let code = if api == served { 200 } else { 404 };
            for path in [format!("/apis/{group}"), format!("/apis/{group}/v1beta1")] {
                let (status, _) = get_json(fake(), &path).await;
                assert_eq!(status.as_u16(), code, "{path}");
            }
        }
        let (_, body) = get_json(fake(), "/apis").await;
        let groups = body["groups"].as_array().unwrap();
        let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
        assert_eq!(names, [name]);
    }
    let none = Fake {
        serves: Vec::new(),
        ..mk_fake()
    };
    let (_, body) = get_json(none, "/apis").await;
    assert_eq!(body["groups"], json!([]));
}

#[tokio::test]
async fn nothing_is_missing_before_the_list_of_metrics_is_known() {
    let missing = || {
        Err(ProviderError::MetricNotFound {
            metric: "ops".into(),
            described: "pods".to_owned(),
        })
    };
    for (complete, code, reason) in [(false, 503, "ServiceUnavailable"), (true, 404, "NotFound")] {
        let fake = Fake {
            complete,
            answer: missing(),
            ..mk_fake()
        };
        let path = format!("{V1BETA2}/namespaces/shop/pods/*/ops");
        let (status, body) = get_json(fake, &path).await;
        assert_eq!((status.as_u16(), &body["reason"]), (code, &json!(reason)));
        let fake = Fake {
            complete,
            external: Err(missing().unwrap_err()),
            ..mk_fake()
        };
        let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/ops";
        assert_eq!(get_json(fake, path).await.0.as_u16(), code);
    }
}

#[tokio::test]
async fn objects_may_be_listed_soon_or_cannot_be() {
    let resource = GroupResource::new("", "pods");
    let refused = ObjectSourceError::Unwatchable {
        resource: resource.clone(),
        reason: "secret".to_owned(),
    };
    for (error, code, reason) in [
        (
            ObjectSourceError::NotSynced(resource),
            503,
            "ServiceUnavailable",
        ),
        (refused, 500, "InternalError"),
    ] {
        let fake = Fake {
            answer: Err(ProviderError::Objects(error)),
            ..mk_fake()
        };
        let path = format!("{V1BETA2}/namespaces/shop/pods/*/ops");
        let (status, body) = get_json(fake, &path).await;
        assert_eq!((status.as_u16(), &body["reason"]), (code, &json!(reason)));
        assert_eq!(body["message"], "unable to list matching resources");
    }
}
