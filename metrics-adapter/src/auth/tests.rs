//! The gate behind real TLS: certificates, headers, tokens, rotation, and what callers are told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::Layer as _;

use super::*;
use crate::model::review::{AccessAttributes, Cause, Decision, ReviewError, Reviewer, UserInfo};
use crate::serving::tests::support::{Answer, Ca, Client, Identity, Protocol, TestServer};

mod trust;
mod warm;

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";

/// Reviews as kube-apiserver would give them, from tables.
#[derive(Default)]
struct FakeReviewer {
    tokens: Mutex<BTreeMap<String, UserInfo>>,
    /// Users who may do everything.
    allowed: Mutex<Vec<String>>,
    down: AtomicBool,
    accesses: AtomicUsize,
    token_reviews: AtomicUsize,
    /// What was asked by whom, and why.
    asked: Mutex<Vec<(String, AccessAttributes, Cause)>>,
}

impl Reviewer for FakeReviewer {
    async fn authorize(
        &self,
        user: &UserInfo,
        attributes: &AccessAttributes,
        cause: Cause,
    ) -> Result<Decision, ReviewError> {
        let asked = (user.name.clone(), attributes.clone(), cause);
        self.asked.lock().unwrap().push(asked);
        self.accesses.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(ReviewError("kube-apiserver is down".to_owned()));
        }
        let allowed = self.allowed.lock().unwrap().contains(&user.name);
        Ok(Decision {
            allowed,
            reason: String::new(),
        })
    }

    async fn authenticate(
        &self,
        token: &str,
        _cause: Cause,
    ) -> Result<Option<UserInfo>, ReviewError> {
        self.token_reviews.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(ReviewError("kube-apiserver is down".to_owned()));
        }
        Ok(self.tokens.lock().unwrap().get(token).cloned())
    }
}

/// Tells who was let through, and which headers came with the request.
#[derive(Clone)]
struct WhoAmI;

impl tower::Service<Request<Incoming>> for WhoAmI {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let user = request.extensions().get::<Arc<UserInfo>>().unwrap();
        let headers: Vec<&str> = request
            .headers()
            .keys()
            .map(http::HeaderName::as_str)
            .collect();
        let body = json!({
            "name": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra,
            "headers": headers,
        });
        Box::pin(async move { Ok(Response::new(Full::from(body.to_string()))) })
    }
}

/// A cluster's two authorities, and a server that trusts them.
struct Fixture {
    front_proxy: Ca,
    cluster: Ca,
    publish: watch::Sender<Option<Arc<Trust>>>,
    reviewer: Arc<FakeReviewer>,
    server: TestServer,
}

