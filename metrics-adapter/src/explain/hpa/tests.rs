//! An HPA in a cluster of documents.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::cluster::tests::Documents;
use super::super::document::API_VERSION;
use super::super::style::Style;
use super::*;

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue";
const USAGE: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn mk_hpa(metrics: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web", "namespace": "shop", "uid": "x", "managedFields": [] },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 1, "maxReplicas": 10, "metrics": metrics,
        },
        "status": status,
    })
}

fn pods_metric(target: &str) -> Value {
    json!({ "type": "Pods", "pods": {
        "metric": { "name": "rps" },
        "target": { "type": "AverageValue", "averageValue": target },
    }})
}

fn mk_pod(name: &str, phase: &str) -> Value {
    let requests = json!({ "resources": { "requests": { "cpu": "100m" } }, "name": "app" });
    let ready = json!({
        "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-31T10:00:00Z",
    });
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [requests] },
        "status": { "phase": phase, "startTime": "2026-01-31T10:00:00Z", "conditions": [ready] },
    })
}

/// The Deployment `web` of so many replicas, and pods.
fn mk_cluster(hpa: &Value, replicas: i32, pods: &[Value]) -> Documents {
    let kinds = json!({ "resources": [
        { "name": "deployments", "kind": "Deployment" },
        { "name": "deployments/scale", "kind": "Scale" },
    ]});
    let scale = json!({
        "spec": { "replicas": replicas },
        "status": { "replicas": replicas, "selector": "app=web" },
    });
    let path = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web";
    Documents::default()
        .with(path, 200, hpa)
        .with("/apis/apps/v1", 200, &kinds)
        .with(
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            200,
            &scale,
        )
        .with(
            "/api/v1/namespaces/shop/pods",
            200,
            &json!({ "items": pods }),
        )
}

/// Values by object, with an explanation that has nothing to say.
fn with_values(documents: Documents, path: &str, values: &[(&str, &str)]) -> Documents {
    let items: Vec<Value> = values
        .iter()
        .map(|(object, value)| {
            json!({
                "describedObject": { "kind": "Pod", "name": object },
                "value": value, "timestamp": "2026-01-31T11:59:55Z",
            })
        })
        .collect();
    let explanation = json!({
        "apiVersion": API_VERSION, "kind": "Explanation",
        "outcome": { "code": 200, "message": "values" },
    });
    documents
        .with(&format!("{path}?explain=true"), 200, &explanation)
        .with(path, 200, &json!({ "items": items }))
}

fn status(desired: i32, usage: &str, conditions: &Value) -> Value {
    json!({
        "currentReplicas": desired, "desiredReplicas": desired, "conditions": conditions,
        "currentMetrics": [{ "type": "Pods", "pods": {
            "metric": { "name": "rps" }, "current": { "averageValue": usage },
        }}],
    })
}

async fn explained(documents: &Documents) -> Report {
    explain(documents, "shop", "web", now()).await.unwrap()
}

#[tokio::test]
async fn a_mean_within_the_tolerance_agrees() {
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(2, "42", &json!([])));
    let pods = ["web-0", "web-1"].map(|name| mk_pod(name, "Running"));
    let documents = mk_cluster(&hpa, 2, &pods);
    let path = format!("{CUSTOM}/pods/*/rps");
    let documents = with_values(documents, &path, &[("web-0", "41"), ("web-1", "43")]);
    let report = explained(&documents).await;
    assert_eq!(report.verdict.word, Word::Agrees, "{:?}", report.verdict);
    let metric = &report.metrics[0];
    assert_eq!(
        (metric.usage.as_deref(), metric.status.as_deref()),
        (Some("42"), Some("42"))
    );
    assert_eq!((metric.ratio, metric.is_tolerated), (Some(1.05), true));
    let text = text(&report, Style::Plain);
    let first = text.lines().next().unwrap();
    assert_eq!(first, "hpa/web in shop: agrees with its status: 2 replicas");
}

#[tokio::test]
async fn a_pod_without_a_value_speaks_against_a_change() {
    // 2 of 3 pods at 60 instead of 40: with 0 for the third one it is 40 on average.
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(3, "60", &json!([])));
    let pods = ["web-0", "web-1", "web-2"].map(|name| mk_pod(name, "Running"));
    let path = format!("{CUSTOM}/pods/*/rps");
    let values = [("web-0", "60"), ("web-1", "60")];
    let documents = with_values(mk_cluster(&hpa, 3, &pods), &path, &values);
    let report = explained(&documents).await;
    assert_eq!(
        (report.wanted, report.verdict.word),
        (Some(3), Word::Agrees)
    );
    assert_eq!(report.metrics[0].missing, ["web-2"]);
    // A pod that is pending is no pod without a value.
    let pods = [
        mk_pod("web-0", "Running"),
        mk_pod("web-1", "Running"),
        mk_pod("web-2", "Pending"),
    ];
    let documents = with_values(mk_cluster(&hpa, 3, &pods), &path, &values);
    assert_eq!(explained(&documents).await.metrics[0].unready, ["web-2"]);
}

