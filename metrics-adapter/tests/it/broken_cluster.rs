//! `metrics-adapter explain` where something is broken: the true cause stands in its first five
//! lines. The adapter is the running program over TLS, with a real Prometheus; before it stands what
//! kube-apiserver's aggregator does, and the documents that `explain` reads.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use telemetry::admin::Listener;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::{data, kubeconfig};
use crate::api_server::ApiServer;
use crate::authority::{Ca, Identity};
use crate::broken::{Row, judge};
use crate::command_line::{BINARY, Program};
use crate::prometheus::{Prometheus, expose};
use crate::tls::{Dial, Protocol};

const RULES: &str = r#"
rules:
- &pods
  seriesQuery: rps
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- {<<: *pods, seriesQuery: orders}
- {<<: *pods, seriesQuery: unlabelled}
- {<<: *pods, seriesQuery: requests_typo, name: {as: requests}}
- {<<: *pods, seriesQuery: old, maxAge: 1m,
   metricsQuery: "max(max_over_time(<<.Series>>{<<.LabelMatchers>>}[10m])) by (<<.GroupBy>>)"}
- {<<: *pods, seriesQuery: rps, name: {as: ungrouped}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>})"}
externalRules:
- &external
  seriesQuery: queue
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: "<<.Series>>{<<.LabelMatchers>>}"
- {<<: *external, seriesQuery: many}
"#;

/// Documents by path; an absent one is what is not there.
type Documents = BTreeMap<String, (u16, Value)>;

struct World {
    directory: TempDir,
    gateway: Arc<Gateway>,
    url: String,
    api_server: ApiServer,
    _program: Program,
    _prometheus: Prometheus,
    _stop: DropGuard,
}

/// What stands in for the aggregator: it knows by their tokens who calls.
struct Gateway {
    adapter: SocketAddr,
    identity: Identity,
    documents: Mutex<Documents>,
}

