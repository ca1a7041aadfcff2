//! Protobuf and OpenAPI, from the router that the server has.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use metrics_adapter::prometheus::Verb;
use serde_json::Value;
use tower::ServiceExt;

use crate::adapter::Adapter;
use crate::prometheus::Prometheus;

const RULES: &str = r#"
rules:
- seriesQuery: '{__name__="ops",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
"#;

async fn get(adapter: &Adapter, path: &str, accept: &str) -> (StatusCode, String, Vec<u8>) {
    let request = Request::builder().uri(path).header(header::ACCEPT, accept);
    let request = request.body(Body::empty()).unwrap();
    let response = adapter.routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    (parts.status, content_type.unwrap_or_default(), body)
}

#[tokio::test]
async fn the_controller_manager_reads_protobuf_and_the_aggregator_openapi() {
    const CONTROLLER_MANAGER: &str = "application/vnd.kubernetes.protobuf, */*";
    let prometheus = Prometheus::start(&[(r#"ops{namespace="shop",pod="web-0"}"#, "12.5")]).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    adapter.listed(2).await;

    let base = "/apis/custom.metrics.k8s.io/v1beta2";
    let path = format!("{base}/namespaces/shop/pods/web-0/ops");
    let (status, content_type, body) = get(&adapter, &path, CONTROLLER_MANAGER).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(content_type, "application/vnd.kubernetes.protobuf");
    assert!(body.starts_with(b"k8s\0"));
    for part in [
        "MetricValueList",
        "custom.metrics.k8s.io/v1beta2",
        "web-0",
        "12500m",
    ] {
        let mut windows = body.windows(part.len());
        assert!(windows.any(|window| window == part.as_bytes()), "{part}");
    }
    let missing = format!("{base}/namespaces/shop/pods/web-1/ops");
    let (status, content_type, body) = get(&adapter, &missing, CONTROLLER_MANAGER).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(content_type, "application/vnd.kubernetes.protobuf");
    assert!(body.starts_with(b"k8s\0"));

    // Without rules for them, there are no external and no resource metrics.
    let (status, _, body) = get(&adapter, "/openapi/v2", "application/json").await;
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    let mut paths = document["paths"].as_object().unwrap().keys();
    assert!(paths.all(|path| path.starts_with("/apis/custom.metrics.k8s.io/")));
    let (_, _, body) = get(&adapter, "/openapi/v3", "").await;
    let list: Value = serde_json::from_slice(&body).unwrap();
    let entries = list["paths"].as_object().unwrap();
    assert_eq!(entries.len(), 3);
    for entry in entries.values() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert_eq!(
            get(&adapter, url, "application/json").await.0,
            StatusCode::OK
        );
    }
}
