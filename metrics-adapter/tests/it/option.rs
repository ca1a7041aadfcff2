//! The fields of a rule that prometheus-adapter does not have, against a real Prometheus.

use std::time::Duration;

use jiff::Timestamp;
use metrics_adapter::prometheus::Verb;
use serde_json::Value;

use crate::adapter::Adapter;
use crate::prometheus::{Exposition, Prometheus, expose};

const RULES: &str = r#"
rules:
- &ops
  seriesQuery: ops
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {as: plain}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- {<<: *ops, name: {as: fresh}, maxAge: 1m, window: 1m30s,
   metricsQuery: "max(max_over_time(<<.Series>>{<<.LabelMatchers>>}[10m])) by (<<.GroupBy>>)"}
- {<<: *ops, name: {as: zero}, onMissing: zero}
- {<<: *ops, name: {as: value}, onMissing: {value: 500m}}
- {<<: *ops, name: {as: last}, onMissing: {last: 10m}}
- {<<: *ops, name: {as: error}, onMissing: error}
- &aliases
  <<: *ops
  name: {as: aliases}
  selectorValues:
  - label: path
    values: {checkout: "/api/v1/checkout#eu"}
    replace: [{from: __slash__, to: "/"}]
- &ratio {<<: *ops, seriesQuery: ratio, name: {as: ratio}}
- {<<: *ratio, name: {as: ratio_omit}, onNaN: omit}
- {<<: *ratio, name: {as: ratio_one}, onNaN: {value: 1}}
- {<<: *ratio, name: {as: ratio_error}, onNaN: error}
externalRules:
- &queue
  <<: *ops
  seriesQuery: queue_length
  name: {as: queue}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (queue)"
- {<<: *queue, name: {as: queue_fresh}, maxAge: 1m, window: 30s,
   metricsQuery: "max(max_over_time(<<.Series>>{<<.LabelMatchers>>}[10m]))"}
- {<<: *queue, name: {as: queue_zero}, onMissing: zero}
- {<<: *queue, name: {as: queue_last}, onMissing: {last: 10m}}
- {<<: *queue, name: {as: queue_error}, onMissing: error}
- {<<: *queue, seriesQuery: ratio, name: {as: ratio}}
- {<<: *queue, seriesQuery: ratio, name: {as: ratio_zero}, onNaN: zero}
- {<<: *aliases, seriesQuery: queue_length, name: {as: queue_alias}}
"#;

/// How old the sample of `web-1` is, in seconds.
const OLD: i64 = 90;

async fn mk_adapter() -> (Prometheus, Exposition, Adapter) {
    let old = (Timestamp::now() - Duration::from_secs(OLD.unsigned_abs())).as_millisecond();
    let (target, exposition) = expose(format!(
        r#"ops{{namespace="shop",pod="db-0",path="a/b"}} 3
ops{{namespace="shop",pod="web-0",path="/api/v1/checkout#eu"}} 5
ops{{namespace="shop",pod="web-1",path="c.d"}} 7 {old}
ratio{{namespace="shop",pod="web-0"}} NaN
queue_length{{namespace="shop",queue="a",path="a/b"}} 4
"#
    ));
    let prometheus = Prometheus::start_scraping(&[], Some(target)).await;
    prometheus.wait_for("queue_length").await;
    prometheus.wait_for("ops{pod=\"web-1\"}").await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    // Pods and namespaces of eleven custom rules, and eight external ones.
    adapter.listed(11 * 2 + 8).await;
    (prometheus, exposition, adapter)
}

/// `name=value` of every item, or the message.
fn shown(answer: &(u16, Value)) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let Some(items) = answer.1["items"].as_array() else {
        return vec![format!("{} {}", answer.0, text(&answer.1["message"]))];
    };
    let name = |item: &Value| match &item["describedObject"] {
        Value::Null => text(&item["metricLabels"]["queue"]),
        object => text(&object["name"]),
    };
    let show = |item: &Value| format!("{}={}", name(item), text(&item["value"]));
    items.iter().map(show).collect()
}

async fn custom(adapter: &Adapter, metric: &str) -> Vec<String> {
    let path = format!("custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/{metric}");
    shown(&adapter.get(&path).await)
}

async fn external(adapter: &Adapter, metric: &str) -> Vec<String> {
    let path = format!("external.metrics.k8s.io/v1beta1/namespaces/shop/{metric}");
    shown(&adapter.get(&path).await)
}

