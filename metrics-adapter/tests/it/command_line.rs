//! The program itself, started with other people's command lines.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Json;
use axum::extract::RawQuery;
use axum::routing::{get, post};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use telemetry::admin::Listener;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::prometheus::free_port;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_metrics-adapter");

/// prometheus-adapter 0.12's deploy/manifests/deployment.yaml, and kube-prometheus' (whose URL is
/// http://prometheus-k8s.monitoring.svc:9090/).
const MANIFEST: &[&str] = &[
    "--cert-dir=/var/run/serving-cert",
    "--config=/etc/adapter/config.yaml",
    "--metrics-relist-interval=1m",
    "--prometheus-url=https://prometheus.monitoring.svc:9090/",
    "--secure-port=6443",
    "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,TLS_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_256_GCM_SHA384,TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA",
];

/// The chart prometheus-adapter 5.3.0 with its own certificate.
const CHART: &[&str] = &[
    "/adapter",
    "--secure-port=6443",
    "--tls-cert-file=/var/run/serving-cert/tls.crt",
    "--tls-private-key-file=/var/run/serving-cert/tls.key",
    "--cert-dir=/tmp/cert",
    "--prometheus-url=http://prometheus.default.svc:9090",
    "--metrics-relist-interval=1m",
    "--v=4",
    "--config=/etc/adapter/config.yaml",
];

/// As much as one command line can say.
const LONG: &[&str] = &[
    "--secure-port",
    "6443",
    "--config=/etc/adapter/config.yaml",
    "--tls-cert-file=/var/run/serving-cert/tls.crt",
    "--tls-private-key-file=/var/run/serving-cert/tls.key",
    "--tls-sni-cert-key=/var/run/serving-cert/tls.crt,/var/run/serving-cert/tls.key:*.svc",
    "--tls-min-version=VersionTLS13",
    "--client-ca-file=/var/run/serving-cert/tls.crt",
    "--requestheader-client-ca-file=/var/run/serving-cert/tls.crt",
    "--requestheader-allowed-names=front-proxy-client,aggregator",
    "--requestheader-username-headers=X-Remote-User",
    "--authentication-skip-lookup",
    "--authentication-token-webhook-cache-ttl=1m0s",
    "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics*",
    "--prometheus-url=https://prometheus:9090",
    "--prometheus-verb=GET",
    "--prometheus-header=X-Scope-OrgID=team",
    "--prometheus-token-file=/var/run/serving-cert/tls.key",
    "--prometheus-ca-file=/var/run/serving-cert/tls.crt",
    "--prometheus-auth-incluster=true",
    "--metrics-max-age=10m0s",
    "--metrics-relist-interval=1m",
    "--disable-http2",
    "--http2-max-streams-per-connection=1000",
    "--permit-port-sharing",
    "--permit-address-sharing=true",
    "--profiling=false",
    "--contention-profiling=false",
    "--enable-priority-and-fairness=false",
    "--client-qps=50",
    "--client-burst=100",
    "--audit-log-maxage=30",
    "--audit-log-path=",
    "--log-flush-frequency=5s",
    "--vmodule=provider*=9,auth=6",
    "-v",
    "4",
];

const RULES: &str = "rules: [{seriesQuery: up, resources: {template: <<.Resource>>}, \
                     metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]";

/// The files that the command lines name, below a directory of their own.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new(rules: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for directory in ["etc/adapter", "var/run/serving-cert", "tmp"] {
            fs::create_dir_all(files.0.path().join(directory)).unwrap();
        }
        files.write("etc/adapter/config.yaml", rules);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        files.write("var/run/serving-cert/tls.crt", &certificate);
        files.write("var/run/serving-cert/tls.key", &key.serialize_pem());
        files
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn kubeconfig(&self, server: &str) -> String {
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        });
        self.write("kubeconfig", &text.to_string());
        self.0.path().join("kubeconfig").display().to_string()
    }

    /// The program with these arguments, absolute paths in them moved below the directory.
    fn command(&self, arguments: &[&str]) -> Command {
        let root = self.0.path().display().to_string();
        let mut command = Command::new(BINARY);
        command.args(arguments.iter().map(|argument| {
            if argument.contains(&root) {
                return (*argument).to_owned();
            }
            // /tmp first, for the directory may be one of /tmp itself.
            argument
                .replace("=/tmp/", &format!("={root}/tmp/"))
                .replace("=/etc/", &format!("={root}/etc/"))
                .replace("=/var/", &format!("={root}/var/"))
                .replace(",/var/", &format!(",{root}/var/"))
        }));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Exit code and standard error of a start that fails.
    fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    }
}

