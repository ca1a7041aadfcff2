//! The rules file changes under the running program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::command_line::{Files, Kubernetes, Program, client};
use crate::prometheus::Prometheus;

const ARGUMENTS: &[&str] = &[
    "--config=/etc/adapter/config.yaml",
    "--tls-cert-file=/var/run/serving-cert/tls.crt",
    "--tls-private-key-file=/var/run/serving-cert/tls.key",
    // Away for the whole test.
    "--metrics-relist-interval=10m",
];

const SAMPLES: &[(&str, &str)] = &[
    (r#"ops{namespace="shop",pod="web-0"}"#, "1"),
    (r#"jobs{namespace="shop",pod="web-0"}"#, "2"),
    (r#"errors{namespace="shop",pod="web-0"}"#, "3"),
    (r#"queue{namespace="shop"}"#, "4"),
];

/// A rule for a series, under a name.
fn rule(series: &str, name: &str) -> String {
    format!(
        "- {{seriesQuery: {series}, name: {{as: {name}}}, resources: {{template: <<.Resource>>}}, \
         metricsQuery: 'sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)'}}\n"
    )
}

/// The running program, and the directory of its rules file.
struct Adapter {
    program: Program,
    directory: PathBuf,
    client: reqwest::Client,
}

impl Adapter {
    /// Status and body of a path on the HTTPS port.
    async fn get(&self, path: &str) -> (u16, Value) {
        get(&self.client, self.program.port, path).await
    }

    /// The value of the pod's metric, or the status.
    async fn value(&self, metric: &str) -> String {
        value(&self.client, self.program.port, metric).await
    }

    /// What the admin listener has at a path.
    async fn told(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}/{path}", self.program.admin_port);
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits for a value.
    async fn until(&self, metric: &str, expected: &str) {
        for _ in 0..200 {
            if self.value(metric).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let found = self.value(metric).await;
        panic!("{metric} is {found} and not {expected} after 10 s");
    }

    /// Waits for an empty list.
    async fn until_listed(&self, path: &str) {
        for _ in 0..200 {
            let (status, list) = self.get(path).await;
            if (status, list["items"].as_array().map(Vec::len)) == (200, Some(0)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no list after 10 s: {:?}", self.get(path).await);
    }

    /// Waits for a line among its metrics.
    async fn until_told(&self, line: &str) {
        for _ in 0..200 {
            let (_, metrics) = self.told("metrics").await;
            if metrics.lines().any(|found| found == line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {line} after 10 s: {}", self.told("metrics").await.1);
    }

    /// The API groups that are served, and the groups and versions in OpenAPI.
    async fn groups(&self) -> (Vec<String>, Vec<String>) {
        let (_, groups) = self.get("/apis").await;
        let names = groups["groups"].as_array().into_iter().flatten();
        let names = names.map(|group| group["name"].as_str().unwrap().to_owned());
        let (_, documents) = self.get("/openapi/v3").await;
        let places = documents["paths"].as_object().into_iter().flatten();
        let places = places.map(|(place, _)| place.replace("apis/", ""));
        let versions = places.filter(|place| place.contains('/'));
        (names.collect(), versions.collect())
    }

    /// Puts a new version in place as the kubelet does with a mounted ConfigMap.
    fn swap(&self, version: &str, text: &str) {
        let path = |name: &str| self.directory.join(name);
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("config.yaml"), text).unwrap();
        symlink(version, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
    }

    /// Puts a new version in place by a rename.
    fn rename(&self, text: &str) {
        let path = |name: &str| self.directory.join(name);
        fs::write(path("new"), text).unwrap();
        fs::rename(path("new"), path("config.yaml")).unwrap();
    }
}

async fn get(client: &reqwest::Client, port: u16, path: &str) -> (u16, Value) {
    let url = format!("https://127.0.0.1:{port}{path}");
    let answer = client.get(url).send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or_default())
}

async fn value(client: &reqwest::Client, port: u16, metric: &str) -> String {
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-0/{metric}");
    match get(client, port, &path).await {
        (200, body) => body["items"][0]["value"].as_str().unwrap().to_owned(),
        (status, _) => status.to_string(),
    }
}

/// Reads a metric and the list of metrics again and again; counts, and tells what was wrong.
async fn poll(client: reqwest::Client, port: u16, stop: CancellationToken) -> (u32, Vec<String>) {
    let (mut polls, mut wrong) = (0, Vec::new());
    while !stop.is_cancelled() {
        let found = value(&client, port, "kept").await;
        let (status, list) = get(&client, port, "/apis/custom.metrics.k8s.io/v1beta1").await;
        let list = list["resources"].to_string();
        if found != "1" || status != 200 || !list.contains("\"pods/kept\"") {
            wrong.push(format!("{polls}: {found} {status} {list}"));
        }
        polls += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (polls, wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_rules_file_is_served_and_a_broken_one_is_told() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let files = Files::new("");
    let kubernetes = Kubernetes::start(&files).await;
    let directory = files.0.path().join("etc/adapter");
    let kept = rule("ops", "kept");
    let first = format!("rules:\n{kept}{}", rule("jobs", "old"));
    fs::remove_file(directory.join("config.yaml")).unwrap();
    fs::create_dir(directory.join("..1")).unwrap();
    files.write("etc/adapter/..1/config.yaml", &first);
    symlink("..1", directory.join("..data")).unwrap();
    symlink("..data/config.yaml", directory.join("config.yaml")).unwrap();
    let mut program = Program::start_with(&files, ARGUMENTS, &kubernetes.url, &prometheus.url());
    program.ready().await;
    let mut adapter = Adapter {
        program,
        directory,
        client: client(),
    };
    adapter.until("kept", "1").await;
    adapter.until("old", "2").await;
    assert_eq!(adapter.value("new").await, "404");
    // The stand-in for kube-apiserver does not tell which kinds there are.
    let of_teapots = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/teapots/web-0/kept";
    let (status, _) = get(&adapter.client, adapter.program.port, of_teapots).await;
    assert_eq!(status, 503);
    let custom = ["custom.metrics.k8s.io"];
    let custom_versions = ["v1beta1", "v1beta2"].map(|v| format!("custom.metrics.k8s.io/{v}"));
    let (groups, versions) = adapter.groups().await;
    assert_eq!(
        (groups, versions),
        (custom.map(str::to_owned).to_vec(), custom_versions.to_vec())
    );

    let stop = CancellationToken::new();
    let polling = poll(adapter.client.clone(), adapter.program.port, stop.clone());
    #[allow(clippy::disallowed_methods)] // It is joined below.
    let polling = tokio::spawn(polling);

    // Another place for what is kept, another rule in its old place, and the first ones of the
    // other sections.
    let second = format!("rules:\n{}{kept}", rule("errors", "new"));
    let external = format!("externalRules:\n{}", rule("queue", "queue"));
    let resource = "resourceRules: {cpu: {containerQuery: x}, memory: {containerQuery: x}}";
    adapter.swap("..2", &format!("{second}{external}{resource}"));
    adapter.until("new", "3").await;
    assert_eq!(adapter.value("old").await, "404");
    let external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue";
    let (status, body) = adapter.get(external).await;
    assert_eq!(
        (status, body["items"][0]["value"].as_str()),
        (200, Some("4")),
        "{body}"
    );
    let (groups, versions) = adapter.groups().await;
    assert_eq!(
        (groups.len(), versions.len()),
        (3, 4),
        "{groups:?} {versions:?}"
    );

    // Nobody has watched running pods before.
    adapter
        .until_listed("/apis/metrics.k8s.io/v1beta1/pods")
        .await;

    // A rename over the symlink, and the groups are gone again.
    adapter.rename(&format!("rules:\n{kept}{}", rule("errors", "newer")));
    adapter.until("newer", "3").await;
    assert_eq!(adapter.value("new").await, "404");
    assert_eq!(adapter.get(external).await.0, 404);
    let (groups, versions) = adapter.groups().await;
    assert_eq!(
        (groups.len(), versions.len()),
        (1, 2),
        "{groups:?} {versions:?}"
    );
    adapter
        .until_told("metrics_adapter_config_last_reload_successful 1")
        .await;
    assert!(
        adapter
            .told("readyz")
            .await
            .1
            .contains("[i]rules-file: in use\n")
    );

    adapter.rename(&format!("rules:\n{kept}  nosuch: 1\n"));
    adapter
        .until_told("metrics_adapter_config_last_reload_successful 0")
        .await;
    adapter
        .until_told("metrics_adapter_config_reloads_total{result=\"failure\"} 1")
        .await;
    adapter
        .until_told("metrics_adapter_config_reloads_total{result=\"success\"} 2")
        .await;
    assert_eq!(adapter.value("newer").await, "3");
    let (status, body) = adapter.told("readyz").await;
    assert!(
        status == 200 && body.contains("[i]rules-file: refused"),
        "{body}"
    );

    stop.cancel();
    let (polls, wrong) = polling.await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(polls > 100, "{polls}");
    let log = adapter.program.said();
    assert_eq!(
        log.matches("keeping the rules of before").count(),
        1,
        "{log}"
    );
    for part in ["line 3, column", "nosuch: 1"] {
        assert!(log.contains(part), "{part}: {log}");
    }
}