#[tokio::test]
async fn a_series_that_is_old_or_no_longer_exposed_is_missing() {
    let (_prometheus, exposition, adapter) = mk_adapter().await;
    assert_eq!(
        custom(&adapter, "plain").await,
        ["db-0=3", "web-0=5", "web-1=7"]
    );
    // One sample is older than a minute.
    assert_eq!(custom(&adapter, "fresh").await, ["db-0=3", "web-0=5"]);
    for metric in ["zero", "value", "last", "error"] {
        assert_eq!(
            custom(&adapter, metric).await,
            ["db-0=3", "web-0=5", "web-1=7"]
        );
    }
    for metric in ["queue", "queue_zero", "queue_last", "queue_error"] {
        assert_eq!(external(&adapter, metric).await, ["a=4"]);
    }
    assert_eq!(external(&adapter, "queue_fresh").await, ["=4"]);

    let fewer: String = exposition
        .lock()
        .unwrap()
        .lines()
        .filter(|line| !line.contains("db-0") && !line.contains("queue"))
        .map(|line| format!("{line}\n"))
        .collect();
    *exposition.lock().unwrap() = fewer;
    for _ in 0..100 {
        if custom(&adapter, "plain").await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let unable = "404 the server could not find the metric error for pods db-0";
    for (metric, expected) in [
        ("plain", &["web-0=5", "web-1=7"][..]),
        // Its query looks back on ten minutes, but the series is gone.
        ("fresh", &["web-0=5"]),
        ("zero", &["db-0=0", "web-0=5", "web-1=7"]),
        ("value", &["db-0=500m", "web-0=5", "web-1=7"]),
        ("last", &["db-0=3", "web-0=5", "web-1=7"]),
        ("error", &[unable]),
    ] {
        assert_eq!(custom(&adapter, metric).await, expected, "{metric}");
    }
    let unable = "404 the server could not find the metric queue_error for namespaces shop";
    for (metric, expected) in [
        ("queue", &[][..]),
        ("queue_fresh", &[]),
        ("queue_zero", &["=0"]),
        ("queue_last", &["a=4"]),
        ("queue_error", &[unable]),
    ] {
        assert_eq!(external(&adapter, metric).await, expected, "{metric}");
    }
    let path = "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/gone/zero";
    let unable = "404 the server could not find the metric zero for pods gone";
    assert_eq!(shown(&adapter.get(path).await), [unable]);
}

#[tokio::test]
async fn time_and_window_are_told() {
    let (_prometheus, _exposition, adapter) = mk_adapter().await;
    let pod = "namespaces/shop/pods/web-0";
    for (path, key, window) in [
        (
            format!("custom.metrics.k8s.io/v1beta1/{pod}/fresh"),
            "window",
            Some(90),
        ),
        (
            format!("custom.metrics.k8s.io/v1beta2/{pod}/fresh"),
            "windowSeconds",
            Some(90),
        ),
        (
            format!("custom.metrics.k8s.io/v1beta2/{pod}/plain"),
            "windowSeconds",
            None,
        ),
        (
            "external.metrics.k8s.io/v1beta1/namespaces/shop/queue_fresh".to_owned(),
            "window",
            Some(30),
        ),
        (
            "external.metrics.k8s.io/v1beta1/namespaces/shop/queue".to_owned(),
            "window",
            None,
        ),
    ] {
        let (status, body) = adapter.get(&path).await;
        let item = &body["items"][0];
        assert_eq!(
            (status, item[key].as_i64()),
            (200, window),
            "{path}: {body}"
        );
        assert_eq!(item.get(key).is_some(), window.is_some(), "{path}: {body}");
        let timestamp: Timestamp = item["timestamp"].as_str().unwrap().parse().unwrap();
        let age = Timestamp::now().duration_since(timestamp).as_secs();
        assert!((0..60).contains(&age), "{path}: {age} s old");
    }
}

#[tokio::test]
async fn nan_is_what_the_rule_says() {
    let (_prometheus, _exposition, adapter) = mk_adapter().await;
    let unable = "500 the metric ratio_error of pods web-0 has no value: NaN is no value";
    for (metric, expected) in [
        ("ratio", &["web-0=0"][..]),
        ("ratio_omit", &[]),
        ("ratio_one", &["web-0=1"]),
        ("ratio_error", &[unable]),
    ] {
        assert_eq!(custom(&adapter, metric).await, expected, "{metric}");
    }
    assert_eq!(external(&adapter, "ratio").await, [""; 0]);
    assert_eq!(external(&adapter, "ratio_zero").await, ["=0"]);
}

#[tokio::test]
async fn aliases_select_what_no_selector_could() {
    let (_prometheus, _exposition, adapter) = mk_adapter().await;
    for (selector, expected) in [
        ("path%3Dcheckout", &["web-0=5"][..]),
        ("path!%3Dcheckout", &["db-0=3", "web-1=7"]),
        ("path+in+(checkout,a__slash__b)", &["db-0=3", "web-0=5"]),
        ("path+notin+(checkout)", &["db-0=3", "web-1=7"]),
        // Literal: the dot is no wildcard.
        ("path+in+(c.d,a.b)", &["web-1=7"]),
    ] {
        let metric = format!("aliases?metricLabelSelector={selector}");
        assert_eq!(custom(&adapter, &metric).await, expected, "{selector}");
    }
    let path = "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/aliases";
    let (_, body) = adapter
        .get(&format!("{path}?metricLabelSelector=path%3Dcheckout"))
        .await;
    // The client's own selector is told back.
    let told = &body["items"][0]["metric"]["selector"]["matchLabels"]["path"];
    assert_eq!(told, "checkout");
    let queue = external(&adapter, "queue_alias?labelSelector=path%3Da__slash__b").await;
    assert_eq!(queue, ["=4"]);
    let queue = external(&adapter, "queue_alias?labelSelector=path%3Dcheckout").await;
    assert_eq!(queue, [""; 0]);
}