/// A kube-apiserver with an authentication ConfigMap, where everybody may do anything.
pub(crate) struct Kubernetes {
    pub(crate) url: String,
    _stop: DropGuard,
}

impl Kubernetes {
    /// Without pods.
    pub(crate) async fn start(files: &Files) -> Self {
        Self::start_with(files, &[]).await
    }

    /// With pods: namespace, name, and the label `app`.
    pub(crate) async fn start_with(files: &Files, pods: &[(&str, &str, &str)]) -> Self {
        let certificate = files.0.path().join("var/run/serving-cert/tls.crt");
        let config_map = json!({
            "metadata": {
                "name": "extension-apiserver-authentication", "namespace": "kube-system",
                "resourceVersion": "1",
            },
            "data": {"client-ca-file": fs::read_to_string(certificate).unwrap()},
        });
        let list = |kind: &str, items: Value| {
            json!({
                "kind": kind, "apiVersion": "v1",
                "metadata": {"resourceVersion": "1"}, "items": items,
            })
        };
        let maps = Arc::new(list("ConfigMapList", json!([config_map])));
        let pods = pods.iter().map(|(namespace, name, app)| {
            let labels = json!({"app": app});
            json!({"metadata": {"namespace": namespace, "name": name, "labels": labels}})
        });
        let pods = Arc::new(list("PartialObjectMetadataList", pods.collect()));
        let router = axum::Router::new()
            .route(
                "/api/v1/namespaces/kube-system/configmaps",
                get(move |query| answer(query, Arc::clone(&maps))),
            )
            .route(
                "/api/v1/pods",
                get(move |query| answer(query, Arc::clone(&pods))),
            )
            .route(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                post(async || Json(json!({"spec": {}, "status": {"allowed": true}}))),
            );
        let address = ([127, 0, 0, 1], 0).into();
        let listener = Listener::bind("--test", address).await.unwrap();
        let url = format!("http://{}", listener.address());
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(listener.serve(router, stop.clone()));
        Self {
            url,
            _stop: stop.drop_guard(),
        }
    }
}

/// A list at once; a watch, in which nothing ever happens.
async fn answer(RawQuery(query): RawQuery, list: Arc<Value>) -> Json<Value> {
    if query.is_some_and(|query| query.contains("watch=true")) {
        std::future::pending().await
    }
    Json(list.as_ref().clone())
}

