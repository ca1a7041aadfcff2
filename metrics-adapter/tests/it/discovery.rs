//! The two forms of discovery, with many metrics.

use metrics_adapter::discovery::Listing;
use metrics_adapter::prometheus::Verb;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::adapter::{Adapter, PODS};
use crate::cluster::Cluster;
use crate::prometheus::Prometheus;

const RULES: &str = r#"
rules:
- seriesQuery: '{__name__=~"^ops_.*"}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
externalRules:
- seriesQuery: '{__name__=~"^ops_.*"}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
resourceRules: {}
"#;

const SAMPLES: &[(&str, &str)] = &[
    (r#"ops_a{namespace="shop",pod="web-0"}"#, "1"),
    (r#"ops_b{namespace="shop",pod="web-0"}"#, "2"),
];

async fn names(adapter: &Adapter, version: &str) -> Vec<String> {
    let (status, list) = adapter.get(version).await;
    assert_eq!(status, 200, "{version}");
    let resources = list["resources"].as_array().unwrap();
    let names = resources.iter().map(|r| r["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_compact_form_is_the_same_whatever_there_is() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let start = |form| {
        let kinds = watch::channel(0).1;
        Adapter::start_with(
            RULES,
            &prometheus.url(),
            Verb::Post,
            form,
            Cluster(PODS),
            kinds,
        )
    };
    let full = start(Listing::Full);
    full.listed(6).await;
    let versions = [
        ("custom.metrics.k8s.io/v1beta1", "custommetrics", 4),
        ("custom.metrics.k8s.io/v1beta2", "custommetrics", 4),
        ("external.metrics.k8s.io/v1beta1", "externalmetrics", 2),
    ];
    for (version, _, number) in versions {
        assert_eq!(names(&full, version).await.len(), number, "{version}");
    }
    let compact = start(Listing::Compact);
    let aggregated = |adapter: &Adapter| {
        let routes = adapter.routes.clone();
        async move {
            let accept =
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
            crate::adapter::get_as(routes, "", accept).await
        }
    };
    let before = aggregated(&compact).await;
    compact.listed(6).await;
    assert_eq!(aggregated(&compact).await, before);
    for (version, entry, _) in versions {
        assert_eq!(names(&compact, version).await, [entry], "{version}");
    }
    let (_, before) = before;
    let groups: Vec<Value> = before["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["versions"].as_array().unwrap())
        .map(|version| {
            let resources = version["resources"].as_array().unwrap();
            let entry = |resource: &Value| {
                assert_eq!(resource["subresources"], Value::Null);
                json!([resource["resource"], resource["scope"], resource["verbs"]])
            };
            resources.iter().map(entry).collect()
        })
        .collect();
    let custom = json!([["custommetrics", "Namespaced", ["get"]]]);
    let external = json!([["externalmetrics", "Namespaced", ["get"]]]);
    // metrics.k8s.io is never changed.
    let usage = json!([
        ["nodes", "Cluster", ["get", "list"]],
        ["pods", "Namespaced", ["get", "list"]]
    ]);
    assert_eq!(groups, [custom.clone(), custom, external, usage]);

    // Values are served all the same.
    let path = "custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/web-0/ops_b";
    let (status, body) = compact.get(path).await;
    assert_eq!((status, &body["items"][0]["value"]), (200, &json!("2")));
    let path = "external.metrics.k8s.io/v1beta1/namespaces/shop/ops_a";
    let (status, body) = compact.get(path).await;
    assert_eq!((status, &body["items"][0]["value"]), (200, &json!("1")));
}
