use std::num::NonZeroU16;

use axum::body::Body;
use prometheus_client::registry::Registry;
use tower::ServiceExt as _;

use crate::background;
use crate::burn::Limits;

use super::*;

fn mk_web(burns: u32, load_time: Duration) -> (Registry, Router) {
    let mut registry = Registry::default();
    let threads = NonZeroU16::MIN;
    let burner = Burner::start(Limits { threads, burns }).unwrap();
    let metrics = Metrics::register(&mut registry, burner.clone());
    let limits = background::Limits { threads, queue: 1 };
    let config = hit::Config {
        writes: u32::MAX,
        limits,
        memory: Some(hit::Memory {
            mib: 1,
            hold: Duration::from_secs(3600),
        }),
    };
    let hosts = Hosts {
        names: Vec::new(),
        port: 80,
    };
    let web = Web {
        burner,
        hits: Hits::start(config, &mut registry).unwrap(),
        load_time,
        flaky: Flaky::new(1),
        metrics,
        conventions: Conventions::register(&mut registry, hosts),
    };
    (registry, router(web))
}

async fn ask(router: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

fn assert_line(registry: &Registry, line: &str) {
    let text = telemetry::text::encode(registry);
    assert!(
        text.lines().any(|found| found == line),
        "{line:?} not in\n{text}"
    );
}

#[tokio::test]
async fn beyond_the_limit_there_is_503_and_when_to_come_again() {
    let (registry, router) = mk_web(0, Duration::from_secs(10));
    let refused = ask(&router, "/load").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "10");
    assert_line(
        &registry,
        "server_web_requests_total{path=\"/load\",code=\"503\"} 1",
    );
    assert_line(&registry, "server_burn_threads_busy 0");
}

#[tokio::test]
async fn a_hit_is_answered_though_its_burn_is_dropped() {
    // Two burns without an end: one runs, one waits, and one megabyte is held.
    let (registry, router) = mk_web(1, Duration::ZERO);
    for _ in 0..5 {
        let answer = ask(&router, "/").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    }
    for line in [
        "server_hit_burns_total{kind=\"cpu\",outcome=\"accepted\"} 2",
        "server_hit_burns_total{kind=\"cpu\",outcome=\"dropped\"} 3",
        "server_hit_burns_total{kind=\"memory\",outcome=\"accepted\"} 1",
        "server_hit_burns_total{kind=\"memory\",outcome=\"dropped\"} 4",
        "server_web_requests_total{path=\"/\",code=\"200\"} 5",
    ] {
        assert_line(&registry, line);
    }
}

#[tokio::test]
async fn callers_cannot_invent_label_values() {
    let (registry, router) = mk_web(1, Duration::ZERO);
    for path in ["/a", "/b", "/load/", "/loads", "/LOAD"] {
        assert_eq!(ask(&router, path).await.status(), StatusCode::NOT_FOUND);
    }
    assert_line(
        &registry,
        "server_web_requests_total{path=\"other\",code=\"404\"} 5",
    );
}

#[tokio::test]
async fn who_leaves_is_counted_and_makes_room() {
    let (registry, router) = mk_web(1, Duration::from_secs(3600));
    let left = tokio::time::timeout(Duration::from_millis(10), ask(&router, "/load")).await;
    assert!(left.is_err());
    assert_line(
        &registry,
        "server_web_requests_total{path=\"/load\",code=\"left\"} 1",
    );
    assert_line(&registry, "server_web_inflight 0");
    assert_line(&registry, "server_burns 0");
}

#[tokio::test]
async fn every_route_is_counted_as_itself() {
    let (registry, router) = mk_web(1, Duration::ZERO);
    for (path, route) in [
        ("/health", "/health"),
        ("/", "/"),
        ("/status/7?x", "/status/{code}"),
    ] {
        let code = ask(&router, path).await.status().as_u16();
        let line = format!("server_web_requests_total{{path=\"{route}\",code=\"{code}\"}} 1");
        assert_line(&registry, &line);
    }
}

#[test]
fn there_is_room_for_health_besides_all_burns() {
    let limits = options(100, Duration::ZERO, Duration::ZERO).limits;
    assert_eq!(limits.connections, 356);
}
