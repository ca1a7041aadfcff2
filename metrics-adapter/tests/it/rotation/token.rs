//! Tokens rotate: the one for Prometheus, and that of the adapter's own service account.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use telemetry::admin::Listener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::load::{Caller, Load};
use super::mount::Mount;
use super::world::{HPA, PROXY, ROBOT, SAMPLES, World};
use crate::authority::Ca;
use crate::prometheus::Prometheus;

/// Rotations of the token for Prometheus, which is read for every query.
const TOKENS: usize = 24;

/// Lets those through to Prometheus who have a good token.
struct Guard {
    prometheus: String,
    client: reqwest::Client,
    accepted: Mutex<BTreeSet<String>>,
    seen: Mutex<BTreeSet<String>>,
}

impl Guard {
    async fn start(prometheus: &Prometheus) -> (Arc<Self>, String, DropGuard) {
        let guard = Arc::new(Self {
            prometheus: prometheus.url(),
            client: reqwest::Client::new(),
            accepted: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(pass)
            .with_state(Arc::clone(&guard));
        let listener = Listener::bind("--test", ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let url = format!("http://{}", listener.address());
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(listener.serve(router, stop.clone()));
        (guard, url, stop.drop_guard())
    }

    fn accept(&self, tokens: &[&str]) {
        let tokens = tokens.iter().map(|token| format!("Bearer {token}"));
        *self.accepted.lock().unwrap() = tokens.collect();
    }

    fn has_seen(&self, token: &str) -> bool {
        self.seen
            .lock()
            .unwrap()
            .contains(&format!("Bearer {token}"))
    }
}

async fn pass(
    State(guard): State<Arc<Guard>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.map_or("", |value| value.to_str().unwrap()).to_owned();
    if !guard.accepted.lock().unwrap().contains(&value) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    guard.seen.lock().unwrap().insert(value);
    let request = guard
        .client
        .post(format!("{}{uri}", guard.prometheus))
        .body(body);
    let request = match headers.get(header::CONTENT_TYPE) {
        Some(kind) => request.header(header::CONTENT_TYPE, kind),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, Body::from(answer.bytes().await.unwrap())).into_response()
}

/// A world behind a guard who accepts the first token.
async fn start(directory: tempfile::TempDir, token: &Mount) -> (World, Arc<Guard>, DropGuard, Ca) {
    let prometheus = Prometheus::start(SAMPLES).await;
    let (guard, url, stop) = Guard::start(&prometheus).await;
    guard.accept(&["token-0"]);
    let (proxies, clients) = (Ca::new("front proxies"), Ca::new("clients"));
    let arguments = [
        format!("--prometheus-token-file={}", token.path("token")),
        "--prometheus-verb=POST".to_owned(),
    ];
    let world = World::start(
        directory,
        (&proxies, &clients),
        prometheus,
        &url,
        &arguments,
    )
    .await;
    world.until_metric("rps").await;
    (world, guard, stop, proxies)
}

fn mount(directory: &Path) -> Mount {
    Mount::new(&directory.join("token"), &[("token", "token-0")])
}

fn callers(world: &World, proxies: &Ca) -> [Arc<Caller>; 2] {
    let identity = proxies.issue(PROXY, &[]);
    let (address, authorities) = (world.address, world.authorities());
    [
        Caller::new("front proxy", address, &authorities, Some(identity), HPA),
        Caller::new("robot", address, &authorities, None, ROBOT),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_for_prometheus_rotates_and_no_request_fails() {
    const FAILING: &str = "prometheus_token_reload_failing";
    let directory = tempfile::tempdir().unwrap();
    let token = mount(directory.path());
    let (world, guard, _stop, proxies) = start(directory, &token).await;
    let load = Load::start(&callers(&world, &proxies));
    for round in 1..=TOKENS {
        let (old, new) = (format!("token-{}", round - 1), format!("token-{round}"));
        // The one before these is used no more, for a later one was seen.
        guard.accept(&[&old, &new]);
        if round % 8 == 0 {
            token.swap(&[("token", "\n")]);
            world.until_told(FAILING, 1).await;
            world
                .program
                .says(&["keeping the last good token for Prometheus"])
                .await;
        }
        token.swap(&[("token", &format!("{new}\n"))]);
        world.until(&new, async || guard.has_seen(&new)).await;
        world.until_told(FAILING, 0).await;
    }
    world.until_asked(&load, 100).await;
    load.judge();
}

/// The kubelet replaces it long before its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_accounts_token_rotates_and_no_request_fails() {
    const FAILING: &str = "kubernetes_token_reload_failing";
    let directory = tempfile::tempdir().unwrap();
    let token = mount(directory.path());
    let (world, _guard, _stop, proxies) = start(directory, &token).await;
    let known = &world.api_server.known;
    let load = Load::start(&callers(&world, &proxies));
    let accept = |accounts: &[&str]| {
        let accounts = accounts.iter().map(|account| (*account).to_owned());
        *known.callers.lock().unwrap() = accounts.collect();
    };
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    for round in 1..=TOKENS {
        let (old, new) = (format!("account-{}", round - 1), format!("account-{round}"));
        accept(&[&old, &new]);
        if round % 8 == 0 {
            world.account.swap(&[("token", "")]);
            world
                .until("it shows", async || world.told(FAILING).await > 0)
                .await;
            let told = "keeping the last good token for kube-apiserver";
            world.program.says(&[told]).await;
        }
        world.account.swap(&[("token", &format!("{new}\n"))]);
        let call = (new.clone(), reviews.to_owned());
        world
            .until(&new, async || {
                known.called_by.lock().unwrap().contains(&call)
            })
            .await;
    }
    world.until_asked(&load, 100).await;
    load.judge();
}
