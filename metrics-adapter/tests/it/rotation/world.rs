//! The running program, between a kube-apiserver and a Prometheus, with everything that rotates.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::load::{Caller, Load, PODS};
use super::mount::Mount;
use crate::access;
use crate::api_server::{ApiServer, Review};
use crate::authority::{Ca, Identity};
use crate::command_line::{BINARY, Program, client};
use crate::prometheus::Prometheus;
use crate::tls::{Dial, Protocol};

/// What Prometheus tells, all the time.
pub(crate) const SAMPLES: &[(&str, &str)] = &[(r#"rps{namespace="shop",pod="web-0"}"#, "10")];
/// The name of the first front proxy.
pub(crate) const PROXY: &str = "front-proxy-client";
/// The front proxy speaks for the HPA controller.
pub(crate) const HPA: &[(&str, &str)] = &[
    ("x-remote-user", "hpa"),
    ("x-remote-group", "system:authenticated"),
];
/// Somebody with a token.
pub(crate) const ROBOT: &[(&str, &str)] = &[("authorization", "Bearer robot")];
/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
    pub(crate) api_server: ApiServer,
    _directory: TempDir,
    /// Two authorities that callers trust, and the adapter's certificate.
    pub(crate) serving: [Ca; 2],
    pub(crate) certificate: Mount,
    pub(crate) rules: Mount,
    /// The adapter's token for kube-apiserver.
    pub(crate) account: Mount,
    admin: reqwest::Client,
    pub(crate) prometheus: Prometheus,
}

/// The rules, with one of another name.
pub(crate) fn rules(name: &str) -> String {
    let rule = |name: &str| {
        format!(
            "- {{seriesQuery: rps, name: {{as: {name}}}, resources: {{template: <<.Resource>>}}, \
             metricsQuery: 'sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)'}}\n"
        )
    };
    format!("rules:\n{}{}", rule("rps"), rule(name))
}

impl World {
    /// Starts with the front proxies and clients of two authorities; `arguments` say how
    /// Prometheus, which is at `url`, is reached.
    pub(crate) async fn start(
        directory: TempDir,
        (proxies, clients): (&Ca, &Ca),
        prometheus: Prometheus,
        url: &str,
        arguments: &[String],
    ) -> Self {
        let api_server = ApiServer::start(access::data(proxies, clients)).await;
        let status = json!({"authenticated": true, "user": {"username": "robot"}});
        let known = &api_server.known;
        known
            .tokens
            .lock()
            .unwrap()
            .insert("robot", Review::Given(status));
        known
            .allowed
            .lock()
            .unwrap()
            .extend(["hpa", "reader", "robot"]);
        known.callers.lock().unwrap().insert("account-0".to_owned());
        let path = |name: &str| directory.path().join(name);
        let serving = [Ca::new("serving 0"), Ca::new("serving 1")];
        let certificate = Mount::new(
            &path("serving"),
            &pair(&serving[0].issue_serving()).each_ref(),
        );
        let mounted_rules = Mount::new(&path("rules"), &[("config.yaml", &rules("first"))]);
        let account = Mount::new(&path("account"), &[("token", "account-0")]);
        let kubeconfig = path("kubeconfig").display().to_string();
        let user = json!({"tokenFile": account.path("token")});
        fs::write(&kubeconfig, access::kubeconfig(&api_server.url, &user)).unwrap();
        let mut command = Command::new(BINARY);
        command
            .args([
                format!("--config={}", mounted_rules.path("config.yaml")),
                format!("--tls-cert-file={}", certificate.path("tls.crt")),
                format!("--tls-private-key-file={}", certificate.path("tls.key")),
                "--authentication-token-webhook-cache-ttl=100ms".to_owned(),
                // Each request shows whether Prometheus can be asked.
                "--metrics-max-staleness=0s".to_owned(),
            ])
            .args(arguments);
        let mut program = Program::spawn(command, &kubeconfig, url);
        program.ready().await;
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], program.port)),
            program,
            api_server,
            _directory: directory,
            serving,
            certificate,
            rules: mounted_rules,
            account,
            admin: client(),
            prometheus,
        }
    }

    /// Who may vouch for the adapter.
    pub(crate) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        self.serving.iter().map(Ca::der).collect()
    }

    /// Waits until a caller gets this status with a certificate.
    pub(crate) async fn until_status(&self, caller: &Caller, identity: &Identity, expected: u16) {
        let what = format!("{expected} for {}", caller.name);
        self.until(&what, async || {
            let answer = caller.try_with(Some(identity)).await;
            answer.is_ok_and(|(status, _)| status == expected)
        })
        .await;
    }

    /// Waits until a metric is served.
    pub(crate) async fn until_metric(&self, metric: &str) {
        let path = PODS.replace("/rps", &format!("/{metric}"));
        let authorities = self.authorities();
        let dial = Dial {
            address: self.address,
            protocol: Protocol::Http2,
            identity: None,
            authorities: &authorities,
        };
        self.until(metric, async || {
            let mut client = dial.client().await.unwrap();
            let answer = client.send(&path, ROBOT).await.unwrap();
            answer.status == 200
        })
        .await;
    }

    /// A sample of the adapter's own metrics, without their common prefix.
    pub(crate) async fn told(&self, sample: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.program.admin_port);
        let text = self
            .admin
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let prefix = format!("metrics_adapter_{sample} ");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()));
        value
            .unwrap_or_else(|| panic!("no {sample}: {text}"))
            .parse()
            .unwrap()
    }

    /// Waits until a sample is that.
    pub(crate) async fn until_told(&self, sample: &str, expected: u64) {
        let what = format!("{sample} {expected}");
        self.until(&what, async || self.told(sample).await == expected)
            .await;
    }

    /// Waits until there were so many answers.
    pub(crate) async fn until_asked(&self, load: &Load, answers: u64) {
        self.until("answers", async || load.asked() >= answers)
            .await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let start = Instant::now();
        while !holds().await {
            assert!(start.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A pair as a Secret holds it.
pub(crate) struct Pair([String; 2]);

pub(crate) fn pair(identity: &Identity) -> Pair {
    Pair([identity.certificate_pem(), identity.key_pem()])
}

impl Pair {
    pub(crate) fn each_ref(&self) -> [(&str, &str); 2] {
        [("tls.crt", &self.0[0]), ("tls.key", &self.0[1])]
    }

    /// With half of its certificate.
    pub(crate) fn halved(&self) -> [(&str, &str); 2] {
        [("tls.crt", half(&self.0[0])), ("tls.key", &self.0[1])]
    }

    /// With the key of another one.
    pub(crate) fn with_key_of<'a>(&'a self, other: &'a Self) -> [(&'a str, &'a str); 2] {
        [("tls.crt", &self.0[0]), ("tls.key", &other.0[1])]
    }
}

/// What of a text is there while it is being written.
pub(crate) fn half(text: &str) -> &str {
    &text[..text.len() / 2]
}
