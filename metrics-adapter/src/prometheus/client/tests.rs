//! What is sent, and how much of an answer is read.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use prometheus_client::registry::Registry;

use super::*;

#[tokio::test]
async fn a_query_that_is_too_long_is_not_sent() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut registry = Registry::default();
    let mk = |max_query_length, registry: &mut Registry| {
        let options = Options {
            // Nobody listens on the discard port.
            url: "http://127.0.0.1:9".parse().unwrap(),
            verb: Verb::Post,
            headers: Vec::new(),
            credentials: Credentials::default(),
            timeout: Duration::from_secs(5),
            concurrency: 1,
            max_body: 1,
            max_query_length,
        };
        Client::new(options, Metrics::register(registry)).unwrap()
    };
    let client = mk(8, &mut registry);
    let error = client.query("vector(1)").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            "query_too_long",
            "the query has 9 bytes, --prometheus-max-query-length allows 8".to_owned()
        )
    );
    let text = telemetry::text::encode(&registry);
    let line = "requests_total{endpoint=\"query\",result=\"query_too_long\"} 1\n";
    assert!(text.contains(line), "{text}");
    // These are sent, and meet nobody.
    assert_eq!(
        client.query("vector()").await.unwrap_err().kind(),
        "connect"
    );
    let unlimited = mk(0, &mut Registry::default());
    assert_eq!(
        unlimited.query("vector(1)").await.unwrap_err().kind(),
        "connect"
    );
}

/// The URL of a server that answers everything with a head and a beginning, and then with
/// `piece` so many times.
fn serve(head: &'static str, piece: &'static str, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(head.as_bytes());
            let pieces = piece.repeat(1024);
            for _ in 0..times / 1024 {
                if socket.write_all(pieces.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    url
}

fn mk_client(url: &str) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = Options {
        url: url.parse().unwrap(),
        verb: Verb::Get,
        headers: Vec::new(),
        credentials: Credentials::default(),
        timeout: Duration::from_secs(20),
        concurrency: 20,
        max_body: 128 << 20,
        max_query_length: 0,
    };
    Client::new(options, Metrics::register(&mut Registry::default())).unwrap()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn values_have_a_lower_limit_than_series() {
    let blanks = serve(HEAD, " ", 100 << 20);
    let error = mk_client(&blanks).query("up").await.unwrap_err();
    let limit = "larger than 4194304 bytes";
    assert!(error.to_string().contains(limit), "{error}");
}

#[tokio::test]
async fn errors_are_read_to_their_beginning() {
    const PAGE: &str = "HTTP/1.1 503 X\r\nconnection: close\r\n\r\n<html>";
    let page = serve(PAGE, "long ", 100 << 20);
    let client = mk_client(&page);
    let now = Timestamp::now();
    let errors = [
        client.query("up").await.err(),
        client.series("up", now, now).await.err(),
    ];
    for error in errors {
        let error = error.unwrap().to_string();
        assert!(
            error.starts_with("Prometheus answered 503: <html>long long"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn series_are_decoded_while_they_come() {
    const FIRST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"status\":\"success\",\"data\":\
                         [{\"__name__\":\"up\"}";
    let now = Timestamp::now();
    // Refused at its first piece, although it goes on for ever.
    let garbage = serve("HTTP/1.1 200 OK\r\n\r\n<html>", "more ", usize::MAX);
    let error = mk_client(&garbage)
        .series("up", now, now)
        .await
        .unwrap_err();
    // How much of it there was already is the network's affair.
    assert!(error.to_string().contains("in \"<html>"), "{error}");
    // Cut off inside.
    let cut = serve(FIRST, ",{\"__name__\":\"up\"}", 4096);
    let error = mk_client(&cut).series("up", now, now).await.unwrap_err();
    assert!(error.to_string().contains("EOF"), "{error}");
}
