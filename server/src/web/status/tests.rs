use std::num::NonZeroU16;
use std::time::Duration;

use axum::body::to_bytes;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::background;
use crate::burn::{Burner, Limits};
use crate::flaky::Flaky;
use crate::web::hit::{self, Hits};
use crate::web::{Conventions, Hosts, Metrics};

use super::*;

fn mk_router() -> (Flaky, Router) {
    let mut registry = Registry::default();
    let limits = Limits {
        threads: NonZeroU16::MIN,
        burns: 0,
    };
    let burner = Burner::start(limits).unwrap();
    let flaky = Flaky::new(1);
    let hit = hit::Config {
        writes: 0,
        limits: background::Limits {
            threads: NonZeroU16::MIN,
            queue: 0,
        },
        memory: None,
    };
    let hosts = Hosts {
        names: Vec::new(),
        port: 80,
    };
    let web = Web {
        hits: Hits::start(hit, &mut registry).unwrap(),
        metrics: Metrics::register(&mut registry, burner.clone()),
        conventions: Conventions::register(&mut registry, hosts),
        load_time: Duration::ZERO,
        flaky: flaky.clone(),
        burner,
    };
    (flaky, crate::web::router(web))
}

/// The status and the body.
async fn ask(router: &Router, method: &str, path: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn text(status: u16, body: &str) -> (u16, String) {
    (status, format!("{body}\n"))
}

#[tokio::test]
async fn a_set_code_stays() {
    let (_, router) = mk_router();
    assert_eq!(ask(&router, "GET", "/status").await, text(200, "OK"));
    assert_eq!(ask(&router, "POST", "/status/200").await, text(200, "OK"));
    assert_eq!(
        ask(&router, "POST", "/status/503").await,
        text(202, "Accepted")
    );
    assert_eq!(ask(&router, "POST", "/status/+0503").await, text(200, "OK"));
    for _ in 0..2 {
        let expected = text(503, "Service Unavailable");
        assert_eq!(ask(&router, "GET", "/status?x=1").await, expected);
    }
    for wrong in ["306", "x", "2%2F0", "%zz", "9999999999999999999999"] {
        let path = format!("/status/{wrong}");
        assert_eq!(
            ask(&router, "POST", &path).await,
            text(400, "Bad Request"),
            "{wrong}"
        );
    }
    assert_eq!(ask(&router, "GET", "/status").await.0, 503);
}

#[tokio::test]
async fn only_the_method_of_a_route_gets_through() {
    let (flaky, router) = mk_router();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        for (path, right) in [
            ("/status", "GET"),
            ("/status/418", "POST"),
            ("/flaky", "POST"),
        ] {
            if method != right {
                let expected = text(405, "Method Not Allowed");
                assert_eq!(
                    ask(&router, method, path).await,
                    expected,
                    "{method} {path}"
                );
            }
        }
    }
    assert_eq!(flaky.answer().await, Code::OK, "nothing was set");
    assert!(flaky.toggle(), "nothing was toggled");
}

#[tokio::test]
async fn near_misses_are_not_found() {
    let (_, router) = mk_router();
    for path in [
        "/status/",
        "/status/200/",
        "/status/200/x",
        "/flaky/",
        "/Status",
        "//status",
    ] {
        for method in ["GET", "POST"] {
            let expected = text(404, "404 page not found");
            assert_eq!(
                ask(&router, method, path).await,
                expected,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_toggles_over_http_at_once() {
    let (flaky, router) = mk_router();
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let router = router.clone();
        // An odd number in all; that each of them counts is shown where the state's own answers
        // are counted, in `flaky`.
        let requests = if client == 0 { 1_251 } else { 1_250 };
        clients.spawn(async move {
            for _ in 0..requests {
                assert_eq!(ask(&router, "POST", "/flaky").await, text(202, "Accepted"));
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert!(
        !flaky.toggle(),
        "10,001 toggles leave it flaky, and one more steady"
    );
}
