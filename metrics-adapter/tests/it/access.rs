//! Who gets in: the running program over real TLS, before a kube-apiserver that answers reviews
//! from tables, and with a real Prometheus behind it. Whoever is let in gets a value.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api_server::{ApiServer, Data};
use crate::authority::{Ca, Identity};
use crate::command_line::{BINARY, Program};
use crate::prometheus::Prometheus;
use crate::tls::{Dial, Protocol};

mod certificate;
mod token;
mod warm;

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";

const SAMPLES: &[(&str, &str)] = &[(r#"rps{namespace="shop",pod="web-0"}"#, "10")];

const RULES: &str = "rules: [{seriesQuery: rps, resources: {template: <<.Resource>>}, \
                     metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]";

/// The front proxy's name.
const PROXY: &str = "front-proxy-client";
const ALICE: (&str, &str) = ("X-Remote-User", "alice");
const MASTERS: (&str, &str) = ("X-Remote-Group", "system:masters");

/// What becomes of a request.
enum Outcome {
    /// A value, for this user with these groups and nothing else.
    Served(&'static str, &'static [&'static str]),
    /// A value, without a review of the access.
    Exempt,
    /// 401.
    Unauthorized,
    /// 403 for this user.
    Forbidden(&'static str),
    /// 500: nobody could be asked.
    Unknown,
}

use Outcome::{Exempt, Forbidden, Served, Unauthorized, Unknown};

type Headers<'a> = &'a [(&'a str, &'a str)];

struct World {
    address: SocketAddr,
    api_server: ApiServer,
    proxies: Ca,
    clients: Ca,
    program: Program,
    _prometheus: Prometheus,
    _directory: TempDir,
}

impl World {
    /// Every request is reviewed.
    async fn start() -> Self {
        Self::start_with("0s").await
    }

    /// Reviews of whatever kind and outcome are good for this time.
    async fn start_with(ttl: &str) -> Self {
        let prometheus = Prometheus::start(SAMPLES).await;
        let (proxies, clients) = (Ca::new("front proxies"), Ca::new("clients"));
        let api_server = ApiServer::start(data(&proxies, &clients)).await;
        api_server
            .known
            .allowed
            .lock()
            .unwrap()
            .extend(["alice", "robot"]);
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let serving = Ca::new("serving").issue_serving();
        fs::write(path("tls.crt"), serving.certificate_pem()).unwrap();
        fs::write(path("tls.key"), serving.key_pem()).unwrap();
        fs::write(path("config.yaml"), RULES).unwrap();
        fs::write(path("kubeconfig"), kubeconfig(&api_server.url, &json!({}))).unwrap();
        let mut command = Command::new(BINARY);
        command.args([
            format!("--config={}", path("config.yaml")),
            format!("--tls-cert-file={}", path("tls.crt")),
            format!("--tls-private-key-file={}", path("tls.key")),
            format!("--authorization-webhook-cache-authorized-ttl={ttl}"),
            format!("--authorization-webhook-cache-unauthorized-ttl={ttl}"),
            format!("--authentication-token-webhook-cache-ttl={ttl}"),
        ]);
        let mut program = Program::spawn(command, &path("kubeconfig"), &prometheus.url());
        program.ready().await;
        let world = Self {
            address: SocketAddr::from(([127, 0, 0, 1], program.port)),
            api_server,
            proxies,
            clients,
            program,
            _prometheus: prometheus,
            _directory: directory,
        };
        world.listed().await;
        world
    }

    /// Waits until there is a value to refuse.
    async fn listed(&self) {
        let proxy = self.proxies.issue(PROXY, &[]);
        for _ in 0..200 {
            let request = head(&[ALICE, MASTERS]);
            if self.raw(Some(&proxy), request.as_bytes()).await.0 == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no value after 10 s");
    }

    /// Asks for the value over each version of HTTP, and compares.
    async fn expect(
        &self,
        case: &str,
        identity: Option<&Identity>,
        headers: Headers<'_>,
        expected: &Outcome,
    ) {
        let answers = [
            self.raw(identity, head(headers).as_bytes()).await,
            self.over_http2(identity, headers).await,
        ];
        let asked = self.api_server.known.take("subjectaccessreviews");
        for (status, body) in &answers {
            let told = format!("{case}: {status} {body}");
            match expected {
                Served(..) | Exempt => {
                    assert_eq!(
                        (*status, &body["items"][0]["value"]),
                        (200, &json!("10")),
                        "{told}"
                    );
                }
                Unauthorized => {
                    let words = json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
                    });
                    assert_eq!((*status, body), (401, &words), "{told}");
                }
                Forbidden(user) => {
                    let words = json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": format!(
                            "pods.custom.metrics.k8s.io \"*\" is forbidden: User \"{user}\" cannot \
                             get resource \"pods/rps\" in API group \"custom.metrics.k8s.io\" in \
                             the namespace \"shop\""
                        ),
                        "reason": "Forbidden",
                        "details": {
                            "name": "*", "group": "custom.metrics.k8s.io", "kind": "pods",
                        },
                        "code": 403,
                    });
                    assert_eq!((*status, body), (403, &words), "{told}");
                }
                Unknown => {
                    assert_eq!(
                        (*status, &body["reason"]),
                        (500, &json!("InternalError")),
                        "{told}"
                    );
                }
            }
        }
        // The access of a user is reviewed once per request, and of nobody else.
        let reviewed = match expected {
            Served(user, groups) => Some((*user, json!(groups))),
            Forbidden("system:anonymous") => {
                Some(("system:anonymous", json!(["system:unauthenticated"])))
            }
            Forbidden(user) => Some((*user, json!(["system:authenticated"]))),
            Exempt | Unauthorized | Unknown => None,
        };
        assert_eq!(
            asked.len(),
            reviewed.as_ref().map_or(0, |_| 2),
            "{case}: {asked:?}"
        );
        for spec in asked {
            let (user, groups) = reviewed.as_ref().unwrap();
            assert_eq!(
                (&spec["user"], &spec["groups"]),
                (&json!(user), groups),
                "{case}"
            );
            assert_eq!(
                spec["resourceAttributes"],
                json!({
                    "verb": "get", "group": "custom.metrics.k8s.io", "version": "v1beta2",
                    "namespace": "shop", "resource": "pods", "subresource": "rps", "name": "*",
                }),
                "{case}"
            );
        }
    }

    /// Status and body after these bytes, over HTTP/1.1.
    async fn raw(&self, identity: Option<&Identity>, bytes: &[u8]) -> (u16, Value) {
        let mut stream = self
            .dial(Protocol::Http1, identity)
            .handshake()
            .await
            .unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn over_http2(&self, identity: Option<&Identity>, headers: Headers<'_>) -> (u16, Value) {
        let dial = self.dial(Protocol::Http2, identity);
        let mut client = dial.client().await.unwrap();
        let answer = client.send(PODS, headers).await.unwrap();
        (
            answer.status.as_u16(),
            serde_json::from_str(&answer.body).unwrap_or_default(),
        )
    }

    fn dial<'a>(&self, protocol: Protocol, identity: Option<&'a Identity>) -> Dial<'a> {
        Dial {
            address: self.address,
            protocol,
            identity,
            authorities: &[],
        }
    }
}

pub(crate) fn data(proxies: &Ca, clients: &Ca) -> Data {
    Data::from([
        ("client-ca-file", clients.pem()),
        ("requestheader-client-ca-file", proxies.pem()),
        ("requestheader-allowed-names", json!([PROXY]).to_string()),
        (
            "requestheader-username-headers",
            r#"["X-Remote-User"]"#.to_owned(),
        ),
        (
            "requestheader-group-headers",
            r#"["X-Remote-Group"]"#.to_owned(),
        ),
        (
            "requestheader-extra-headers-prefix",
            r#"["X-Remote-Extra-"]"#.to_owned(),
        ),
    ])
}

pub(crate) fn kubeconfig(server: &str, user: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    })
    .to_string()
}

/// A request for the value over HTTP/1.1, with headers as they are written here.
fn head(headers: Headers<'_>) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    format!("GET {PODS} HTTP/1.1\r\nHost: adapter\r\nConnection: close\r\n{lines}\r\n")
}