#[tokio::test]
async fn what_has_moved_since_differs() {
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(2, "40", &json!([])));
    let pods = ["web-0", "web-1"].map(|name| mk_pod(name, "Running"));
    let path = format!("{CUSTOM}/pods/*/rps");
    let values = [("web-0", "90"), ("web-1", "90")];
    let documents = with_values(mk_cluster(&hpa, 2, &pods), &path, &values);
    let report = explained(&documents).await;
    assert_eq!(
        (report.wanted, report.verdict.word),
        (Some(5), Word::Differs)
    );
    let words = "5 replicas are due, its status says 2: pods/rps is 90 now, and was 40";
    assert!(
        report.verdict.message.starts_with(words),
        "{}",
        report.verdict.message
    );
}

#[tokio::test]
async fn of_several_metrics_the_largest_counts() {
    let external = json!({ "type": "External", "external": {
        "metric": { "name": "queue" }, "target": { "type": "AverageValue", "averageValue": "10" },
    }});
    let object = json!({ "type": "Object", "object": {
        "describedObject": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "metric": { "name": "hits" }, "target": { "type": "Value", "value": "100" },
    }});
    let cpu = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 },
    }});
    let metrics = json!([pods_metric("40"), external, object, cpu]);
    let hpa = mk_hpa(&metrics, &json!({ "desiredReplicas": 6 }));
    let pods = ["web-0", "web-1"].map(|name| mk_pod(name, "Running"));
    let usage = ["web-0", "web-1"].map(|name| {
        json!({
            "metadata": { "name": name }, "timestamp": "2026-01-31T11:59:50Z", "window": "30s",
            "containers": [{ "name": "app", "usage": { "cpu": "75m", "memory": "1Mi" } }],
        })
    });
    let documents = mk_cluster(&hpa, 2, &pods).with(USAGE, 200, &json!({ "items": usage }));
    let values = [("web-0", "40"), ("web-1", "40")];
    let documents = with_values(documents, &format!("{CUSTOM}/pods/*/rps"), &values);
    let documents = with_values(documents, EXTERNAL, &[("", "35"), ("", "25")]);
    let path = format!("{CUSTOM}/deployments.apps/web/hits");
    let documents = with_values(documents, &path, &[("web", "250")]);
    let report = explained(&documents).await;
    let asked: Vec<Option<i32>> = report
        .metrics
        .iter()
        .map(|metric| metric.replicas)
        .collect();
    assert_eq!(asked, [Some(2), Some(6), Some(5), Some(3)]);
    assert_eq!(
        (report.wanted, report.verdict.word),
        (Some(6), Word::Agrees)
    );
    let usage: Vec<&str> = report
        .metrics
        .iter()
        .filter_map(|one| one.usage.as_deref())
        .collect();
    assert_eq!(usage, ["40", "30", "250", "75 %"]);
}

#[tokio::test]
async fn a_metric_without_values_is_the_cause() {
    let condition = json!([{ "type": "ScalingActive", "status": "False",
        "reason": "FailedGetPodsMetric", "message": "no metrics returned" }]);
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(2, "0", &condition));
    let pods = [mk_pod("web-0", "Running")];
    let explanation = json!({
        "apiVersion": API_VERSION, "kind": "Explanation",
        "outcome": { "code": 404, "message": "the server could not find the metric" },
        "cause": { "reason": "LabelNotMapped", "message": "no label of it names pods" },
    });
    let path = format!("{CUSTOM}/pods/*/rps?explain=true");
    let documents = mk_cluster(&hpa, 2, &pods).with(&path, 200, &explanation);
    let report = explained(&documents).await;
    assert_eq!(report.verdict.word, Word::Fails);
    let text = text(&report, Style::Plain);
    assert!(
        text.starts_with("hpa/web in shop: cannot scale: pods/rps: no label of it names pods\n"),
        "{text}"
    );
}

#[tokio::test]
async fn whoever_may_not_explain_sees_the_arithmetic() {
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(2, "42", &json!([])));
    let pods = ["web-0", "web-1"].map(|name| mk_pod(name, "Running"));
    let path = format!("{CUSTOM}/pods/*/rps");
    let refused = json!({ "message": "User \"bob\" cannot get path \"/explain/x\"" });
    let forbidden =
        |documents: Documents| documents.with(&format!("{path}?explain=true"), 403, &refused);
    let values = [("web-0", "41"), ("web-1", "43")];
    let documents = with_values(mk_cluster(&hpa, 2, &pods), &path, &values);
    let report = explained(&forbidden(documents)).await;
    assert_eq!(report.verdict.word, Word::Agrees, "{:?}", report.verdict);
    let shown = text(&report, Style::Plain);
    assert!(
        shown.contains("not explained: RBAC does not allow"),
        "{shown}"
    );
    // Without the values nothing is known, which is not the HPA's fault.
    let report = explained(&forbidden(mk_cluster(&hpa, 2, &pods))).await;
    assert_eq!(report.verdict.word, Word::Unseen);
    let shown = text(&report, Style::Plain);
    let begin = "hpa/web in shop: cannot be judged: pods/rps: RBAC does not allow to explain it";
    assert!(shown.starts_with(begin), "{shown}");
}

