//! Corners that were recorded from a running prometheus-adapter, over the whole way.

use metrics_adapter::discovery::Listing;
use metrics_adapter::prometheus::Verb;
use serde_json::{Value, json};

use crate::adapter::{Adapter, get_as};
use crate::kubernetes::Kubernetes;
use crate::prometheus::Prometheus;

const RULES: &str = r#"
rules:
- &good
  seriesQuery: '{__name__=~"^c_.*"}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, dep: {group: a, resource: Deployment}}}
  name: {as: same}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- {<<: *good, name: {matches: "^c_(.)$", as: "a/$1"}}
- {<<: *good, name: {as: outside}, metricsQuery: "x<<index .GroupBySlice 3>>"}
- {<<: *good, name: {as: nothing}, metricsQuery: "<<if false>>x<<end>>"}
externalRules:
- {seriesQuery: '{__name__=~"^c_.*"}', metricsQuery: "<<.Series>>{<<.LabelMatchers>>}"}
"#;

const SAMPLES: &[(&str, &str)] = &[
    (r#"c_a{namespace="shop",pod="a",dep="w"}"#, "1"),
    (r#"c_b{namespace="shop",pod="a",dep="w"}"#, "2"),
    (r#"c_b{namespace="shop",pod="b",dep="w"}"#, "3"),
];

const KINDS: [(&str, &str, &str, bool); 4] = [
    ("", "pods", "Pod", true),
    ("", "namespaces", "Namespace", false),
    ("apps", "deployments", "Deployment", true),
    ("networking.k8s.io", "ingresses", "Ingress", true),
];

const BASE: &str = "custom.metrics.k8s.io/v1beta2/namespaces/shop";

#[tokio::test]
async fn paths_and_rules_have_the_corners_of_prometheus_adapter() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let (cluster, _stop) = Kubernetes::new(&KINDS).cluster().await;
    let kinds = cluster.kinds();
    let (url, form) = (prometheus.url(), Listing::Full);
    let adapter = Adapter::start_with(RULES, &url, Verb::Post, form, cluster, kinds);
    // Three resources with five names, and two external metrics.
    adapter.listed(17).await;
    let build = "unable to build a query for the metric";
    for (path, code, expected) in [
        // Within a rule the later series, by name, wins.
        ("pods/a/same", 200, "2"),
        ("pods/*/same", 200, "2 3"),
        ("pods/*/same/", 200, "2 3"),
        ("pods//same", 200, "2 3"),
        ("pods/%2A/same", 200, "2 3"),
        ("metrics/same", 200, "5"),
        ("metrics/same/x", 200, "5"),
        // Of a repeated parameter the first one counts, and its name as it is written.
        (
            "pods/*/same?labelSelector=app%3Dweb&labelSelector=app%3Ddb",
            200,
            "2",
        ),
        ("pods/*/same?labelselector=app%3Dweb", 200, "2 3"),
        (
            "pods/*/same?labelSelector=app%3Dweb;x&limit=1&watch=true",
            200,
            "2 3",
        ),
        ("pods/*/same?%zz&labelSelector=app%3Dweb", 200, "2"),
        ("pods/*/same?timeout=1", 400, "timeout: "),
        (
            "pods/*/same?fieldSelector=metadata.name%3Da",
            400,
            "fieldSelector",
        ),
        ("pods/*/same?fieldSelector=spec.x%3Da", 400, "fieldSelector"),
        (
            "pods/*/same?metricLabelSelector=x.y%3Da",
            400,
            "metric selector",
        ),
        (
            "pods/*/same?metricLabelSelector=x%3E1",
            400,
            "metric selector",
        ),
        // Names of resources: any case, singular or plural, a prefix of the group.
        ("pod/a/same", 200, "2"),
        ("PODS/a/same", 200, "2"),
        ("deployment/w/same", 200, "5"),
        ("deployments.a/w/same", 200, "5"),
        ("deployments.apps/w/same", 200, "5"),
        ("po/a/same", 404, ""),
        ("pods.v1/a/same", 404, ""),
        ("pods.core/a/same", 404, ""),
        ("deployments.APPS/w/same", 404, ""),
        ("ingresses.networking/w/same", 404, ""),
        // A slash in a metric's name is an encoded one.
        ("pods/*/a%2Fb", 200, "2 3"),
        ("pods/*/a/b", 404, ""),
        ("status/a/b", 404, ""),
        ("finalize/a/b", 404, ""),
        ("foo", 400, "invalid request path"),
        // A rule that fails at the time of a query harms no other.
        ("pods/*/outside", 500, build),
        ("pods/*/nothing", 500, build),
        (
            "pods/c/same",
            404,
            "the server could not find the metric same for pods c",
        ),
    ] {
        let (status, body) = adapter.get(&format!("{BASE}/{path}")).await;
        let found = match body["items"].as_array() {
            Some(items) => items
                .iter()
                .map(|item| item["value"].as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" "),
            None => body["message"].as_str().unwrap().to_owned(),
        };
        assert_eq!(status, code, "{path}: {body}");
        if code == 200 {
            assert_eq!(found, expected, "{path}");
        } else {
            assert!(found.starts_with(expected), "{path}: {found}");
        }
    }
    // No label says what a namespace is, and the rule looks at it.
    let path = "external.metrics.k8s.io/v1beta1/namespaces/shop/c_a";
    let (status, body) = adapter.get(path).await;
    assert_eq!(status, 500, "{body}");
    // Resource rules there are none.
    assert_eq!(adapter.get("metrics.k8s.io/v1beta1/nodes").await.0, 404);
    let collisions = adapter.state.catalog().collisions().len();
    assert_eq!(
        collisions,
        3 * 3,
        "{:?}",
        adapter.state.catalog().collisions()
    );

    for accept in [
        "application/*",
        "text/html",
        "APPLICATION/JSON",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    ] {
        let path = format!("{BASE}/pods/*/same");
        let (status, body): (u16, Value) = get_as(adapter.routes.clone(), &path, accept).await;
        assert_eq!(
            (status, &body["reason"]),
            (406, &json!("NotAcceptable")),
            "{accept}"
        );
    }
}
