//! External metrics against a real Prometheus.

use metrics_adapter::prometheus::Verb;
use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::prometheus::Prometheus;

const RULES: &str = r#"
externalRules:
- &queue
  seriesQuery: '{__name__="queue_length"}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: "<<.Series>>{<<.LabelMatchers>>}"
- {<<: *queue, name: {as: everywhere}, 
   resources: {namespaced: false, overrides: {namespace: {resource: namespace}}},
   metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}
- {<<: *queue, name: {as: scalar}, metricsQuery: "scalar(sum(<<.Series>>{<<.LabelMatchers>>}))"}
- {<<: *queue, name: {as: matrix}, metricsQuery: "<<.Series>>{<<.LabelMatchers>>}[1m]"}
- {<<: *queue, name: {as: text}, metricsQuery: '"<<.Series>>"'}
- {<<: *queue, name: {as: odd}, metricsQuery: "odd{<<.LabelMatchers>>}"}
"#;

const SAMPLES: &[(&str, &str)] = &[
    (r#"queue_length{namespace="shop",queue="a"}"#, "12.5"),
    (r#"queue_length{namespace="shop",queue="b"}"#, "3"),
    (r#"queue_length{namespace="other",queue="a"}"#, "100"),
    (r#"odd{namespace="shop",kind="nan"}"#, "NaN"),
    (r#"odd{namespace="shop",kind="inf"}"#, "+Inf"),
    (r#"odd{namespace="shop",kind="huge"}"#, "1e19"),
    (r#"odd{namespace="shop",kind="good"}"#, "-1.5"),
];

/// `labels value` of every item, or the message.
async fn values(adapter: &Adapter, path: &str) -> (u16, Vec<String>) {
    let path = format!("external.metrics.k8s.io/v1beta1/namespaces/{path}");
    let (status, body) = adapter.get(&path).await;
    let values = match body["items"].as_array() {
        Some(items) => items
            .iter()
            .map(|item| {
                let labels = item["metricLabels"].as_object();
                let labels: Vec<String> = labels
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
                    .collect();
                format!("{} {}", labels.join(","), item["value"].as_str().unwrap())
            })
            .collect(),
        None => vec![body["message"].as_str().unwrap_or_default().to_owned()],
    };
    (status, values)
}

#[tokio::test]
async fn external_metrics_are_vectors_and_scalars() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    adapter.listed(6).await;
    let a = "__name__=queue_length,namespace=shop,queue=a 12500m";
    let b = "__name__=queue_length,namespace=shop,queue=b 3";
    let failed = "unable to fetch metrics";
    for (path, code, expected) in [
        ("shop/queue_length", 200, vec![a, b]),
        ("shop/queue_length?labelSelector=queue%3Da", 200, vec![a]),
        ("shop/queue_length?labelSelector=queue!%3Da", 200, vec![b]),
        ("shop/queue_length?labelSelector=queue%3Dnone", 200, vec![]),
        ("nowhere/queue_length", 200, vec![]),
        ("nowhere/everywhere", 200, vec![" 115500m"]),
        ("shop/scalar", 200, vec![" 15500m"]),
        // Of no series at all it is NaN.
        ("nowhere/scalar", 200, vec![]),
        ("shop/matrix", 500, vec![failed]),
        ("shop/text", 500, vec![failed]),
        (
            "shop/odd",
            200,
            vec!["__name__=odd,kind=good,namespace=shop -1500m"],
        ),
        (
            "shop/nosuch",
            404,
            vec!["the server could not find the metric nosuch for namespaces shop"],
        ),
    ] {
        let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        let (status, mut found) = values(&adapter, path).await;
        found.sort();
        assert_eq!((status, found), (code, expected), "{path}");
    }
}

#[tokio::test]
async fn only_the_groups_with_rules_exist() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    adapter.listed(6).await;
    let (_, groups) = adapter.get("").await;
    let names: Vec<&Value> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| &group["name"])
        .collect();
    assert_eq!(names, ["external.metrics.k8s.io"]);
    let (status, list) = adapter.get("external.metrics.k8s.io/v1beta1").await;
    assert_eq!(status, 200);
    assert_eq!(
        list["resources"][0],
        json!({"name": "everywhere", "singularName": "", "namespaced": true,
               "kind": "ExternalMetricValueList", "verbs": ["get"]})
    );
    for path in [
        "custom.metrics.k8s.io/v1beta1",
        "metrics.k8s.io/v1beta1/nodes",
    ] {
        assert_eq!(adapter.get(path).await.0, 404, "{path}");
    }
}
