//! Who gets in: the running program over real TLS, before a kube-apiserver that answers reviews
//! from tables, and with a real Prometheus behind it. Whoever is let in gets a value.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api_server::{ApiServer, Data, Review};
use crate::authority::{Ca, Identity};
use crate::command_line::{BINARY, Program};
use crate::prometheus::Prometheus;
use crate::tls::{Dial, Protocol};

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

type Headers<'a> = &'a [(&'a str, &'a str)];
/// A case: its name, who calls, with which headers, and what becomes of it.
type Plain<'a> = (&'a str, Option<&'a Identity>, Headers<'a>, Outcome);
/// Likewise, with a bearer token.
type WithToken<'a> = (
    &'a str,
    Option<&'a Identity>,
    Option<&'a str>,
    Headers<'a>,
    Outcome,
);

use Outcome::{Exempt, Forbidden, Served, Unauthorized, Unknown};

struct World {
    address: SocketAddr,
    api_server: ApiServer,
    proxies: Ca,
    clients: Ca,
    _program: Program,
    _prometheus: Prometheus,
    _directory: TempDir,
}

impl World {
    async fn start() -> Self {
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
            // Every request is reviewed.
            "--authorization-webhook-cache-authorized-ttl=0s".to_owned(),
            "--authorization-webhook-cache-unauthorized-ttl=0s".to_owned(),
            "--authentication-token-webhook-cache-ttl=0s".to_owned(),
        ]);
        let mut program = Program::spawn(command, &path("kubeconfig"), &prometheus.url());
        program.ready().await;
        let world = Self {
            address: SocketAddr::from(([127, 0, 0, 1], program.port)),
            api_server,
            proxies,
            clients,
            _program: program,
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

#[tokio::test]
async fn only_the_front_proxy_speaks_for_others() {
    let world = World::start().await;
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let future = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    };
    let for_servers = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let stranger = Ca::new("front proxies").issue(PROXY, &[]);
    let other_name = world.proxies.issue("somebody", &[]);
    let nameless = world.proxies.issue("", &[]);
    let expired = world.proxies.issue_with(PROXY, &[], past);
    let not_yet = world.proxies.issue_with(PROXY, &[], future);
    let server = world.proxies.issue_with(PROXY, &[], for_servers);
    let of_clients = world.clients.issue(PROXY, &[]);
    let proxy = world.proxies.issue(PROXY, &[]);
    let (bob, alice) = (
        world.clients.issue("bob", &[]),
        world.clients.issue("alice", &["dev"]),
    );
    let expired_alice = world.clients.issue_with("alice", &[], past);
    let server_alice = world.clients.issue_with("alice", &[], for_servers);
    let nobody = world.clients.issue("", &["system:masters"]);
    let anonymous = || Forbidden("system:anonymous");
    let forged = [ALICE, MASTERS];
    let plain: [Plain<'_>; 34] = [
        ("nothing at all", None, &[], anonymous()),
        ("headers, no certificate", None, &forged, anonymous()),
        (
            "an unrelated CA of the same name",
            Some(&stranger),
            &forged,
            Unauthorized,
        ),
        (
            "an unrelated CA, no headers",
            Some(&stranger),
            &[],
            Unauthorized,
        ),
        (
            "a name that is not allowed",
            Some(&other_name),
            &forged,
            Unauthorized,
        ),
        ("no name", Some(&nameless), &forged, Unauthorized),
        ("expired", Some(&expired), &forged, Unauthorized),
        ("not yet valid", Some(&not_yet), &forged, Unauthorized),
        ("for servers only", Some(&server), &forged, Unauthorized),
        (
            "the front proxy's name, by the clients' CA",
            Some(&of_clients),
            &forged,
            Forbidden(PROXY),
        ),
        ("stripped headers", Some(&proxy), &[], Unauthorized),
        ("stripped user", Some(&proxy), &[MASTERS], Unauthorized),
        (
            "empty user",
            Some(&proxy),
            &[("X-Remote-User", ""), MASTERS],
            Unauthorized,
        ),
        (
            "underscores",
            Some(&proxy),
            &[("X_Remote_User", "alice")],
            Unauthorized,
        ),
        (
            "underscores beside it",
            Some(&proxy),
            &[
                ("X-Remote-User", "bob"),
                ("X_Remote_User", "alice"),
                ("X_Remote_Group", "system:masters"),
            ],
            Forbidden("bob"),
        ),
        (
            "a second user",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ALICE],
            Forbidden("bob"),
        ),
        (
            "a second user in other letters",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ("x-REMOTE-user", "alice")],
            Forbidden("bob"),
        ),
        (
            "a list of users",
            Some(&proxy),
            &[("X-Remote-User", "bob,alice")],
            Forbidden("bob,alice"),
        ),
        (
            "an unlisted header",
            Some(&proxy),
            &[
                ("X-Remote-User", "bob"),
                ("X-Remote-Groups", "system:masters"),
            ],
            Forbidden("bob"),
        ),
        (
            "a group that is almost one",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ("X-Remote-Group", "")],
            Forbidden("bob"),
        ),
        (
            "impersonation's user",
            Some(&stranger),
            &[("Impersonate-User", "alice")],
            Unauthorized,
        ),
        (
            "a user's certificate and masters",
            Some(&bob),
            &[MASTERS],
            Forbidden("bob"),
        ),
        (
            "a user's certificate and another user",
            Some(&bob),
            &forged,
            Forbidden("bob"),
        ),
        ("an expired user", Some(&expired_alice), &[], Unauthorized),
        (
            "a user's certificate for servers only",
            Some(&server_alice),
            &[],
            Unauthorized,
        ),
        ("masters without a name", Some(&nobody), &[], Unauthorized),
        (
            "basic credentials",
            None,
            &[("Authorization", "Basic YWxpY2U6eA==")],
            anonymous(),
        ),
        (
            "a bearer without a token",
            None,
            &[("Authorization", "Bearer ")],
            anonymous(),
        ),
        // And who is right.
        (
            "the front proxy for alice",
            Some(&proxy),
            &[ALICE],
            Served("alice", &["system:authenticated"]),
        ),
        (
            "in other letters",
            Some(&proxy),
            &[("x-rEMOTE-uSER", "alice"), ("X-REMOTE-GROUP", "dev")],
            Served("alice", &["dev", "system:authenticated"]),
        ),
        (
            "groups in several headers",
            Some(&proxy),
            &[ALICE, ("X-Remote-Group", "dev"), ("X-Remote-Group", "ops")],
            Served("alice", &["dev", "ops", "system:authenticated"]),
        ),
        (
            "the front proxy for masters",
            Some(&proxy),
            &[("X-Remote-User", "kube"), MASTERS],
            Exempt,
        ),
        (
            "the front proxy for nobody",
            Some(&proxy),
            &[
                ("X-Remote-User", "system:anonymous"),
                ("X-Remote-Group", "system:unauthenticated"),
            ],
            anonymous(),
        ),
        (
            "a user of the cluster, forging",
            Some(&alice),
            &[("X-Remote-User", "kube"), MASTERS],
            Served("alice", &["dev", "system:authenticated"]),
        ),
    ];
    for (case, identity, headers, expected) in &plain {
        world.expect(case, *identity, headers, expected).await;
    }

    // Not even a valid identity may be guessed from bytes that are no text.
    let bytes = [
        b"GET ",
        PODS.as_bytes(),
        b" HTTP/1.1\r\nHost: adapter\r\nConnection: close\r\nX-Remote-User: alice\xff\r\n\r\n",
    ]
    .concat();
    assert_eq!(world.raw(Some(&proxy), &bytes).await.0, 401);
    // Nor from a header in two lines, as HTTP once had it.
    let folded = head(&[("X-Remote-User", "bob\r\n alice")]);
    assert_eq!(world.raw(Some(&proxy), folded.as_bytes()).await.0, 400);
}

