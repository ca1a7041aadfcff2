//! Values, from the rules file to the API's JSON.

use metrics_adapter::prometheus::Verb;
use serde_json::Value;

use crate::adapter::Adapter;
use crate::prometheus::Prometheus;

const BASE: &str = "custom.metrics.k8s.io/v1beta2";

/// The show-case's rule, and one whose series query is not PromQL.
const RULES: &str = r#"
rules:
- seriesQuery: '{__name__=~"^pod:.*:rate30s$",pod!=""'
  resources: {overrides: {pod: {resource: pod}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- seriesQuery: '{__name__=~"^pod:.*:rate30s$",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^pod:(.*):rate30s$", as: "${1}_per_second"}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
"#;

const SAMPLES: &[(&str, &str)] = &[
    (
        r#"pod:ops:rate30s{namespace="shop",pod="web-0",code="2xx"}"#,
        "12.5",
    ),
    (
        r#"pod:ops:rate30s{namespace="shop",pod="web-0",code="5xx"}"#,
        "0.5",
    ),
    (
        r#"pod:ops:rate30s{namespace="shop",pod="db-0",code="2xx"}"#,
        "3",
    ),
    (
        r#"pod:ops:rate30s{namespace="other",pod="web-1",code="2xx"}"#,
        "100",
    ),
];

/// `name=value` of every item, or the message.
async fn values(adapter: &Adapter, path: &str) -> (u16, Vec<String>) {
    let (status, body) = adapter.get(&format!("{BASE}{path}")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let values = match body["items"].as_array() {
        Some(items) => items
            .iter()
            .map(|i| {
                format!(
                    "{}={}",
                    text(&i["describedObject"]["name"]),
                    text(&i["value"])
                )
            })
            .collect(),
        None => vec![text(&body["message"])],
    };
    (status, values)
}

#[tokio::test]
async fn answers_what_prometheus_recorded() {
    let prometheus = Prometheus::start(SAMPLES).await;
    for verb in [Verb::Post, Verb::Get] {
        let adapter = Adapter::start(RULES, &prometheus.url(), verb);
        adapter.listed(2).await;
        let metric = "ops_per_second";
        for (path, expected) in [
            (
                format!("/namespaces/shop/pods/*/{metric}"),
                vec!["db-0=3", "web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?labelSelector=app%3Dweb"),
                vec!["web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/web-0/{metric}"),
                vec!["web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?metricLabelSelector=code%3D5xx"),
                vec!["web-0=500m"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?metricLabelSelector=code+in+(2xx)"),
                vec!["db-0=3", "web-0=12500m"],
            ),
            (
                format!("/namespaces/shop/metrics/{metric}"),
                vec!["shop=16"],
            ),
            (
                format!("/namespaces/other/metrics/{metric}"),
                vec!["other=100"],
            ),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(values(&adapter, &path).await, (200, expected), "{path}");
        }
        let (status, message) =
            values(&adapter, &format!("/namespaces/shop/pods/web-1/{metric}")).await;
        let expected = "the server could not find the metric ops_per_second for pods web-1";
        assert_eq!((status, message), (404, vec![expected.to_owned()]));
    }
}

#[tokio::test]
async fn a_rule_that_prometheus_refuses_is_told_and_harms_no_other() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    adapter.listed(2).await;
    let health = adapter.state.health();
    let error = health[0].error.as_deref().unwrap_or_default();
    assert!(
        error.contains("400") && error.contains("bad_data"),
        "{error}"
    );
    assert_eq!((health[0].last_success, &health[1].error), (None, &None));
}

#[tokio::test]
async fn prometheus_gone_and_back() {
    let mut prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    adapter.listed(2).await;
    let path = "/namespaces/shop/pods/web-0/ops_per_second";
    assert_eq!(values(&adapter, path).await.0, 200);
    prometheus.stop();
    assert_eq!(
        values(&adapter, path).await,
        (500, vec!["unable to fetch metrics".to_owned()])
    );
    // The list stays: discovery never depends on Prometheus.
    let (status, list) = adapter.get(BASE).await;
    assert_eq!(
        (status, list["resources"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    prometheus.start_again(SAMPLES[0].0).await;
    assert_eq!(values(&adapter, path).await.0, 200);
}