fn mk_data(front_proxy: &Ca, cluster: &Ca) -> BTreeMap<String, String> {
    [
        ("requestheader-client-ca-file", front_proxy.pem()),
        ("client-ca-file", cluster.pem()),
        (
            "requestheader-allowed-names",
            r#"["front-proxy-client"]"#.to_owned(),
        ),
        (
            "requestheader-username-headers",
            r#"["X-Remote-User"]"#.to_owned(),
        ),
        (
            "requestheader-group-headers",
            r#"["X-Remote-Group"]"#.to_owned(),
        ),
        (
            "requestheader-uid-headers",
            r#"["X-Remote-Uid"]"#.to_owned(),
        ),
        (
            "requestheader-extra-headers-prefix",
            r#"["X-Remote-Extra-"]"#.to_owned(),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

impl Fixture {
    async fn new() -> Self {
        let fixture = Self::unready().await;
        fixture.publish(&mk_data(&fixture.front_proxy, &fixture.cluster));
        fixture
    }

    /// Before the ConfigMap was read.
    async fn unready() -> Self {
        let (publish, trust) = watch::channel(None);
        let reviewer = Arc::new(FakeReviewer::default());
        reviewer
            .allowed
            .lock()
            .unwrap()
            .extend(["alice".to_owned(), "robot".to_owned()]);
        let robot = UserInfo {
            name: "robot".to_owned(),
            ..UserInfo::default()
        };
        reviewer
            .tokens
            .lock()
            .unwrap()
            .insert("good".to_owned(), robot);
        let options = Options::default();
        let layer = AuthLayer::new(trust, reviewer.clone(), &options, Metrics::default());
        let service = layer.layer(WhoAmI);
        let server = TestServer::start(service, crate::serving::Options::default()).await;
        let (front_proxy, cluster) = (Ca::new("front proxy"), Ca::new("cluster"));
        Self {
            front_proxy,
            cluster,
            publish,
            reviewer,
            server,
        }
    }

    fn publish(&self, data: &BTreeMap<String, String>) {
        self.publish
            .send_replace(Some(Arc::new(Trust::parse(data).unwrap())));
    }

    fn proxy(&self) -> Identity {
        self.front_proxy.issue("front-proxy-client", &[])
    }

    async fn client(&self, identity: Option<&Identity>) -> Client {
        self.server.client(Protocol::Http2, identity).await.unwrap()
    }

    async fn get(&self, identity: Option<&Identity>, headers: &[(&str, &str)]) -> Answer {
        self.client(identity)
            .await
            .send(PODS, headers)
            .await
            .unwrap()
    }
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_front_proxy_speaks_for_its_users() {
    let fixture = Fixture::new().await;
    let answer = fixture
        .get(
            Some(&fixture.proxy()),
            &[
                ("x-remote-user", "alice"),
                ("x-remote-uid", "17"),
                ("x-remote-group", "dev"),
                ("x-remote-group", "ops"),
                ("x-remote-group", ""),
                ("x-remote-extra-example.com%2fteam", "blue"),
                ("x-remote-extra-example.com%2fteam", "green"),
                ("accept", "*/*"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(
        answer.json(),
        json!({
            "name": "alice",
            "uid": "17",
            "groups": ["dev", "ops", "system:authenticated"],
            "extra": {"example.com/team": ["blue", "green"]},
            // Nothing behind the gate sees a credential.
            "headers": ["host", "accept"],
        }),
    );
}

#[tokio::test]
async fn an_anonymous_user_of_the_front_proxy_stays_one() {
    let fixture = Fixture::new().await;
    fixture
        .reviewer
        .allowed
        .lock()
        .unwrap()
        .push("system:anonymous".to_owned());
    let headers = [
        ("x-remote-user", "system:anonymous"),
        ("x-remote-group", "system:unauthenticated"),
    ];
    let answer = fixture.get(Some(&fixture.proxy()), &headers).await;
    assert_eq!(answer.json()["groups"], json!(["system:unauthenticated"]));
}

#[tokio::test]
async fn forged_headers_count_for_nothing() {
    let fixture = Fixture::new().await;
    let forged = [
        ("x-remote-user", "alice"),
        ("x-remote-group", "system:masters"),
    ];
    let answer = fixture.get(None, &forged).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(
        message(&answer),
        "pods.custom.metrics.k8s.io \"*\" is forbidden: User \"system:anonymous\" cannot get \
         resource \"pods/rps\" in API group \"custom.metrics.k8s.io\" in the namespace \"shop\"",
    );

    // Beside a certificate of the cluster, the certificate's own identity counts.
    let alice = fixture.cluster.issue("alice", &["dev"]);
    let forged = [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
    ];
    let answer = fixture.get(Some(&alice), &forged).await;
    assert_eq!(answer.json()["name"], "alice");
    assert_eq!(
        answer.json()["groups"],
        json!(["dev", "system:authenticated"])
    );
    assert_eq!(answer.json()["headers"], json!(["host"]));
}

#[tokio::test]
async fn bad_certificates_are_unauthorized() {
    let fixture = Fixture::new().await;
    let stranger = Ca::new("front proxy");
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let future = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    };
    let server_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let name = "front-proxy-client";
    let user = [("x-remote-user", "alice")];
    for (case, identity, headers) in [
        // The same name, another key.
        ("wrong authority", stranger.issue(name, &[]), &user[..]),
        (
            "wrong name",
            fixture.front_proxy.issue("somebody", &[]),
            &user,
        ),
        ("no name", fixture.front_proxy.issue("", &[]), &user),
        (
            "expired",
            fixture.front_proxy.issue_with(name, &[], past),
            &user,
        ),
        (
            "not yet valid",
            fixture.front_proxy.issue_with(name, &[], future),
            &user,
        ),
        (
            "for servers",
            fixture.front_proxy.issue_with(name, &[], server_only),
            &user,
        ),
        ("no user", fixture.proxy(), &[]),
        ("empty user", fixture.proxy(), &[("x-remote-user", "")]),
        (
            "groups only",
            fixture.proxy(),
            &[("x-remote-group", "system:masters")],
        ),
        (
            "expired client",
            fixture.cluster.issue_with("alice", &[], past),
            &[],
        ),
        (
            "nameless client",
            fixture.cluster.issue("", &["system:masters"]),
            &[],
        ),
    ] {
        let answer = fixture.get(Some(&identity), headers).await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{case}: {}",
            answer.body
        );
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
        });
        assert_eq!(answer.json(), expected, "{case}");
        // Also where everybody may go.
        let mut client = fixture.client(Some(&identity)).await;
        let health = client.send("/healthz", headers).await.unwrap();
        assert_eq!(health.status, StatusCode::UNAUTHORIZED, "{case}");
    }
    assert_eq!(fixture.reviewer.accesses.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_authorities_a_certificate_makes_nobody_known() {
    let fixture = Fixture::unready().await;
    fixture.publish.send_replace(Some(Arc::new(Trust {
        request_header: None,
        client: None,
    })));
    let certificate = fixture.proxy();
    let user = [("x-remote-user", "alice")];
    let answer = fixture.get(Some(&certificate), &user).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert!(
        message(&answer).contains("system:anonymous"),
        "{}",
        answer.body
    );
    let token = [("authorization", "Bearer good")];
    let answer = fixture.get(Some(&certificate), &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn both_authorities_rotate_without_a_restart() {
    let fixture = Fixture::new().await;
    let (old_proxy, old_client) = (fixture.proxy(), fixture.cluster.issue("alice", &[]));
    let (new_front_proxy, new_cluster) = (Ca::new("front proxy"), Ca::new("cluster"));
    let new_proxy = new_front_proxy.issue("front-proxy-client", &[]);
    let new_client = new_cluster.issue("alice", &[]);
    let user = [("x-remote-user", "alice")];
    // Connections that stay open all the time: trust is of the moment, not of the handshake.
    let mut clients = [
        fixture.client(Some(&old_proxy)).await,
        fixture.client(Some(&old_client)).await,
        fixture.client(Some(&new_proxy)).await,
        fixture.client(Some(&new_client)).await,
    ];
    let both = |a: &Ca, b: &Ca| format!("{}\n{}", a.pem(), b.pem());
    let old = mk_data(&fixture.front_proxy, &fixture.cluster);
    let new = mk_data(&new_front_proxy, &new_cluster);
    let mut overlap = old.clone();
    overlap.insert(
        "requestheader-client-ca-file".to_owned(),
        both(&fixture.front_proxy, &new_front_proxy),
    );
    overlap.insert(
        "client-ca-file".to_owned(),
        both(&fixture.cluster, &new_cluster),
    );
    for (data, expected) in [
        (&old, [200, 200, 401, 401]),
        (&overlap, [200, 200, 200, 200]),
        (&new, [401, 401, 200, 200]),
    ] {
        fixture.publish(data);
        for (client, expected) in clients.iter_mut().zip(expected) {
            let answer = client.send(PODS, &user).await.unwrap();
            assert_eq!(answer.status.as_u16(), expected);
        }
    }
}

#[tokio::test]
async fn allowed_names_and_header_names_are_those_of_the_cluster() {
    let fixture = Fixture::new().await;
    let mut data = mk_data(&fixture.front_proxy, &fixture.cluster);
    data.insert("requestheader-allowed-names".to_owned(), "[]".to_owned());
    data.insert(
        "requestheader-username-headers".to_owned(),
        r#"["X-First","X-Second"]"#.to_owned(),
    );
    for (key, names) in [
        ("requestheader-uid-headers", r#"["X-Uid"]"#),
        ("requestheader-group-headers", r#"["X-Group"]"#),
        ("requestheader-extra-headers-prefix", r#"["X-Extra-"]"#),
    ] {
        data.insert(key.to_owned(), names.to_owned());
    }
    fixture.publish(&data);
    let anybody = fixture.front_proxy.issue("anybody", &[]);
    let answer = fixture
        .get(Some(&anybody), &[("x-first", ""), ("x-second", "alice")])
        .await;
    assert_eq!(answer.json()["name"], "alice");
    // The usual headers mean nothing here, and are taken out nevertheless.
    let usual = [
        ("x-second", "alice"),
        ("x-remote-user", "root"),
        ("x-remote-uid", "0"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes", "all"),
    ];
    let answer = fixture.get(Some(&anybody), &usual).await;
    assert_eq!(answer.json()["name"], "alice");
    assert_eq!(answer.json()["groups"], json!(["system:authenticated"]));
    assert_eq!(answer.json()["headers"], json!(["host"]));
    let answer = fixture
        .get(Some(&anybody), &[("x-remote-user", "alice")])
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_is_refused_before_the_cluster_was_asked() {
    let fixture = Fixture::unready().await;
    let user = [("x-remote-user", "alice")];
    let answer = fixture.get(Some(&fixture.proxy()), &user).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reason"], "ServiceUnavailable");
    // Tokens and open paths need no certificate authority.
    let answer = fixture.get(None, &[("authorization", "Bearer good")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let health = fixture.client(None).await.get("/readyz").await.unwrap();
    assert_eq!(health.status, StatusCode::OK);
    fixture.publish(&mk_data(&fixture.front_proxy, &fixture.cluster));
    assert_eq!(
        fixture.get(Some(&fixture.proxy()), &user).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn bearer_tokens() {
    let fixture = Fixture::new().await;
    let alice = fixture.cluster.issue("alice", &[]);
    let stranger = Ca::new("unknown").issue("alice", &[]);
    for (identity, header, status, name) in [
        (None, "Bearer good", 200, "robot"),
        (None, "Bearer bad", 401, ""),
        // No token at all: anonymous.
        (None, "Bearer ", 403, ""),
        (None, "Basic Z29vZA==", 403, ""),
        // A valid certificate wins, whatever the token is.
        (Some(&alice), "Bearer bad", 200, "alice"),
        // A bad certificate does not take a good token away.
        (Some(&stranger), "Bearer good", 200, "robot"),
        (Some(&stranger), "Bearer bad", 401, ""),
    ] {
        let answer = fixture.get(identity, &[("authorization", header)]).await;
        assert_eq!(answer.status.as_u16(), status, "{header}: {}", answer.body);
        if status == 200 {
            assert_eq!(answer.json()["name"], name);
            assert_eq!(answer.json()["groups"], json!(["system:authenticated"]));
            assert_eq!(answer.json()["headers"], json!(["host"]));
        }
    }
    // "good" and "bad" once each: both outcomes are kept.
    assert_eq!(fixture.reviewer.token_reviews.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn open_paths_and_masters_need_no_review() {
    let fixture = Fixture::new().await;
    let mut anonymous = fixture.client(None).await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/livez", 200),
        ("/healthz?verbose", 200),
        ("/healthz/", 403),
        ("/readyz/ping", 403),
        ("//healthz", 403),
        ("/metrics", 403),
    ] {
        let answer = anonymous.get(path).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
    assert_eq!(
        message(&anonymous.get("/metrics").await.unwrap()),
        "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"",
    );
    let before = fixture.reviewer.accesses.load(Ordering::SeqCst);
    let masters = [
        ("x-remote-user", "kube"),
        ("x-remote-group", "system:masters"),
    ];
    assert_eq!(
        fixture.get(Some(&fixture.proxy()), &masters).await.status,
        StatusCode::OK
    );
    assert_eq!(fixture.reviewer.accesses.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn decisions_are_kept_for_a_while_and_failures_are_not() {
    let fixture = Fixture::new().await;
    let alice = fixture.cluster.issue("alice", &[]);
    let mut client = fixture.client(Some(&alice)).await;
    fixture.reviewer.down.store(true, Ordering::SeqCst);
    let answer = client.get(PODS).await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["reason"], "InternalError");
    // The cause is for the log.
    assert!(!answer.body.contains("down"), "{}", answer.body);
    let token = fixture.get(None, &[("authorization", "Bearer good")]).await;
    assert_eq!(token.status, StatusCode::INTERNAL_SERVER_ERROR);

    fixture.reviewer.down.store(false, Ordering::SeqCst);
    assert_eq!(client.get(PODS).await.unwrap().status, StatusCode::OK);
    fixture.reviewer.down.store(true, Ordering::SeqCst);
    assert_eq!(client.get(PODS).await.unwrap().status, StatusCode::OK);
    let other = format!("{PODS}2");
    let answer = client.get(&other).await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn impersonation_is_refused_aloud() {
    let fixture = Fixture::new().await;
    let alice = fixture.cluster.issue("alice", &["system:masters"]);
    for (header, whom) in [
        ("impersonate-user", "users \"bob\" is forbidden"),
        ("impersonate-group", "users \"\" is forbidden"),
        ("impersonate-uid", "users \"\" is forbidden"),
        ("impersonate-extra-scopes", "users \"\" is forbidden"),
    ] {
        let answer = fixture.get(Some(&alice), &[(header, "bob")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header}");
        let text = message(&answer);
        assert!(
            text.starts_with(whom) && text.contains("not supported here"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_denial_names_the_object() {
    let fixture = Fixture::new().await;
    let bob = fixture.cluster.issue("bob", &[]);
    let answer = fixture.get(Some(&bob), &[]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let details: Value = answer.json()["details"].clone();
    assert_eq!(
        details,
        json!({"name": "*", "group": "custom.metrics.k8s.io", "kind": "pods"}),
    );
}
