//! The true cause in the first lines, for whatever the way to the adapter is broken by.

use serde_json::{Value, json};

use super::super::cluster::tests::Documents;
use super::*;

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps?explain=true";
const SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io";

fn mk_metric(resource: &str, which: Which) -> Metric {
    Metric {
        subject: Subject::Objects {
            resource: resource.to_owned(),
            which,
        },
        namespace: "shop".to_owned(),
        metric: "rps".to_owned(),
        metric_selector: String::new(),
    }
}

fn pods() -> Metric {
    mk_metric("pods", Which::Selector("app=web".to_owned()))
}

#[test]
fn paths_are_those_of_an_hpa() {
    let name = |name: &str| Which::Name(name.to_owned());
    for (metric, path) in [
        (pods(), "namespaces/shop/pods/*/rps"),
        (
            mk_metric("deployments.apps", name("web")),
            "namespaces/shop/deployments.apps/web/rps",
        ),
        (
            mk_metric("namespaces", Which::Selector(String::new())),
            "namespaces/shop/metrics/rps",
        ),
        (mk_metric("nodes", name("n/1")), "nodes/n%2F1/rps"),
    ] {
        let expected = format!("/apis/custom.metrics.k8s.io/v1beta2/{path}");
        assert_eq!(metric.path(), expected);
    }
    assert_eq!(pods().parameters(), ["labelSelector=app%3Dweb"]);
    let external = Metric {
        subject: Subject::External,
        metric_selector: "queue in (a,b)".to_owned(),
        ..pods()
    };
    assert!(external.path().ends_with("/v1beta1/namespaces/shop/rps"));
    assert_eq!(
        external.parameters(),
        ["labelSelector=queue%20in%20%28a%2Cb%29"]
    );
}

fn api_service(status: &str, reason: &str, message: &str) -> Value {
    let condition = json!({
        "type": "Available", "status": status, "reason": reason, "message": message,
    });
    json!({ "status": { "conditions": [condition] } })
}

#[tokio::test]
async fn the_first_lines_tell_why_there_is_no_answer() {
    let said = |message: &str| json!({ "kind": "Status", "message": message });
    let unavailable = said("service unavailable");
    let x509 = "failing or missing response from https://10.0.0.9:443/apis: x509: certificate \
                signed by unknown authority";
    for (documents, expected) in [
        (
            Documents::default(),
            &["there is no APIService v1beta2.custom.metrics.k8s.io"][..],
        ),
        (
            Documents::default().with(PODS, 503, &unavailable).with(
                SERVICE,
                200,
                &api_service("False", "FailedDiscoveryCheck", x509),
            ),
            &[
                "is not available: FailedDiscoveryCheck",
                "x509",
                "its caBundle is not the authority",
            ],
        ),
        (
            Documents::default().with(PODS, 503, &unavailable).with(
                SERVICE,
                200,
                &api_service("False", "MissingEndpoints", "no addresses"),
            ),
            &[
                "is not available: MissingEndpoints: no addresses",
                "no pod of the adapter is ready",
            ],
        ),
        (
            Documents::default()
                .with(
                    PODS,
                    404,
                    &said("the server could not find the requested resource"),
                )
                .with(SERVICE, 200, &api_service("True", "Passed", "")),
            &["the adapter has no rules of this API"],
        ),
        (
            Documents::default()
                .with(PODS, 500, &said("boom"))
                .with(SERVICE, 403, &said("no")),
            &["boom (status 500)", "cannot be looked at: no (status 403)"],
        ),
        (
            Documents::default().with(
                PODS,
                403,
                &said("forbidden: User \"u\" cannot get path \"/explain/apis/x\""),
            ),
            &[
                "RBAC does not allow to explain it",
                "{nonResourceURLs: [\"/explain/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/*\"], \
                 verbs: [get]}",
            ],
        ),
        (
            Documents::default().with(PODS, 403, &said("pods.custom.metrics.k8s.io is forbidden")),
            &[
                "RBAC does not allow to read the metric at all",
                "{apiGroups: [custom.metrics.k8s.io], resources: [\"pods/rps\"], verbs: [get, list]}",
            ],
        ),
        (
            Documents::default().with(PODS, 401, &said("no")),
            &["401 Unauthorized"],
        ),
        (
            Documents::default().with(PODS, 200, &json!({ "kind": "MetricValueList" })),
            &["does not know explain=true"],
        ),
    ] {
        let explained = explain(&documents, &pods()).await;
        let text = explained.text(&pods(), Style::Plain);
        let first: Vec<&str> = text.lines().take(5).collect();
        let first = first.join("\n");
        for words in expected {
            assert!(first.contains(words), "{words}: {text}");
        }
        assert!(!explained.is_well());
    }
}

#[tokio::test]
async fn what_the_adapter_tells_begins_with_the_cause() {
    let document = json!({
        "apiVersion": API_VERSION, "kind": "Explanation",
        "outcome": { "code": 200, "message": "0 values" },
        "cause": { "reason": "OtherNamespace", "message": "the series is in other namespaces only" },
        "rule": { "place": "rules[1]", "seriesQuery": "rps", "seriesFound": 2 },
        "objects": { "resource": "pods", "names": { "count": 12, "items": ["web-0", "web-1"] } },
        "queries": [{
            "purpose": "values", "promql": "sum(rps) by (pod)", "source": "memory",
            "ageSeconds": 1.25, "maxAgeSeconds": 5.0,
        }],
        "values": { "count": 0, "items": [] },
        "field of a later version": 1,
    });
    let documents = Documents::default().with(PODS, 200, &document);
    let explained = explain(&documents, &pods()).await;
    let text = explained.text(&pods(), Style::Plain);
    assert_eq!(
        text.lines().next().unwrap(),
        "pods/rps in shop: 0 values for 12 pods: the series is in other namespaces only"
    );
    for words in [
        "rules[1], seriesQuery rps, 2 series found",
        "from memory, 1.2 s old",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let refused = explain(&Documents::default(), &pods()).await;
    let evil = Metric {
        metric: "\u{1b}[2J".to_owned(),
        ..pods()
    };
    let shown = refused.text(&evil, Style::Plain);
    assert!(shown.starts_with("pods/\\u{1b}[2J in shop: "), "{shown:?}");
    assert!(
        explained
            .text(&pods(), Style::Coloured)
            .contains("\u{1b}[31m")
    );
}
