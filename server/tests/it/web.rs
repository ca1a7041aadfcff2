//! The role web: exact answers, burns that are shared, and the end.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::process::{DEADLINE, Web, get, metric, raw, request, text};

#[test]
fn answers_are_exact_to_the_byte_on_any_method() {
    let server = Web::start(&["--load-duration-ms=20", "--load-threads=1"]);
    for method in ["GET", "POST", "PUT", "DELETE", "BREW"] {
        let health = raw(server.web, &request(method, "/health"));
        assert_eq!(health, text("200 OK", "OK"), "{method}");
        let load = raw(server.web, &request(method, "/load?x=1"));
        let expected = text("200 OK", "Load generation done.");
        assert_eq!(load, expected, "{method}");
    }
    let head = raw(server.web, &request("HEAD", "/health"));
    assert_eq!(head, text("200 OK", "OK").strip_suffix("OK").unwrap());
    for path in ["//", "/load/", "/healthz", "/metrics", "/index.html"] {
        let expected = text("404 Not Found", "404 page not found\n");
        assert_eq!(raw(server.web, &request("GET", path)), expected, "{path}");
    }
}

#[tokio::test]
async fn the_home_page_is_json_on_any_method_and_burns() {
    let server = Web::start(&["--hit-threads=1", "--hit-writes=1000"]);
    let version = env!("CARGO_PKG_VERSION");
    for method in ["GET", "POST", "BREW"] {
        let answer = raw(server.web, &request(method, "/?x=1"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let expected = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
             content-length: {}\r\nconnection: close",
            body.len()
        );
        assert_eq!(head, expected, "{method}");
        // Details of the formats are the unit tests'.
        let rest = body.strip_prefix("{\"Time\":\"").unwrap();
        let rest = rest.split_once("GMT+00 on ").unwrap().1;
        let (_, rest) = rest.split_once("\",\"Mem\":\"Alloc = ").unwrap();
        let (allocated, rest) = rest.split_once(" MB, Sys = ").unwrap();
        let (resident, rest) = rest.split_once(" MB\",\"RFC3339\":\"").unwrap();
        assert!(
            rest.ends_with(&format!("Z\",\"Version\":\"{version}\"}}")),
            "{body}"
        );
        let mib = |text: &str| text.parse::<u64>().unwrap();
        assert!(
            mib(allocated) <= mib(resident) && mib(resident) > 0,
            "{body}"
        );
    }
    let head = raw(server.web, &request("HEAD", "/"));
    assert!(head.ends_with("\r\nconnection: close\r\n\r\n"), "{head}");
    let line = "server_hit_burns_total{kind=\"cpu\",outcome=\"accepted\"} 4";
    metric(server.admin, line).await;
    metric(server.admin, "server_hit_burns_running 0").await;
    metric(server.admin, "server_hit_burns_waiting 0").await;
}

#[tokio::test]
async fn a_memory_burn_shows_in_the_answer_and_is_given_back() {
    let server = Web::start(&["--hit-memory-mib=64", "--hit-memory-hold-ms=3600000"]);
    let allocated = || {
        let (_, body) = get(server.web, "/");
        let (_, rest) = body.split_once("Alloc = ").unwrap();
        rest.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let start = Instant::now();
    while allocated() < 64 {
        assert!(start.elapsed() < DEADLINE, "the memory is not held");
        thread::sleep(Duration::from_millis(10));
    }
    // However many ask, it is held once.
    assert!(allocated() < 128);
    let server = Web::start(&["--hit-memory-mib=64", "--hit-memory-hold-ms=0"]);
    assert_eq!(get(server.web, "/").0, 200);
    let line = "server_hit_burns_total{kind=\"memory\",outcome=\"accepted\"} 2";
    let start = Instant::now();
    loop {
        // Accepted again only when the first one's memory has been given back.
        let _ = get(server.web, "/");
        let (_, text) = get(server.admin, "/metrics");
        if text.lines().any(|found| found == line) {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "the memory is not given back");
    }
}

#[tokio::test]
async fn sigterm_does_not_wait_for_background_burns() {
    let mut server = Web::start(&[
        "--hit-threads=1",
        "--hit-writes=1000000000",
        "--hit-memory-mib=1",
        "--hit-memory-hold-ms=3600000",
    ]);
    for _ in 0..3 {
        assert_eq!(get(server.web, "/").0, 200);
    }
    metric(server.admin, "server_hit_burns_running 1").await;
    metric(server.admin, "server_hit_burns_waiting 2").await;
    server.process.terminate();
    let (status, log) = server.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    // Of HTTP/2, which this role does not speak.
    assert!(!log.iter().any(|line| line.contains("GOAWAY")), "{log:?}");
}

#[tokio::test]
async fn parallel_loads_share_one_burn_and_all_get_their_time() {
    let server = Web::start(&["--load-duration-ms=1000", "--load-threads=2"]);
    let start = Instant::now();
    let loads: Vec<_> = (0..10)
        .map(|_| {
            let web = server.web;
            thread::spawn(move || {
                let start = Instant::now();
                let (status, body) = get(web, "/load");
                (status, body, start.elapsed())
            })
        })
        .collect();
    metric(server.admin, "server_burns 10").await;
    // Ten burns, and still only as many threads as there are.
    metric(server.admin, "server_burn_threads_busy 2").await;
    for load in loads {
        let (status, body, elapsed) = load.join().unwrap();
        assert_eq!(
            (status, body.as_str()),
            (200, "Load generation done."),
            "{elapsed:?}"
        );
        assert!(elapsed >= Duration::from_secs(1), "{elapsed:?}");
    }
    // One after the other they would take ten seconds.
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    metric(server.admin, "server_burn_threads_busy 0").await;
    let line = "server_web_requests_total{path=\"/load\",code=\"200\"} 10";
    metric(server.admin, line).await;
}

#[tokio::test]
async fn health_answers_while_every_cpu_burns() {
    // A burn of an hour: whatever is answered now is answered while it lasts.
    let mut server = Web::start(&[
        "--load-duration-ms=3600000",
        "--load-limit=1",
        "--shutdown-timeout-seconds=1",
    ]);
    let mut load = TcpStream::connect(server.web).unwrap();
    load.write_all(request("GET", "/load").as_bytes()).unwrap();
    metric(server.admin, "server_burns 1").await;
    for _ in 0..20 {
        assert_eq!(get(server.web, "/health"), (200, "OK".to_owned()));
    }
    let refused = raw(server.web, &request("GET", "/load"));
    assert!(
        refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
            && refused.contains("\r\nretry-after: 3600\r\n")
            && refused.ends_with("\r\n\r\n1 burns are under way, come again later\n"),
        "{refused}"
    );
    metric(server.admin, "server_burns 1").await;
    server.process.terminate();
    let (status, log) = server.process.ended().await;
    assert_eq!(status.code(), Some(1), "{log:?}");
    let line = "server: --shutdown-timeout-seconds: 1 connections still had calls in flight \
                after 1 s and were closed";
    assert_eq!(log.last().unwrap(), line);
}

#[tokio::test]
async fn sigterm_during_a_burn_lets_it_end() {
    let mut server = Web::start(&["--load-duration-ms=2000"]);
    let (answered, answer) = channel();
    let web = server.web;
    thread::spawn(move || answered.send(get(web, "/load")));
    metric(server.admin, "server_burns 1").await;
    server.process.terminate();
    let expected = (200, "Load generation done.".to_owned());
    assert_eq!(answer.recv_timeout(DEADLINE).unwrap(), expected);
    let (status, log) = server.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(TcpStream::connect(server.web).is_err());
}

#[tokio::test]
async fn both_roles_in_one_process_end_together() {
    let mut server = Web::start(&["--roles=grpc,web", "--grpc-address=127.0.0.1:0"]);
    assert_eq!(get(server.web, "/health"), (200, "OK".to_owned()));
    metric(server.admin, "travelaudience_gserver_operations_ops 0").await;
    server.process.terminate();
    let (status, log) = server.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[tokio::test]
async fn a_web_server_has_no_operations() {
    let server = Web::start(&[]);
    metric(server.admin, "server_web_inflight 0").await;
    let (_, text) = get(server.admin, "/metrics");
    assert!(!text.contains("travelaudience_"), "{text}");
}
