use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::any;
use tower::ServiceExt as _;

use super::*;

fn mk_router() -> (Registry, Router) {
    let mut registry = Registry::default();
    let hosts = Hosts {
        names: vec!["server".to_owned(), "127.0.0.1".to_owned()],
        port: 8080,
    };
    let conventions = Conventions::register(&mut registry, hosts);
    let interim = || async {
        let mut response = "Continue\n".into_response();
        response
            .extensions_mut()
            .insert(Code::parse("100").unwrap());
        response
    };
    let router = Router::new()
        .route("/ok/{id}", any(async || "four"))
        .route("/interim", any(interim))
        .route("/error", any(async || StatusCode::BAD_GATEWAY))
        .layer(middleware::from_fn_with_state(conventions, observe));
    (registry, router)
}

async fn ask(router: &Router, method: &str, path: &str, host: &str) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    let request = request.body(Body::empty()).unwrap();
    let _ = router.clone().oneshot(request).await.unwrap();
}

/// The samples of a metric: labels sorted as they are written, and the value.
fn samples(registry: &Registry, name: &str) -> Vec<String> {
    let text = telemetry::text::encode(registry);
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let samples = lines.filter(|rest| rest.starts_with('{'));
    samples.map(str::to_owned).collect()
}

#[tokio::test]
async fn both_conventions_have_their_own_labels() {
    let (registry, router) = mk_router();
    ask(&router, "GET", "/ok/7?x", "server:8080").await;
    let stable = "{http_request_method=\"GET\",http_response_status_code=\"200\",\
                  http_route=\"/ok/{id}\",network_protocol_name=\"http\",\
                  network_protocol_version=\"1.1\",url_scheme=\"http\",error_type=\"\"} 1";
    let found = samples(&registry, "http_server_request_duration_seconds_count");
    assert_eq!(found, [stable]);
    let legacy = |value| {
        format!(
            "{{http_method=\"GET\",http_route=\"/ok/{{id}}\",http_scheme=\"http\",\
             http_status_code=\"200\",net_host_name=\"server\",net_host_port=\"8080\",\
             net_protocol_name=\"http\",net_protocol_version=\"1.1\"}} {value}"
        )
    };
    for (name, value) in [
        ("http_server_duration_milliseconds_count", 1),
        ("http_server_request_size_bytes", 0),
        ("http_server_response_size_bytes", 4),
    ] {
        assert_eq!(samples(&registry, name), [legacy(value)], "{name}");
    }
}

#[tokio::test]
async fn interim_codes_are_told_as_stored_and_errors_have_a_type() {
    let (registry, router) = mk_router();
    ask(&router, "GET", "/interim", "server").await;
    ask(&router, "GET", "/error", "server").await;
    let found = samples(&registry, "http_server_request_duration_seconds_count").join("\n");
    assert!(
        found.contains("http_response_status_code=\"100\",http_route=\"/interim\""),
        "{found}"
    );
    assert!(
        found.contains("http_response_status_code=\"502\""),
        "{found}"
    );
    assert!(found.contains("error_type=\"502\""), "{found}");
}

#[tokio::test]
async fn callers_cannot_invent_series() {
    let (registry, router) = mk_router();
    for number in 0..100 {
        let host = format!("host-{number}:{number}");
        ask(
            &router,
            &format!("M{number}"),
            &format!("/none/{number}"),
            &host,
        )
        .await;
        ask(&router, "GET", &format!("/ok/{number}"), &host).await;
    }
    ask(&router, "GET", "/ok/1", "not a host").await;
    let stable = samples(&registry, "http_server_request_duration_seconds_count");
    // One per route, and one for what has none.
    assert_eq!(stable.len(), 2, "{stable:?}");
    let legacy = samples(&registry, "http_server_duration_milliseconds_count");
    assert_eq!(legacy.len(), 2, "{legacy:?}");
}

#[tokio::test]
async fn only_the_servers_own_hosts_are_told_however_many_others_came_before() {
    let (registry, router) = mk_router();
    let long = "h".repeat(100_000);
    for host in ["a", "b", "c", "d", "e", "", "serve", &long] {
        ask(&router, "GET", "/ok/1", host).await;
    }
    for host in [
        "SERVER:8080",
        "server:8080",
        "server",
        "server:9",
        "server:65536",
        "127.0.0.1:8080",
    ] {
        ask(&router, "GET", "/ok/1", host).await;
    }
    let found = samples(&registry, "http_server_duration_milliseconds_count");
    let told = |name: &str, port: &str, count: u32| {
        let host = format!("net_host_name=\"{name}\",net_host_port=\"{port}\",");
        let end = format!("}} {count}");
        let is = |line: &&String| line.contains(&host) && line.ends_with(&end);
        assert_eq!(
            found.iter().filter(is).count(),
            1,
            "{host} {count}: {found:?}"
        );
    };
    told("other", "", 8);
    told("server", "8080", 2);
    told("server", "", 3);
    told("127.0.0.1", "8080", 1);
    assert_eq!(found.len(), 4, "{found:?}");
}