#[tokio::test]
async fn whoever_may_not_read_usage_judges_nothing() {
    let cpu = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 },
    }});
    let hpa = mk_hpa(&json!([cpu]), &json!({ "desiredReplicas": 1 }));
    let pods = [mk_pod("web-0", "Running")];
    for (status, word) in [(403, Word::Unseen), (404, Word::Fails)] {
        let said = json!({ "message": "no" });
        let documents = mk_cluster(&hpa, 1, &pods).with(USAGE, status, &said);
        let verdict = explained(&documents).await.verdict;
        assert_eq!(verdict.word, word, "{verdict:?}");
    }
}

#[tokio::test]
async fn each_direction_has_its_tolerance() {
    for (value, replicas) in [("43", Some(3)), ("37", Some(2)), ("41", Some(2))] {
        let mut hpa = mk_hpa(&json!([pods_metric("40")]), &Value::Null);
        hpa["status"] = json!({});
        hpa["spec"]["behavior"] = json!({
            "scaleUp": { "tolerance": "50m" }, "scaleDown": { "tolerance": "200m" },
        });
        let pods = ["web-0", "web-1"].map(|name| mk_pod(name, "Running"));
        let path = format!("{CUSTOM}/pods/*/rps");
        let values = [("web-0", value), ("web-1", value)];
        let documents = with_values(mk_cluster(&hpa, 2, &pods), &path, &values);
        let metric = explained(&documents).await.metrics.swap_remove(0);
        assert_eq!(metric.replicas, replicas, "{value}");
        assert_eq!(metric.is_tolerated, replicas == Some(2), "{value}");
    }
}

#[tokio::test]
async fn metrics_of_one_name_have_their_own_status() {
    let queue = |label: &str| {
        let selector = json!({ "matchLabels": { "queue": label } });
        json!({ "type": "External", "external": {
            "metric": { "name": "queue", "selector": selector },
            "target": { "type": "Value", "value": "10" },
        }})
    };
    let current = |value: &str| {
        json!({ "type": "External", "external": {
            "metric": { "name": "queue" }, "current": { "value": value },
        }})
    };
    let status = json!({ "desiredReplicas": 1, "currentMetrics": [current("3"), current("7")] });
    let hpa = mk_hpa(&json!([queue("a"), queue("b")]), &status);
    let documents = mk_cluster(&hpa, 1, &[mk_pod("web-0", "Running")]);
    let documents = with_values(documents, EXTERNAL, &[("", "5")]);
    let report = explained(&documents).await;
    let said: Vec<Option<&str>> = report
        .metrics
        .iter()
        .map(|metric| metric.status.as_deref())
        .collect();
    assert_eq!(said, [Some("3"), Some("7")]);
}

#[tokio::test]
async fn texts_of_others_move_no_cursor() {
    let evil = "\u{1b}[2J\nhpa/web in shop: agrees";
    let condition = json!([{ "type": "AbleToScale", "status": "False", "reason": "R",
        "message": evil }]);
    let hpa = mk_hpa(&json!([pods_metric("40")]), &status(2, "0", &condition));
    let explanation = json!({
        "apiVersion": API_VERSION, "kind": "Explanation",
        "outcome": { "code": 404, "message": evil },
        "cause": { "reason": "PrometheusFails", "message": evil },
        "queries": [{ "purpose": "values", "promql": evil, "source": "asked", "maxAgeSeconds": 5.0 }],
    });
    let path = format!("{CUSTOM}/pods/*/rps?explain=true");
    let documents = mk_cluster(&hpa, 2, &[mk_pod("web-0", "Running")]);
    let report = explained(&documents.with(&path, 200, &explanation)).await;
    let text = text(&report, Style::Plain);
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}[2J"),
        "{text}"
    );
    let forged = text
        .lines()
        .skip(1)
        .find(|line| line.starts_with("hpa/web"));
    assert_eq!(forged, None, "{text}");
}

#[tokio::test]
async fn whoever_may_not_read_is_told_what() {
    let path = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web";
    let refused = json!({ "kind": "Status", "message": "horizontalpodautoscalers is forbidden" });
    let documents = Documents::default().with(path, 403, &refused);
    let refusal = explain(&documents, "shop", "web", now()).await.unwrap_err();
    let words = "the HPA cannot be read: horizontalpodautoscalers is forbidden (status 403)";
    assert_eq!(refusal.cause, words);
}
