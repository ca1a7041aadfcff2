//! The binary making load on the role web.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::process::{Client, Server, until, value};

const HITS: &str = "server_web_requests_total{path=\"/\",code=\"200\"}";

fn mk_server() -> (Server, String) {
    let flags = [
        "--roles=grpc,web",
        "--web-address=127.0.0.1:0",
        "--hit-writes=0",
    ];
    let server = Server::start(&flags);
    let url = format!("http://{}/", server.web.unwrap());
    (server, url)
}

#[tokio::test]
async fn a_rate_is_kept_and_every_request_is_reported() {
    let (server, url) = mk_server();
    let variables = [
        ("URL", url.as_str()),
        ("THREADS", "4"),
        ("DURATION", "1s"),
        ("RATE", "100"),
        ("OUTPUT", "json"),
    ];
    let mut client = Client::run("http", &variables);
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap();
    // Requests that a busy machine sends too late are told, not forgotten.
    assert_eq!(number("requests") + number("missed"), 100, "{report}");
    assert_eq!(number("errors"), 0, "{report}");
    assert_eq!(report["codes"]["200"], number("requests"), "{report}");
    assert_eq!(value(server.admin, HITS), number("requests"));
    assert!(report["latency_ms"]["max"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn without_a_rate_all_threads_ask_until_told_to_stop() {
    let (server, url) = mk_server();
    let variables = [("URL", url.as_str()), ("THREADS", "3"), ("DURATION", "1h")];
    let mut client = Client::run("http", &variables);
    until("requests are answered", || value(server.admin, HITS) > 50).await;
    let series = "loadclient_http_requests_total{code=\"200\"}";
    until("they are recorded", || value(client.admin, series) > 50).await;
    client.terminate();
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.number("errors"), 0.0, "{ended:?}");
    assert_eq!(ended.number("missed"), 0.0, "{ended:?}");
    assert_eq!(ended.number("requests"), value(server.admin, HITS) as f64);
}

/// Answers the first connection's requests never, and counts connections.
fn mk_silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    });
    (address, count)
}

#[tokio::test]
async fn never_more_requests_in_flight_than_threads() {
    let (address, connections) = mk_silent();
    let url = format!("http://{address}/");
    let variables = [
        ("URL", url.as_str()),
        ("THREADS", "5"),
        ("DURATION", "1s"),
        ("RATE", "1000"),
        // Longer than the run: what is in flight then is finished, and nothing more is sent.
        ("TIMEOUT_MS", "2000"),
    ];
    let mut client = Client::run("http", &variables);
    until("all are busy", || connections.load(Ordering::Relaxed) == 5).await;
    let ended = client.ended().await;
    assert_eq!(connections.load(Ordering::Relaxed), 5);
    assert!(ended.stdout.contains("requests=5 "), "{ended:?}");
    assert!(ended.stdout.contains("codes=timeout:5 "), "{ended:?}");
}

#[tokio::test]
async fn a_stall_shows_in_the_latencies_of_those_who_were_due() {
    let (address, _) = mk_silent();
    let url = format!("http://{address}/");
    let variables = [
        ("URL", url.as_str()),
        ("THREADS", "1"),
        ("DURATION", "1s"),
        ("RATE", "10"),
        ("TIMEOUT_MS", "300"),
    ];
    let mut client = Client::run("http", &variables);
    let ended = client.ended().await;
    assert!(ended.stdout.contains("codes=timeout:"), "{ended:?}");
    // Four of 300 ms each at most have time; the second was due after 100 ms and began after 300.
    assert!(ended.number("missed") >= 6.0, "{ended:?}");
    assert!(ended.number("max_ms") >= 450.0, "{ended:?}");
}

#[tokio::test]
async fn redirects_are_answers_and_not_followed() {
    let (stranger, visits) = mk_silent();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{stranger}/\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let variables = [
        ("URL", url.as_str()),
        ("THREADS", "1"),
        ("DURATION", "1s"),
        ("RATE", "5"),
    ];
    let mut client = Client::run("http", &variables);
    let ended = client.ended().await;
    assert!(ended.stdout.contains(" codes=302:"), "{ended:?}");
    assert_eq!(visits.load(Ordering::Relaxed), 0);
}