/// The running program.
pub(crate) struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Reads the log until the program ends.
    reader: Option<JoinHandle<()>>,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts with `arguments` and those that a test on one machine needs behind them.
    fn start(files: &Files, arguments: &[&str], kubernetes: &str) -> Self {
        Self::start_with(files, arguments, kubernetes, "http://127.0.0.1:1")
    }

    /// Likewise, with a Prometheus.
    pub(crate) fn start_with(
        files: &Files,
        arguments: &[&str],
        kubernetes: &str,
        prometheus: &str,
    ) -> Self {
        let kubeconfig = files.kubeconfig(kubernetes);
        Self::spawn(files.command(arguments), &kubeconfig, prometheus)
    }

    /// Starts a command with those arguments that a test on one machine needs.
    pub(crate) fn spawn(mut command: Command, kubeconfig: &str, prometheus: &str) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .args(
                ["lister", "authentication", "authorization"]
                    .map(|who| format!("--{who}-kubeconfig={kubeconfig}")),
            )
            .args([
                "--bind-address=127.0.0.1",
                "--startup-grace=100ms",
                "--log-format=text",
            ])
            .arg(format!("--prometheus-url={prometheus}"))
            .arg(format!("--secure-port={port}"))
            .arg(format!("--admin-address=127.0.0.1:{admin_port}"))
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, writer) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                writer.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self {
            child,
            log,
            reader: Some(reader),
            port,
            admin_port,
        }
    }

    /// Waits until both listeners say that the program is ready.
    pub(crate) async fn ready(&mut self) {
        let client = client();
        for url in [
            format!("http://127.0.0.1:{}/readyz", self.admin_port),
            format!("https://127.0.0.1:{}/readyz", self.port),
            format!("https://127.0.0.1:{}/healthz", self.port),
        ] {
            let mut ready = false;
            for _ in 0..200 {
                if let Some(status) = self.child.try_wait().unwrap() {
                    panic!("it ended: {status}: {}", self.said());
                }
                let answer = client.get(&url).send().await;
                ready = answer.is_ok_and(|answer| answer.status() == 200);
                if ready {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(ready, "{url} is not ready after 10 s");
        }
    }

    /// Waits for a line with all these texts in it.
    pub(crate) async fn says(&self, texts: &[&str]) {
        for _ in 0..200 {
            let log = self.log.lock().unwrap().clone();
            if log
                .lines()
                .any(|line| texts.iter().all(|text| line.contains(text)))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{texts:?} was not said in 10 s: {}",
            self.log.lock().unwrap()
        );
    }

    /// Ends it and returns its log.
    pub(crate) fn said(&mut self) -> String {
        let _ = self.child.kill();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.log.lock().unwrap().clone()
    }
}

/// A client that trusts any certificate: the program makes its own, which nobody can know before.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().tls_certs_only([]);
    let builder = builder.tls_danger_accept_invalid_certs(true);
    builder.build().unwrap()
}

#[tokio::test]
async fn command_lines_of_prometheus_adapter_become_ready() {
    for (name, arguments, notices) in [
        ("manifest", MANIFEST, &["--tls-cipher-suites: weak"][..]),
        ("chart", CHART, &["are ignored: /adapter"]),
        (
            "long",
            LONG,
            &[
                "--client-qps has no effect",
                "--audit-log-maxage has no effect",
                "--prometheus-auth-incluster has no effect",
                "--vmodule: provider* names none",
            ],
        ),
    ] {
        let files = Files::new(RULES);
        let kubernetes = Kubernetes::start(&files).await;
        let mut program = Program::start(&files, arguments, &kubernetes.url);
        program.ready().await;
        let log = program.said();
        for notice in notices {
            assert_eq!(log.matches(notice).count(), 1, "{name}: {notice}: {log}");
        }
    }
}

/// Every trouble is said when it begins and when it ends, with the file that it is about.
#[tokio::test]
async fn files_that_break_and_mend_are_told() {
    const FILES: [&str; 3] = ["clients", "prometheus", "named"];
    let files = Files::new(RULES);
    let certificate = files.0.path().join("var/run/serving-cert/tls.crt");
    let certificate = fs::read_to_string(certificate).unwrap();
    let write = |text: &str| FILES.map(|name| files.write(&format!("tmp/{name}.crt"), text));
    write(&certificate);
    let kubernetes = Kubernetes::start(&files).await;
    let arguments = [
        "--config=/etc/adapter/config.yaml",
        "--tls-cert-file=/var/run/serving-cert/tls.crt",
        "--tls-private-key-file=/var/run/serving-cert/tls.key",
        "--tls-sni-cert-key=/tmp/named.crt,/var/run/serving-cert/tls.key:a.test",
        "--client-ca-file=/tmp/clients.crt",
        "--prometheus-ca-file=/tmp/prometheus.crt",
    ];
    let mut program = Program::start(&files, &arguments, &kubernetes.url);
    program.ready().await;
    write("no PEM");
    for texts in [
        ["keeping the last good authorities", "--client-ca-file /"],
        [
            "keeping the last good certificates for Prometheus",
            "--prometheus-ca-file /",
        ],
        [
            "keeping the last good serving certificate",
            "--tls-sni-cert-key /",
        ],
    ] {
        program.says(&texts).await;
    }
    write(&certificate);
    for texts in [
        &["the files of trusted authorities are good again"][..],
        &["the files of Prometheus' certificates are good again"],
        &[
            "the serving certificate's files are good again",
            "--tls-sni-cert-key",
            "/named.crt",
        ],
    ] {
        program.says(texts).await;
    }
    let log = program.said();
    assert_eq!(log.matches("keeping the last good").count(), 3, "{log}");
    assert_eq!(log.matches("good again").count(), 3, "{log}");
}

