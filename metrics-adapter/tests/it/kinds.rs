//! Kinds of objects: those that come while the adapter runs, and those without namespaces.

use std::time::Duration;

use metrics_adapter::discovery::Listing;
use metrics_adapter::prometheus::Verb;
use serde_json::Value;

use crate::adapter::Adapter;
use crate::kubernetes::Kubernetes;
use crate::prometheus::Prometheus;

const BASE: &str = "custom.metrics.k8s.io/v1beta1";

const RULES: &str = r#"
rules:
- seriesQuery: '{__name__=~"^ops_.*"}'
  resources:
    overrides:
      namespace: {resource: namespace}
      node: {resource: node}
      pv: {resource: persistentvolume}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- seriesQuery: '{__name__=~"^ops_.*"}'
  resources: {overrides: {namespace: {resource: namespace}, dairy: {group: example.com, resource: dairy}}}
  name: {as: "d_$0"}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- seriesQuery: '{__name__=~"^ops_.*"}'
  resources: {template: "<<.Resource>>"}
  name: {as: "t_$0"}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
"#;

const CORE: [(&str, &str, &str, bool); 4] = [
    ("", "pods", "Pod", true),
    ("", "namespaces", "Namespace", false),
    ("", "nodes", "Node", false),
    ("", "persistentvolumes", "PersistentVolume", false),
];

const DAIRIES: (&str, &str, &str, bool) = ("example.com", "dairies", "Dairy", false);

const SAMPLES: &[(&str, &str)] = &[
    (r#"ops_node{node="a",namespace="shop"}"#, "1"),
    (r#"ops_node{node="b",namespace="shop"}"#, "2"),
    (r#"ops_volume{pv="a"}"#, "3"),
    (r#"ops_widget{widget="a",namespace="shop"}"#, "4"),
    (r#"ops_dairy{dairy="a"}"#, "5"),
    (r#"ops_dairy{dairy="b"}"#, "6"),
    (r#"ops_both{dairy="a",namespace="shop"}"#, "7"),
];

/// `name=value` of every item, or the code.
async fn values(adapter: &Adapter, path: &str) -> String {
    let (status, body) = adapter.get(&format!("{BASE}/{path}")).await;
    let item = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{}={}",
            text(&item["describedObject"]["name"]),
            text(&item["value"])
        )
    };
    match body["items"].as_array() {
        Some(items) => items.iter().map(item).collect::<Vec<_>>().join(" "),
        None => status.to_string(),
    }
}

async fn eventually(adapter: &Adapter, path: &str, expected: &str) {
    let mut found = String::new();
    for _ in 0..100 {
        found = values(adapter, path).await;
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} is {found} after 10 s, not {expected}");
}

#[tokio::test]
async fn a_kind_that_comes_later_is_served_without_a_restart() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let kubernetes = Kubernetes::new(
        &[
            CORE.as_slice(),
            &[("apps", "deployments", "Deployment", true)],
        ]
        .concat(),
    );
    let (cluster, _stop) = kubernetes.cluster().await;
    let kinds = cluster.kinds();
    let (url, form) = (prometheus.url(), Listing::Full);
    let adapter = Adapter::start_with(RULES, &url, Verb::Post, form, cluster, kinds);
    eventually(&adapter, "nodes/*/ops_node", "a=1 b=2").await;
    let widgets = "namespaces/shop/widgets.example.com/*/t_ops_widget";
    let dairy = "namespaces/shop/dairies.example.com/a/d_ops_both";
    for path in [widgets, dairy] {
        assert_eq!(values(&adapter, path).await, "404", "{path}");
    }
    // The next relist is a minute away.
    kubernetes.serve(("example.com", "widgets", "Widget", true));
    eventually(&adapter, widgets, "a=4").await;
    // A rule that was refused because of an unknown override lives now.
    kubernetes.serve(DAIRIES);
    eventually(&adapter, dairy, "a=7").await;
    let (_, list) = adapter.get(BASE).await;
    let names: Vec<&Value> = list["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["name"])
        .collect();
    assert!(
        names.contains(&&Value::from("widgets.example.com/t_ops_widget")),
        "{names:?}"
    );
    // Three answers, and otherwise "as before".
    assert_eq!(kubernetes.asked(200), 3);
    assert!(kubernetes.asked(304) > 3);
}

#[tokio::test]
async fn kinds_without_namespaces_are_found_by_name_and_selector() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let kubernetes = Kubernetes::new(&[CORE.as_slice(), &[DAIRIES]].concat());
    let (cluster, _stop) = kubernetes.cluster().await;
    let kinds = cluster.kinds();
    let (url, form) = (prometheus.url(), Listing::Full);
    let adapter = Adapter::start_with(RULES, &url, Verb::Post, form, cluster, kinds);
    for (path, expected) in [
        // The three kinds that are never namespaced.
        ("nodes/*/ops_node", "a=1 b=2"),
        ("nodes/b/ops_node", "b=2"),
        ("nodes/*/ops_node?labelSelector=app%3Dweb", "a=1"),
        ("nodes/*/ops_node?labelSelector=app%3Dnone", "404"),
        ("namespaces/shop/nodes/*/ops_node", "404"),
        ("namespaces/shop/nodes/a/ops_node", "404"),
        ("persistentvolumes/*/ops_volume", "a=3"),
        ("persistentvolumes/a/ops_volume", "a=3"),
        ("namespaces/shop/metrics/ops_node", "shop=3"),
        // Others are listed as namespaced: a name works where the series has a namespace, and
        // nothing is in a namespace to be selected.
        ("namespaces/shop/dairies.example.com/a/d_ops_both", "a=7"),
        ("namespaces/shop/dairies.example.com/a/d_ops_dairy", "404"),
        ("namespaces/shop/dairies.example.com/*/d_ops_both", "404"),
        // By their own path they work as well.
        ("dairies.example.com/*/d_ops_dairy", "a=5 b=6"),
        (
            "dairies.example.com/*/d_ops_dairy?labelSelector=app%3Ddb",
            "b=6",
        ),
        ("dairies.example.com/b/d_ops_dairy", "b=6"),
        ("dairies.example.com/a/d_ops_both", "a=7"),
        // Kinds with namespaces have no such path, and what does not exist has none.
        ("pods/*/ops_node", "404"),
        ("teapots/*/ops_node", "404"),
        ("namespaces/shop/teapots/*/ops_node", "404"),
    ] {
        eventually(&adapter, path, expected).await;
    }
    let (_, list) = adapter.get(BASE).await;
    let namespaced = |name: &str| {
        let resources = list["resources"].as_array().unwrap();
        let found = resources.iter().find(|resource| resource["name"] == name);
        found.map(|resource| resource["namespaced"].as_bool().unwrap())
    };
    assert_eq!(namespaced("nodes/ops_node"), Some(false));
    assert_eq!(namespaced("persistentvolumes/ops_volume"), Some(false));
    assert_eq!(namespaced("dairies.example.com/d_ops_dairy"), Some(true));
}
