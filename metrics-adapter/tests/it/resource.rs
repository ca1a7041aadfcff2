//! Resource metrics against a real Prometheus, read by a real kubectl.

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use metrics_adapter::prometheus::Verb;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::adapter::Adapter;
use crate::prometheus::Prometheus;

/// The shape of the chart of prometheus-adapter, over series that need no rate.
const RULES: &str = r#"
resourceRules:
  cpu:
    containerQuery: |
      sum by (<<.GroupBy>>) (cpu_cores{container!="",<<.LabelMatchers>>})
    nodeQuery: |
      sum by (<<.GroupBy>>) (cpu_cores{id="/",<<.LabelMatchers>>})
    resources: &resources
      overrides: {node: {resource: node}, namespace: {resource: namespace}, pod: {resource: pod}}
    containerLabel: container
  memory:
    containerQuery: |
      sum by (<<.GroupBy>>) (memory_bytes{container!="",<<.LabelMatchers>>})
    nodeQuery: |
      sum by (<<.GroupBy>>) (memory_bytes{id="/",<<.LabelMatchers>>})
    resources: *resources
    containerLabel: container
  window: 1m
"#;

const SAMPLES: &[(&str, &str)] = &[
    (r#"cpu_cores{id="/",node="n1"}"#, "1.5"),
    (r#"memory_bytes{id="/",node="n1"}"#, "2147483648"),
    // Without memory: left out.
    (r#"cpu_cores{id="/",node="n2"}"#, "1"),
    (
        r#"cpu_cores{namespace="shop",pod="web-0",container="app"}"#,
        "0.25",
    ),
    (
        r#"memory_bytes{namespace="shop",pod="web-0",container="app"}"#,
        "104857600",
    ),
    (
        r#"cpu_cores{namespace="shop",pod="web-0",container="sidecar"}"#,
        "NaN",
    ),
    (
        r#"memory_bytes{namespace="shop",pod="web-0",container="sidecar"}"#,
        "1048576",
    ),
    (
        r#"cpu_cores{namespace="shop",pod="db-0",container="db"}"#,
        "2",
    ),
    (
        r#"memory_bytes{namespace="shop",pod="db-0",container="db"}"#,
        "+Inf",
    ),
    (
        r#"cpu_cores{namespace="shop",pod="gone",container="app"}"#,
        "9",
    ),
    (
        r#"memory_bytes{namespace="shop",pod="gone",container="app"}"#,
        "9",
    ),
];

async fn start() -> (Prometheus, Adapter) {
    let prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(RULES, &prometheus.url(), Verb::Post);
    (prometheus, adapter)
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn usage_of_pods_and_nodes() {
    let (_prometheus, adapter) = start().await;
    let base = "metrics.k8s.io/v1beta1";
    let (status, pods) = adapter.get(&format!("{base}/pods")).await;
    assert_eq!((status, names(&pods)), (200, vec!["web-0"]));
    let pod = &pods["items"][0];
    assert_eq!(pod["metadata"]["labels"], json!({"app": "web"}));
    assert_eq!(pod["window"], "1m0s");
    assert_eq!(
        pod["containers"],
        json!([
            {"name": "app", "usage": {"cpu": "250m", "memory": "100Mi"}},
            {"name": "sidecar", "usage": {"cpu": "0", "memory": "1Mi"}},
        ])
    );
    for (path, expected) in [
        ("nodes", vec!["n1"]),
        (
            "namespaces/shop/pods?labelSelector=app%3Dweb",
            vec!["web-0"],
        ),
        ("namespaces/shop/pods?labelSelector=app%3Ddb", vec![]),
        ("namespaces/nowhere/pods", vec![]),
        ("pods?fieldSelector=metadata.name%3Dweb-0", vec!["web-0"]),
        ("pods?fieldSelector=metadata.name%3Dx", vec![]),
    ] {
        let (status, list) = adapter.get(&format!("{base}/{path}")).await;
        assert_eq!((status, names(&list)), (200, expected), "{path}");
    }
    for (path, message) in [
        ("nodes/n2", "nodemetrics.metrics.k8s.io \"n2\" not found"),
        ("nodes/n9", "nodes \"n9\" not found"),
        (
            "namespaces/shop/pods/web-1",
            "podmetrics.metrics.k8s.io \"shop/web-1\" not found",
        ),
        ("namespaces/shop/pods/gone", "pods \"gone\" not found"),
    ] {
        let (status, body) = adapter.get(&format!("{base}/{path}")).await;
        assert_eq!((status, &body["message"]), (404, &json!(message)));
    }
}

#[tokio::test]
async fn an_outage_is_an_error_and_no_empty_list() {
    let (mut prometheus, adapter) = start().await;
    prometheus.stop();
    for path in ["nodes", "pods", "namespaces/shop/pods/web-0"] {
        let (status, body) = adapter.get(&format!("metrics.k8s.io/v1beta1/{path}")).await;
        assert_eq!(
            (status, &body["message"]),
            (500, &json!("unable to fetch metrics")),
            "{path}"
        );
    }
}

/// Serves the adapter together with the little of kube-apiserver that `kubectl top` asks for.
async fn serve(routes: Router) -> String {
    let node = json!({"metadata": {"name": "n1"},
                      "status": {"allocatable": {"cpu": "3", "memory": "4Gi"}}});
    let nodes = json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": [node]});
    let core = Router::new()
        .route("/api/v1/nodes", get(|| async { axum::Json(nodes) }))
        .merge(routes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(core.clone());
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            #[allow(clippy::disallowed_methods)] // Likewise.
            tokio::spawn(async move {
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    url
}

async fn kubectl(url: &str, arguments: &[&str]) -> Vec<String> {
    let home = tempfile::TempDir::new().unwrap();
    let output = Command::new("kubectl")
        .arg(format!("--server={url}"))
        .args(arguments)
        .env("HOME", home.path())
        .env_remove("KUBECONFIG")
        .output()
        .await
        .expect(
            "kubectl is missing: install it, for instance Debian's package `kubernetes-client`",
        );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).collect()
}

#[tokio::test]
async fn kubectl_top_and_get_read_it() {
    let (_prometheus, adapter) = start().await;
    let url = serve(adapter.routes.clone()).await;
    assert_eq!(
        kubectl(&url, &["top", "pods", "--namespace=shop"]).await,
        ["NAME CPU(cores) MEMORY(bytes)", "web-0 250m 101Mi"]
    );
    assert_eq!(
        kubectl(
            &url,
            &["top", "pods", "-A", "--containers", "-l", "app=web"]
        )
        .await,
        [
            "NAMESPACE POD NAME CPU(cores) MEMORY(bytes)",
            "shop web-0 app 250m 100Mi",
            "shop web-0 sidecar 0m 1Mi"
        ]
    );
    assert_eq!(
        kubectl(&url, &["top", "nodes"]).await,
        [
            "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)",
            "n1 1500m 50% 2048Mi 50%"
        ]
    );
    assert_eq!(
        kubectl(&url, &["get", "pods.metrics.k8s.io", "-n", "shop"]).await,
        ["NAME CPU MEMORY WINDOW", "web-0 250m 101Mi 1m0s"]
    );
    assert_eq!(
        kubectl(
            &url,
            &[
                "get",
                "nodes.metrics.k8s.io",
                "n1",
                "-o",
                "jsonpath={.usage.memory}"
            ]
        )
        .await,
        ["2Gi"]
    );
}
