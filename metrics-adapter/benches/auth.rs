//! What the gate costs a request whose caller is known and whose decision is in memory: the HPA
//! controller's, by way of the aggregator.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box};
use futures::FutureExt as _;
use futures::future::{Ready, ready};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use metrics_adapter::auth::{AuthLayer, AuthService, Metrics, Options, Trust};
use metrics_adapter::model::review::{
    AccessAttributes, Cause, Decision, ReviewError, Reviewer, UserInfo,
};
use metrics_adapter::serving::PeerCertificates;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::sync::watch;
use tower::{Layer as _, Service, ServiceExt as _};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop-17/pods/%2A/\
                    http_requests_per_second?labelSelector=app%3Dfront-end";

fn main() {
    divan::main();
}

/// Lets everybody in, at once.
struct Everybody;

impl Reviewer for Everybody {
    async fn authorize(
        &self,
        _: &UserInfo,
        _: &AccessAttributes,
        _: Cause,
    ) -> Result<Decision, ReviewError> {
        Ok(Decision {
            allowed: true,
            reason: "RBAC: allowed by ClusterRoleBinding \"hpa-metrics\"".to_owned(),
        })
    }

    async fn authenticate(&self, _: &str, _: Cause) -> Result<Option<UserInfo>, ReviewError> {
        Ok(None)
    }
}

/// Answers at once, so that all that is measured is the gate.
#[derive(Clone)]
struct Behind;

impl Service<Request<()>> for Behind {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(request.extensions().get::<Arc<UserInfo>>().is_some());
        ready(Ok(Response::new(Bytes::new())))
    }
}

/// A gate, and the front proxy's certificate for it.
fn mk_gate() -> (AuthService<Behind, Everybody>, PeerCertificates) {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "front-proxy-client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &ca).unwrap();
    let data = [
        ("requestheader-client-ca-file", ca.pem()),
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
    ];
    let data: BTreeMap<_, _> = data.map(|(key, value)| (key.to_owned(), value)).into();
    let trust = Arc::new(Trust::parse(&data).unwrap());
    let options = Options {
        allow_ttl: std::time::Duration::from_secs(3600),
        ..Options::default()
    };
    let trust = watch::channel(Some(trust)).1;
    let gate = AuthLayer::new(trust, Arc::new(Everybody), &options, Metrics::default());
    let chain = PeerCertificates([certificate.der().clone()].into());
    (gate.layer(Behind), chain)
}

/// What the aggregator sends of the HPA controller.
fn headers() -> HeaderMap {
    let controller = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
    let token = "JTI=7ee52be0-9045-4653-aa5e-0da57b8dccdc";
    [
        (
            "accept",
            "application/vnd.kubernetes.protobuf,application/json",
        ),
        ("accept-encoding", "gzip"),
        (
            "user-agent",
            "kube-controller-manager/v1.33.0 (linux/amd64) kubernetes/60a317e/system",
        ),
        ("x-remote-user", controller),
        ("x-remote-uid", "1d2a5b0c-7e27-4a77-9f1c-9f6ce9d6b1aa"),
        ("x-remote-group", "system:serviceaccounts"),
        ("x-remote-group", "system:serviceaccounts:kube-system"),
        ("x-remote-group", "system:authenticated"),
        (
            "x-remote-extra-authentication.kubernetes.io%2fcredential-id",
            token,
        ),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "10.96.0.1:443"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-uri", "/apis/custom.metrics.k8s.io"),
    ]
    .into_iter()
    .map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    })
    .collect()
}

/// Front-proxy authentication and a decision from memory.
#[divan::bench]
fn known(bencher: Bencher<'_, '_>) {
    let (gate, chain) = mk_gate();
    let headers = headers();
    let request = || {
        let mut request = Request::get(PODS).body(()).unwrap();
        *request.headers_mut() = headers.clone();
        request.extensions_mut().insert(chain.clone());
        request
    };
    let send = |request| {
        let answer = gate.clone().oneshot(request).now_or_never();
        answer.unwrap().unwrap()
    };
    // The one that asks.
    assert_eq!(send(request()).status(), http::StatusCode::OK);
    bencher
        .with_inputs(request)
        .bench_values(|request| black_box(send(request)));
}