impl World {
    async fn start() -> Self {
        let old = (Timestamp::now() - std::time::Duration::from_secs(90)).as_millisecond();
        let many: String = (0..120)
            .map(|n| format!("many{{namespace=\"shop\",zone=\"{n}\"}} 1\n"))
            .collect();
        let (target, _) = expose(format!(
            "rps{{namespace=\"shop\",pod=\"web-0\"}} 10\norders{{namespace=\"bank\",pod=\"web-0\"}} 1\n\
             unlabelled{{namespace=\"shop\",pod_name=\"web-0\"}} 1\n{many}\
             queue{{namespace=\"bank\",queue=\"a\"}} 4\n\
             old{{namespace=\"shop\",pod=\"web-0\"}} 7 {old}\n"
        ));
        let prometheus = Prometheus::start_scraping(&[], Some(target)).await;
        prometheus.wait_for("old").await;
        let (proxies, clients) = (Ca::new("front proxies"), Ca::new("clients"));
        let api_server = ApiServer::start(data(&proxies, &clients)).await;
        api_server.known.allowed.lock().unwrap().insert("alice");
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let serving = Ca::new("serving").issue_serving();
        fs::write(path("tls.crt"), serving.certificate_pem()).unwrap();
        fs::write(path("tls.key"), serving.key_pem()).unwrap();
        fs::write(path("config.yaml"), RULES).unwrap();
        fs::write(path("adapter"), kubeconfig(&api_server.url, &json!({}))).unwrap();
        let mut command = Command::new(BINARY);
        command.args([
            format!("--config={}", path("config.yaml")),
            format!("--tls-cert-file={}", path("tls.crt")),
            format!("--tls-private-key-file={}", path("tls.key")),
        ]);
        let mut program = Program::spawn(command, &path("adapter"), &prometheus.url());
        program.ready().await;
        let gateway = Arc::new(Gateway {
            adapter: SocketAddr::from(([127, 0, 0, 1], program.port)),
            identity: proxies.issue("front-proxy-client", &[]),
            documents: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&gateway));
        let listener = Listener::bind("--test", ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let url = format!("http://{}", listener.address());
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(listener.serve(router, stop.clone()));
        let world = Self {
            directory,
            gateway,
            url,
            api_server,
            _program: program,
            _prometheus: prometheus,
            _stop: stop.drop_guard(),
        };
        world.listed().await;
        world
    }

    /// Waits until the adapter knows its metrics and its pods.
    async fn listed(&self) {
        let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";
        for _ in 0..200 {
            if self.gateway.ask(path, "alice").await.0 == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no value after 10 s");
    }

    fn set(&self, path: &str, status: u16, document: Value) {
        let mut documents = self.gateway.documents.lock().unwrap();
        documents.insert(path.to_owned(), (status, document));
    }

    /// An HPA of Deployment `web`, whose pods a selector selects, on a metric of pods.
    fn set_hpa(&self, metric: &str, selector: &str) {
        let target = json!({ "type": "AverageValue", "averageValue": "10" });
        self.set(
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web",
            200,
            json!({
                "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": { "name": "web", "namespace": "shop" },
                "spec": {
                    "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
                    "minReplicas": 1, "maxReplicas": 3,
                    "metrics": [{ "type": "Pods", "pods": {
                        "metric": { "name": metric }, "target": target,
                    }}],
                },
                "status": { "currentReplicas": 1, "desiredReplicas": 1 },
            }),
        );
        let kinds = json!({ "resources": [{ "name": "deployments", "kind": "Deployment" }] });
        self.set("/apis/apps/v1", 200, kinds);
        self.set(
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            200,
            json!({
                "spec": { "replicas": 1 }, "status": { "replicas": 1, "selector": selector },
            }),
        );
        let ready = json!({ "type": "Ready", "status": "True" });
        let pod = json!({
            "metadata": { "name": "web-0" },
            "status": { "phase": "Running", "conditions": [ready] },
        });
        self.set(
            "/api/v1/namespaces/shop/pods",
            200,
            json!({ "items": [pod] }),
        );
    }

    /// What `explain` makes of it for a user.
    async fn explain(&self, user: &str, arguments: &[&str]) -> Output {
        let path = self.directory.path().join(user);
        fs::write(&path, kubeconfig(&self.url, &json!({ "token": user }))).unwrap();
        let mut command = Command::new(BINARY);
        command
            .arg("explain")
            .args(arguments)
            .args(["-n", "shop", "--kubeconfig"])
            .arg(path);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        assert!(
            !output.stdout.contains(&b'\x1b'),
            "colours in a pipe: {output:?}"
        );
        output
    }

    /// A row of the table: whatever is broken, it does not end well.
    async fn broken(
        &self,
        set_up: &'static str,
        user: &str,
        arguments: &[&str],
        cause: &'static [&'static str],
    ) -> Row {
        let output = self.explain(user, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{set_up}: {output:?}");
        Row {
            set_up,
            output,
            cause,
        }
    }
}

impl Gateway {
    /// The adapter's answer to the aggregator, as a user.
    async fn ask(&self, path: &str, user: &str) -> (u16, Value) {
        let dial = Dial {
            address: self.adapter,
            protocol: Protocol::Http1,
            identity: Some(&self.identity),
            authorities: &[],
        };
        let mut stream = dial.handshake().await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: adapter\r\nConnection: close\r\nX-Remote-User: {user}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let known = gateway
        .documents
        .lock()
        .unwrap()
        .get(request.uri().path())
        .cloned();
    let (status, document) = match known {
        Some(known) => known,
        None if request.uri().path().contains(".metrics.k8s.io/") => {
            let token = request.headers()[header::AUTHORIZATION].to_str().unwrap();
            let user = token.strip_prefix("Bearer ").unwrap().to_owned();
            let path = request.uri().path_and_query().unwrap().as_str().to_owned();
            gateway.ask(&path, &user).await
        }
        None => return (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(document)).into_response()
}

/// What is printed where all is well.
fn well(output: &Output) -> &str {
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_true_cause_stands_in_the_first_five_lines() {
    let world = World::start().await;
    // What every line below is the opposite of.
    let output = world.explain("alice", &["pods/rps"]).await;
    let text = well(&output);
    assert!(
        text.starts_with("pods/rps in shop: 1 values for 1 pods\n"),
        "{text}"
    );
    assert!(text.contains("web-0 = 10, "), "{text}");
    world.set_hpa("rps", "");
    let output = world.explain("alice", &["hpa/web"]).await;
    let begin = "hpa/web in shop: agrees with its status: 1 replicas\n";
    assert!(well(&output).starts_with(begin), "{output:?}");

    let mut rows = Vec::new();
    for (set_up, user, arguments, cause) in [
        (
            "no RBAC",
            "bob",
            &["pods/rps"][..],
            &[
                "RBAC does not allow to explain it",
                "/explain/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/*",
            ][..],
        ),
        (
            "a metric of another namespace",
            "alice",
            &["pods/orders"],
            &["the series orders is in other namespaces only: bank; there is none in shop"],
        ),
        (
            "an external metric of another namespace",
            "alice",
            &["external/queue"],
            &["the series queue is in other namespaces only: bank"],
        ),
        (
            "a label that is not mapped",
            "alice",
            &["pods/unlabelled"],
            &[
                "no label of it names pods: the rule expects the label \"pod\"",
                "pod_name",
            ],
        ),
        (
            "a typo in the series",
            "alice",
            &["pods/requests"],
            &[
                "no series is found that makes requests",
                "rules[3], seriesQuery requests_typo",
            ],
        ),
        (
            "a typo in the metric",
            "alice",
            &["pods/order"],
            &["no rule makes a metric order; did you mean orders?"],
        ),
        (
            "a stale series",
            "alice",
            &["pods/old"],
            &["the newest sample is older than maxAge"],
        ),
        (
            "no GroupBy",
            "alice",
            &["pods/ungrouped"],
            &["metricsQuery of rules[5] lacks by (<<.GroupBy>>)"],
        ),
        (
            "a selector of nobody",
            "alice",
            &["pods/rps", "--selector=app=none"],
            &["the selector app=none matches none of the 1 pods in namespace shop: web-0"],
        ),
    ] {
        rows.push(world.broken(set_up, user, arguments, cause).await);
    }
    judge(&rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hpa_that_cannot_scale_says_why_first() {
    let world = World::start().await;
    let mut rows = Vec::new();
    for (set_up, metric, selector, cause) in [
        (
            "an HPA on another namespace's metric",
            "orders",
            "",
            &["cannot scale: pods/orders: the series orders is in other namespaces only: bank"][..],
        ),
        (
            "an HPA whose target selects nobody",
            "rps",
            "app=none",
            &["cannot scale: pods/rps: the selector app=none matches none"],
        ),
        (
            "an HPA on a metric of an unmapped label",
            "unlabelled",
            "",
            &["cannot scale: pods/unlabelled: rules[2] makes unlabelled"],
        ),
    ] {
        world.set_hpa(metric, selector);
        rows.push(world.broken(set_up, "alice", &["hpa/web"], cause).await);
    }
    // Of the HPA that says nothing.
    world.set_hpa("rps", "");
    let cause = &[
        "cannot be judged: pods/rps: RBAC does not allow",
        "nonResourceURLs",
    ];
    rows.push(
        world
            .broken("an HPA, no RBAC", "bob", &["hpa/web"], cause)
            .await,
    );
    let cause = &["the HPA cannot be read: 404 page not found"];
    rows.push(world.broken("no HPA", "alice", &["hpa/other"], cause).await);
    judge(&rows);
    // Whoever asks for JSON gets it.
    let output = world
        .explain("alice", &["hpa/other", "--output=json"])
        .await;
    let refusal: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cause = refusal["cause"].as_str().unwrap();
    assert!(cause.starts_with("the HPA cannot be read: "), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_service_that_is_broken_is_told_of() {
    let world = World::start().await;
    let pods = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";
    let service = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io";
    let condition = |reason: &str, message: &str| {
        json!({ "status": { "conditions": [{
            "type": "Available", "status": "False", "reason": reason, "message": message,
        }]}})
    };
    let x509 = "failing or missing response from https://10.0.0.9:443/apis/custom.metrics.k8s.io/v1beta2: \
                Get \"https://10.0.0.9:443\": tls: failed to verify certificate: x509: certificate \
                signed by unknown authority";
    world.set(pods, 503, json!({ "message": "service unavailable" }));
    let mut rows = Vec::new();
    for (set_up, reason, message, cause) in [
        (
            "an APIService with a wrong caBundle",
            "FailedDiscoveryCheck",
            x509,
            &[
                "its caBundle is not the authority of the adapter's certificate",
                "x509: certificate signed by unknown authority",
            ][..],
        ),
        (
            "an APIService without pods",
            "MissingEndpoints",
            "endpoints have no addresses",
            &[
                "no pod of the adapter is ready",
                "endpoints have no addresses",
            ],
        ),
    ] {
        world.set(service, 200, condition(reason, message));
        rows.push(world.broken(set_up, "alice", &["pods/rps"], cause).await);
    }
    world.set(pods, 404, Value::Null);
    world.set(service, 404, Value::Null);
    let cause = &["there is no APIService v1beta2.custom.metrics.k8s.io: nothing serves this API"];
    rows.push(
        world
            .broken("no APIService", "alice", &["pods/rps"], cause)
            .await,
    );
    judge(&rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_granted_by_its_own_path_and_bounded() {
    let world = World::start().await;
    let reviews = || world.api_server.known.take("subjectaccessreviews");
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";
    reviews();
    let (status, body) = world
        .gateway
        .ask(&format!("{path}?explain=true"), "alice")
        .await;
    assert_eq!(
        (status, &body["outcome"]["code"]),
        (200, &json!(200)),
        "{body}"
    );
    let (status, body) = world
        .gateway
        .ask(&format!("{path}?explain=true"), "bob")
        .await;
    let words = format!("forbidden: User \"bob\" cannot get path \"/explain{path}\"");
    assert_eq!((status, &body["message"]), (403, &json!(words)));
    for review in reviews() {
        let asked = json!({ "path": format!("/explain{path}"), "verb": "get" });
        assert_eq!(review["nonResourceAttributes"], asked);
        assert_eq!(review["resourceAttributes"], Value::Null);
    }
    for wrong in ["explain=TRUE", "explain", "explain=true&explain=true"] {
        let (status, body) = world.gateway.ask(&format!("{path}?{wrong}"), "alice").await;
        assert_eq!(status, 400, "{wrong}: {body}");
    }
    let unknown = path.replace("rps", "nothing");
    let (status, body) = world
        .gateway
        .ask(&format!("{unknown}?explain=true"), "alice")
        .await;
    assert_eq!(
        (status, &body["outcome"]["code"]),
        (200, &json!(404)),
        "{body}"
    );
    assert_eq!(body["cause"]["reason"], "NoSeries");

    let many = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/many?explain=true";
    let (_, body) = world.gateway.ask(many, "alice").await;
    for list in ["samples", "values"] {
        let told = &body[list];
        let shown = told["items"].as_array().unwrap().len();
        assert_eq!((&told["count"], shown), (&json!(120), 50), "{list}");
    }
    assert_eq!(body["outcome"]["message"], "120 values");
}
