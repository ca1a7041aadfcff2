//! One trace from the HPA's request to Prometheus' own spans, at a real collector.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::{data, kubeconfig};
use crate::api_server::{ApiServer, Review};
use crate::authority::Ca;
use crate::collector::{Collector, attribute, mk_collector};
use crate::command_line::{BINARY, Program, client};
use crate::prometheus::Prometheus;

/// Kinds of spans on the wire.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";

/// Asks for the metric as part of a trace, whose number is given, and so are the flags.
async fn ask(program: &Program, trace: u8, flags: &str) -> String {
    let trace = format!("{trace:032x}");
    let answer = client()
        .get(format!("https://127.0.0.1:{}{METRIC}", program.port))
        .bearer_auth("s3cr3t")
        .header(
            "traceparent",
            format!("00-{trace}-b7ad6b7169203331-{flags}"),
        )
        .header("baggage", "whose=s3cr3t")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    trace
}

/// The spans of a trace, once the last one to end of a service is there, each with its service's
/// name.
async fn spans(
    collector: &Collector,
    trace: &str,
    (service, last): (&str, &str),
) -> Vec<(String, Value)> {
    for _ in 0..600 {
        let spans = collector.spans(trace);
        if spans
            .iter()
            .any(|(of, span)| of == service && span["name"] == last)
        {
            return spans;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let spans = collector.spans(trace);
    let names: Vec<_> = spans.iter().map(|(of, it)| (of, &it["name"])).collect();
    panic!("no {last} of {service} in 30 s: {names:?}");
}

/// The only span of a service with this name.
fn only<'a>(spans: &'a [(String, Value)], service: &str, name: &str) -> &'a Value {
    let mut found = spans
        .iter()
        .filter(|(of, span)| of == service && span["name"] == name);
    let (_, span) = found
        .next()
        .unwrap_or_else(|| panic!("no {name} of {service}: {spans:#?}"));
    assert!(found.next().is_none(), "more than one {name}: {spans:#?}");
    span
}

fn text(span: &Value, key: &str) -> String {
    let value = attribute(span, key);
    let value = value.as_object().and_then(|it| it.values().next());
    match value {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{key} is {other:?}: {span:#?}"),
    }
}

#[tokio::test]
async fn a_poll_is_one_trace_down_to_prometheus() {
    let collector = mk_collector().await;
    let samples = &[(r#"rps{namespace="shop",pod="web-0"}"#, "10")];
    let prometheus = Prometheus::start_traced(samples, collector.grpc).await;
    let (proxies, clients) = (Ca::new("front proxies"), Ca::new("clients"));
    let api_server = ApiServer::start(data(&proxies, &clients)).await;
    let robot = json!({"authenticated": true, "user": {"username": "robot"}});
    let known = &api_server.known;
    for token in ["s3cr3t", "other"] {
        let review = Review::Given(robot.clone());
        known.tokens.lock().unwrap().insert(token, review);
    }
    known.allowed.lock().unwrap().insert("robot");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let rules = "rules: [{seriesQuery: rps, resources: {template: <<.Resource>>}, \
                 metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]";
    fs::write(path("config.yaml"), rules).unwrap();
    fs::write(path("kubeconfig"), kubeconfig(&api_server.url, &json!({}))).unwrap();
    let mut command = Command::new(BINARY);
    command.args([
        format!("--config={}", path("config.yaml")),
        format!("--cert-dir={}", path("serving")),
        format!("--otlp-endpoint=http://{}", collector.http),
        "--metrics-max-staleness=60s".to_owned(),
        "--authentication-token-webhook-cache-ttl=60s".to_owned(),
        "--authorization-webhook-cache-authorized-ttl=60s".to_owned(),
    ]);
    let url = prometheus.url();
    let mut program = Program::spawn(command, &path("kubeconfig"), &url);
    program.ready().await;
    listed(&program).await;

    let asked = ask(&program, 1, "01").await;
    // The caller of the second one does not want it recorded.
    let unwanted = ask(&program, 2, "00").await;
    let kept = ask(&program, 3, "01").await;

    let route = METRIC.replace(
        "/shop/pods/*/rps",
        "/{namespace}/{resource}/{name}/{metric}",
    );
    let (name, call) = (format!("GET {route}"), "POST /api/v1/query");
    spans(&collector, &asked, ("metrics-adapter", &name)).await;
    let found = spans(&collector, &asked, ("prometheus", call)).await;
    let server = only(&found, "metrics-adapter", &name);
    let theirs = only(&found, "prometheus", call);
    let ours = |name| only(&found, "metrics-adapter", name);
    let call = ours(call);
    let token = ours("POST /apis/authentication.k8s.io/v1/tokenreviews");
    let access = ours("POST /apis/authorization.k8s.io/v1/subjectaccessreviews");
    let (evaluation, query) = (ours("evaluate"), ours("query"));
    for (span, kind, parent) in [
        (server, SERVER, &json!("b7ad6b7169203331")),
        (token, CLIENT, &server["spanId"]),
        (access, CLIENT, &server["spanId"]),
        (evaluation, INTERNAL, &server["spanId"]),
        (query, INTERNAL, &evaluation["spanId"]),
        (call, CLIENT, &query["spanId"]),
        (theirs, SERVER, &call["spanId"]),
    ] {
        assert_eq!(span["kind"], kind, "{span:#?}");
        assert_eq!(&span["parentSpanId"], parent, "{span:#?}");
        assert_eq!(span["status"]["code"], Value::Null, "{span:#?}");
    }
    let port = url.rsplit(':').next().unwrap();
    for (span, key, value) in [
        (server, "http.route", &*route),
        (server, "url.scheme", "https"),
        (server, "http.response.status_code", "200"),
        (evaluation, "metrics_adapter.metric", "rps"),
        (evaluation, "k8s.namespace.name", "shop"),
        (evaluation, "metrics_adapter.resource", "pods"),
        (evaluation, "metrics_adapter.rule", "rules[0]"),
        (evaluation, "metrics_adapter.answer", "asked"),
        (evaluation, "metrics_adapter.objects", "1"),
        (query, "metrics_adapter.rule", "rules[0]"),
        (call, "url.full", &format!("{url}/api/v1/query")),
        (call, "server.port", port),
        (call, "http.response.status_code", "200"),
    ] {
        assert_eq!(text(span, key), value, "{span:#?}");
    }

    let from_memory = spans(&collector, &kept, ("metrics-adapter", &name)).await;
    let evaluation = only(&from_memory, "metrics-adapter", "evaluate");
    assert_eq!(text(evaluation, "metrics_adapter.answer"), "memory");
    assert_eq!(from_memory.len(), 2, "{from_memory:#?}");
    // Those that were made after it are there.
    assert!(collector.spans(&unwanted).is_empty());
    let told: Vec<_> = found
        .iter()
        .filter(|(of, _)| of == "metrics-adapter")
        .collect();
    assert_eq!(told.len(), 6, "{told:#?}");
    for kept_back in ["s3cr3t", "by ("] {
        assert!(!format!("{told:?}").contains(kept_back), "{told:#?}");
    }
}

/// Waits until the metric is in discovery.
async fn listed(program: &Program) {
    let list = METRIC.split("/namespaces").next().unwrap();
    let url = format!("https://127.0.0.1:{}{list}", program.port);
    for _ in 0..200 {
        // A token of its own: whose the metric is asked by is not known yet.
        let answer = client().get(&url).bearer_auth("other").send().await;
        if let Ok(answer) = answer
            && answer
                .text()
                .await
                .is_ok_and(|text| text.contains("pods/rps"))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the metric is not listed after 10 s");
}
