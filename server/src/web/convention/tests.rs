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
    let conventions = Conventions::register(&mut registry);
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
    // Four hosts and the rest, each with these two.
    assert_eq!(legacy.len(), 10, "{legacy:?}");
}