#[tokio::test]
async fn tokens_are_what_kube_apiserver_says() {
    let world = World::start().await;
    let given = |status: Value| Review::Given(status);
    let robot = || json!({"username": "robot", "groups": ["robots"]});
    world.api_server.known.tokens.lock().unwrap().extend([
        ("good", given(json!({"authenticated": true, "user": robot()}))),
        ("own-audience", given(json!({
            "authenticated": true, "user": robot(),
            "audiences": ["https://kubernetes.default.svc.cluster.local"],
        }))),
        // As kube-apiserver words them.
        ("other-audience", given(json!({
            "authenticated": false, "user": {},
            "error": "[invalid bearer token, token audiences [\"vault\"] is invalid for the target \
                      audiences [\"https://kubernetes.default.svc.cluster.local\"]]",
        }))),
        ("other-audiences-named", given(json!({"user": robot(), "audiences": ["vault"]}))),
        ("expired", given(json!({
            "user": {}, "error": "[invalid bearer token, service account token has expired]",
        }))),
        ("deleted", given(json!({
            "user": {}, "error": "[invalid bearer token, serviceaccounts \"robot\" not found]",
        }))),
        ("refused-with-user", given(json!({"authenticated": false, "user": robot()}))),
        ("nameless", given(json!({"authenticated": true, "user": {"groups": ["system:masters"]}}))),
        ("userless", given(json!({"authenticated": true}))),
        ("empty", given(json!({}))),
        ("no-status", given(Value::Null)),
        ("garbage", Review::Broken(201, "{\"status\": {\"authenticated\": tru")),
        ("html", Review::Broken(200, "<html>a proxy was here</html>")),
        ("forbidden", Review::Broken(403, "{}")),
        ("failing", Review::Broken(500, "{}")),
        ("hanging", Review::Hang),
    ]);
    let bob = world.clients.issue("bob", &[]);
    let stranger = Ca::new("clients").issue("alice", &[]);
    let proxy = world.proxies.issue(PROXY, &[]);
    let served = || Served("robot", &["robots", "system:authenticated"]);
    let robot = Some("good");
    let cases: [WithToken<'_>; 23] = [
        ("good", None, robot, &[], served()),
        (
            "for kube-apiserver",
            None,
            Some("own-audience"),
            &[],
            served(),
        ),
        ("unheard of", None, Some("nonsense"), &[], Unauthorized),
        (
            "for others",
            None,
            Some("other-audience"),
            &[],
            Unauthorized,
        ),
        (
            "for others, who are named",
            None,
            Some("other-audiences-named"),
            &[],
            Unauthorized,
        ),
        ("expired", None, Some("expired"), &[], Unauthorized),
        (
            "of an account that was deleted",
            None,
            Some("deleted"),
            &[],
            Unauthorized,
        ),
        (
            "not authenticated, with a user",
            None,
            Some("refused-with-user"),
            &[],
            Unauthorized,
        ),
        (
            "of nobody, in a group",
            None,
            Some("nameless"),
            &[],
            Unauthorized,
        ),
        ("of nobody", None, Some("userless"), &[], Unauthorized),
        ("an empty status", None, Some("empty"), &[], Unauthorized),
        ("no status", None, Some("no-status"), &[], Unknown),
        ("half a review", None, Some("garbage"), &[], Unknown),
        ("no review at all", None, Some("html"), &[], Unknown),
        (
            "reviews are forbidden",
            None,
            Some("forbidden"),
            &[],
            Unknown,
        ),
        ("reviews fail", None, Some("failing"), &[], Unknown),
        ("reviews hang", None, Some("hanging"), &[], Unknown),
        (
            "good, with forged headers",
            None,
            robot,
            &[ALICE, MASTERS],
            served(),
        ),
        (
            "bad, with forged headers",
            None,
            Some("expired"),
            &[ALICE, MASTERS],
            Unauthorized,
        ),
        (
            "failing, with forged headers",
            None,
            Some("failing"),
            &[ALICE, MASTERS],
            Unknown,
        ),
        // Certificates come first, if they are good.
        (
            "beside a user's certificate",
            Some(&bob),
            robot,
            &[],
            Forbidden("bob"),
        ),
        (
            "beside an unknown certificate",
            Some(&stranger),
            Some("expired"),
            &[],
            Unauthorized,
        ),
        (
            "beside the front proxy's",
            Some(&proxy),
            Some("expired"),
            &[ALICE],
            Served("alice", &["system:authenticated"]),
        ),
    ];
    for (case, identity, token, headers, expected) in &cases {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let bearer = bearer.as_deref().map(|value| ("Authorization", value));
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain(bearer).collect();
        world.expect(case, *identity, &headers, expected).await;
        // Like k8s.io/apiserver's delegating authenticator it names no audience, so kube-apiserver
        // takes its own.
        for spec in world.api_server.known.take("tokenreviews") {
            assert_eq!(spec, json!({"token": token}), "{case}");
        }
    }
}
