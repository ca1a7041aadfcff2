//! Request headers: who is let in, as whom, and what of it goes on to the handlers.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use metrics_adapter::auth::Trust;
use metrics_adapter::model::review::UserInfo;
use metrics_adapter::serving::PeerCertificates;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::CertificateDer;

use crate::stage::{Stage, send_gated};
use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "caller",
    run,
    seeds,
    words: WORDS,
    cases: 1200,
};

const WORDS: &[&str] = &[
    "x-remote-user: ",
    "X-Remote-User: ",
    "x-remote-group: ",
    "x-remote-uid: ",
    "x-remote-extra-",
    "authorization: ",
    "Bearer ",
    "bearer ",
    "Basic ",
    "impersonate-user: ",
    "impersonate-group: ",
    "impersonate-extra-",
    "\n",
    ": ",
    "%2f",
    "%",
    "%zz",
    "%ff",
    "system:masters",
    "system:anonymous",
    "system:authenticated",
    "system:unauthenticated",
    " ",
    ",",
    "é",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::all(&[
        "p\nx-remote-user: alice\nx-remote-group: dev\nx-remote-group: ops\nx-remote-uid: 7\n\
         x-remote-extra-example.com%2fteam: a\nx-remote-extra-scopes: b",
        "p\nauthorization: Bearer abc",
        "s\nx-remote-user: alice\nauthorization: Bearer abc",
        "n\nx-remote-user: system:admin\nx-remote-group: system:masters",
        "n\nauthorization: bearer t\naccept: application/json",
        "p\nx-remote-user: alice\nimpersonate-user: bob\nimpersonate-extra-a: b",
        "n\n",
    ]);
    seeds.push(b"p\nx-remote-user: \xc3\xa9\nx-remote-group: \xff".to_vec());
    seeds
}

/// The cluster's front proxy, and somebody of the same name whom nobody knows.
struct Proxies {
    trust: Arc<Trust>,
    known: PeerCertificates,
    stranger: PeerCertificates,
}

static PROXIES: LazyLock<Proxies> = LazyLock::new(|| {
    let (authority, known) = mk_proxy();
    let list = |name: &str| format!("[{name:?}]");
    let data = [
        ("requestheader-client-ca-file", authority),
        ("requestheader-allowed-names", list("front-proxy-client")),
        ("requestheader-username-headers", list("X-Remote-User")),
        ("requestheader-group-headers", list("X-Remote-Group")),
        ("requestheader-uid-headers", list("X-Remote-Uid")),
        (
            "requestheader-extra-headers-prefix",
            list("X-Remote-Extra-"),
        ),
    ];
    let data: BTreeMap<String, String> = data.map(|(key, value)| (key.to_owned(), value)).into();
    Proxies {
        trust: Arc::new(Trust::parse(&data).unwrap()),
        known,
        stranger: mk_proxy().1,
    }
});

/// An authority in PEM, and a front proxy's certificate that it has signed.
fn mk_proxy() -> (String, PeerCertificates) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "front-proxy-client");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    (authority.pem(), PeerCertificates(chain.into()))
}

/// What came through.
type Arrived = Arc<Mutex<Option<(Arc<UserInfo>, HeaderMap)>>>;

async fn arrive(State(arrived): State<Arrived>, request: Request<Body>) {
    let user = request.extensions().get::<Arc<UserInfo>>().unwrap();
    *arrived.lock().unwrap() = Some((Arc::clone(user), request.headers().clone()));
}

/// The first line says whose certificate there is: `p` the front proxy's, `s` a stranger's, else
/// none. Every other one is a header.
fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let certificates = match lines.next() {
        Some(b"p") => Some(PROXIES.known.clone()),
        Some(b"s") => Some(PROXIES.stranger.clone()),
        _ => None,
    };
    let is_proxy = certificates.as_ref() == Some(&PROXIES.known);
    let is_stranger = certificates.is_some() && !is_proxy;
    let headers = headers(lines);
    let mut request = Request::builder().uri("/apis").body(Body::empty()).unwrap();
    *request.headers_mut() = headers.clone();
    request
        .extensions_mut()
        .extend(certificates.map_or_else(Default::default, |chain| {
            let mut extensions = http::Extensions::new();
            extensions.insert(chain);
            extensions
        }));
    let arrived = Arrived::default();
    let router = Router::new()
        .fallback(arrive)
        .with_state(Arc::clone(&arrived));
    let stage = Arc::new(Stage::default());
    let trust = Some(Arc::clone(&PROXIES.trust));
    let status = send_gated(&stage, router, trust, request).status();

    let arrived = arrived.lock().unwrap();
    let impersonating = headers
        .keys()
        .any(|name| name.as_str().starts_with("impersonate-"));
    let name = text(&headers, "x-remote-user");
    let Some((user, rest)) = &*arrived else {
        let bad = ["x-remote-user", "x-remote-group", "x-remote-uid"];
        let bad = |header: &HeaderName| {
            bad.contains(&header.as_str()) || header.as_str().starts_with("x-remote-extra-")
        };
        let unreadable = headers
            .iter()
            .any(|(header, value)| bad(header) && str::from_utf8(value.as_bytes()).is_err());
        match status {
            StatusCode::FORBIDDEN => assert!(impersonating, "refused without a reason"),
            StatusCode::UNAUTHORIZED => assert!(
                is_stranger || (is_proxy && (name.is_none() || unreadable)),
                "refused without a reason"
            ),
            other => panic!("{other}"),
        }
        return;
    };
    assert!(!impersonating, "impersonation is let through");
    for header in rest.keys() {
        let header = header.as_str();
        let secret = header == "authorization" || header.starts_with("x-remote-");
        // Other headers of the prefix are nobody's, unless they name the user.
        let identity = ["x-remote-user", "x-remote-group", "x-remote-uid"].contains(&header)
            || header.starts_with("x-remote-extra-")
            || header == "authorization";
        assert!(!(secret && identity), "{header} goes on");
    }
    assert!(!user.name.is_empty());
    match name.filter(|_| is_proxy) {
        Some(name) => {
            assert_eq!(user.name, name);
            let groups: Vec<String> = headers
                .get_all("x-remote-group")
                .iter()
                .filter(|value| !value.is_empty())
                .map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
                .collect();
            assert!(user.groups.starts_with(&groups), "{:?}", user.groups);
            let added = &user.groups[groups.len()..];
            assert!(
                added.is_empty() || added == ["system:authenticated"],
                "{added:?}"
            );
        }
        None if user.name.starts_with("token:") => {
            assert!(headers.contains_key(header::AUTHORIZATION));
            assert_eq!(user.groups, ["system:authenticated"]);
            assert!(user.extra.is_empty() && user.uid.is_empty());
        }
        None => {
            assert_eq!(user.name, "system:anonymous");
            assert_eq!(user.groups, ["system:unauthenticated"]);
            assert!(!is_stranger, "a bad certificate makes nobody anonymous");
        }
    }
}

/// What a front proxy's header says, if it says something.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8(value.as_bytes().to_vec()).ok()?;
    (!text.is_empty()).then_some(text)
}

/// What hyper would make of these lines; it drops what is around a value.
fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.take(200) {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.map(|at| (&line[..at], &line[at + 1..])) else {
            continue;
        };
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