#[tokio::test]
async fn an_absent_kube_apiserver_is_said_by_nobody_else() {
    let files = Files::new(RULES);
    let arguments = [
        "--config=/etc/adapter/config.yaml",
        "--tls-cert-file=/var/run/serving-cert/tls.crt",
        "--tls-private-key-file=/var/run/serving-cert/tls.key",
    ];
    let mut program = Program::start(&files, &arguments, "http://127.0.0.1:1");
    program.says(&["watch fails, trying again"]).await;
    program.says(&["API discovery failed"]).await;
    let log = program.said();
    assert!(!log.contains("kube_client"), "{log}");
}

#[test]
fn bad_flags_are_64_and_missing_files_1() {
    let files = Files::new(RULES);
    let config = "--config=/etc/adapter/config.yaml";
    let pair = ["crt", "key"].map(|kind| format!("/var/run/serving-cert/tls.{kind}"));
    let certificate = format!("--tls-cert-file={}", pair[0]);
    let key = format!("--tls-private-key-file={}", pair[1]);
    let kubeconfig = files.kubeconfig("http://127.0.0.1:1");
    let lister = format!("--lister-kubeconfig={kubeconfig}");
    let others = ["authentication", "authorization"];
    let others = others.map(|who| format!("--{who}-kubeconfig={kubeconfig}"));
    let common = [config, &certificate, &key, &lister, &others[0], &others[1]];
    let admin = format!("--admin-address=127.0.0.1:{}", free_port());
    let common = [
        &common[..],
        &["--prometheus-url=http://127.0.0.1:1", &admin],
    ]
    .concat();
    for (flag, code, text) in [
        ("--audit-log-path=-", 64, "--audit-log-path: there is no"),
        ("--metrics-max-age=1m", 64, "--metrics-max-age 60s must not"),
        ("--client-ca-file=/etc/no", 1, "--client-ca-file /"),
        (
            "--client-ca-file=/etc/adapter/config.yaml",
            1,
            "no PEM certificate in it",
        ),
        // An address for documentation, which no machine has.
        (
            "--bind-address=192.0.2.1",
            1,
            "--bind-address and --secure-port: cannot listen on 192.0.2.1:443: ",
        ),
        (
            "--requestheader-client-ca-file=/etc/no",
            1,
            "--requestheader-client-ca-file /",
        ),
        (
            "--prometheus-token-file=/etc/no",
            1,
            "--prometheus-token-file /",
        ),
        (
            "--prometheus-auth-config=/etc/no",
            1,
            "--prometheus-auth-config /",
        ),
        (
            "--prometheus-auth-incluster",
            1,
            "--prometheus-auth-incluster: this is no pod with a service account: ",
        ),
        (
            "--tls-sni-cert-key=/etc/no,/etc/no",
            1,
            "--tls-sni-cert-key",
        ),
    ] {
        let arguments = [&common[..], &[flag]].concat();
        let (found, said) = files.failure(&arguments);
        let last = said.lines().last().unwrap_or_default();
        assert_eq!(found, code, "{flag}: {said}");
        assert!(last.starts_with("metrics-adapter: "), "{flag}: {said}");
        assert!(last.contains(text), "{flag}: {said}");
        let cause = last.rsplit(": ").next().unwrap();
        assert_eq!(last.matches(cause).count(), 1, "{flag}: {said}");
    }
}

/// prometheus-adapter judges the age of metrics only beside custom rules.
#[test]
fn without_rules_any_age_will_do() {
    let files = Files::new("externalRules: []");
    let config = "--config=/etc/adapter/config.yaml";
    let arguments = [
        config,
        "--metrics-max-age=1m",
        "--cert-dir=/etc/adapter/config.yaml",
    ];
    let (code, said) = files.failure(&arguments);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--cert-dir"), "{said}");
}
