use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;

struct Admin {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinSet<()>,
}

async fn mk_admin(liveness: Health, readiness: Health) -> Admin {
    mk_admin_with(liveness, readiness, Router::new()).await
}

async fn mk_admin_with(liveness: Health, readiness: Health, more: Router) -> Admin {
    let mut registry = Registry::default();
    let _ = crate::operation::Operations::register(&mut registry);
    let router = router(Arc::new(registry), liveness, readiness);
    let router = router.route("/extra", get(|| async { "more" })).merge(more);
    let listener = Listener::bind("--admin-address", ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    let mut task = JoinSet::new();
    task.spawn(listener.serve(router, stop.clone()));
    Admin {
        address,
        stop,
        task,
    }
}

/// The whole answer to `GET path`, the connection being closed after it.
async fn fetch(address: SocketAddr, path: &str) -> String {
    fetch_with(address, path, "").await
}

/// The same, with more header lines.
async fn fetch_with(address: SocketAddr, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{more}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn serves_metrics_as_text_004() {
    let admin = mk_admin(Health::new(), Health::new()).await;
    let answer = fetch(admin.address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4"),
        "{answer}"
    );
    assert!(
        answer.contains("\ntravelaudience_gserver_operations_ops 0\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn serves_open_metrics_to_those_who_ask() {
    let admin = mk_admin(Health::new(), Health::new()).await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let answer = fetch_with(admin.address, "/metrics", accept).await;
    let kind = "\r\ncontent-type: application/openmetrics-text; version=1.0.0";
    assert!(answer.contains(kind), "{answer}");
    assert!(answer.ends_with("\n# EOF\n"), "{answer}");
}

#[tokio::test]
async fn health_follows_the_conditions_and_names_them() {
    let readiness = Health::new();
    let condition = readiness.condition("serving");
    let admin = mk_admin(Health::new(), readiness.clone()).await;
    assert!(
        fetch(admin.address, "/livez")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let answer = fetch(admin.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = fetch(admin.address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("[-]serving not ok\nnot ok\n"), "{answer}");
    condition.set(true);
    let answer = fetch(admin.address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("[+]serving ok\nok\n"), "{answer}");
    readiness.note("colour", || "red".to_owned());
    let answer = fetch(admin.address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.ends_with("[+]serving ok\n[i]colour: red\nok\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn other_paths_are_unknown_unless_added() {
    let admin = mk_admin(Health::new(), Health::new()).await;
    assert!(fetch(admin.address, "/").await.starts_with("HTTP/1.1 404 "));
    assert!(
        fetch(admin.address, "/metrics/x")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    assert!(
        fetch(admin.address, "/extra")
            .await
            .ends_with("\r\n\r\nmore")
    );
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_flag() {
    let admin = mk_admin(Health::new(), Health::new()).await;
    let error = Listener::bind("--admin-address", admin.address)
        .await
        .unwrap_err();
    let expected = format!("--admin-address: cannot listen on {}", admin.address);
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn stops_while_a_connection_lies_idle() {
    let mut admin = mk_admin(Health::new(), Health::new()).await;
    let mut idle = TcpStream::connect(admin.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    admin.stop.cancel();
    let deadline = Duration::from_secs(5);
    let ended = tokio::time::timeout(deadline, admin.task.join_next()).await;
    ended.expect("the listener stops").unwrap().unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_no_headers_is_closed() {
    let admin = mk_admin(Health::new(), Health::new()).await;
    let mut silent = TcpStream::connect(admin.address).await.unwrap();
    silent
        .write_all(b"GET /livez HTTP/1.1\r\nHos")
        .await
        .unwrap();
    let mut rest = Vec::new();
    // With time paused the clock jumps to the next timer once everything waits.
    let read = tokio::time::timeout(HEADER_TIMEOUT * 2, silent.read_to_end(&mut rest));
    assert!(read.await.is_ok(), "the connection is still open");
}

/// The status and body of an answer to a peer at `from`.
async fn exchange(admin: &Admin, from: [u8; 4], request: &str) -> (u16, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(admin.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn mk_request(method: &str, host: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} /log-level HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

const LOCAL: [u8; 4] = [127, 0, 0, 1];

#[tokio::test]
async fn the_log_filter_is_told_and_replaced() {
    let (_filter, handle) = crate::log::reloadable(&"info,hyper=warn".parse().unwrap()).unwrap();
    let admin = mk_admin_with(Health::new(), Health::new(), log_level(handle.clone())).await;
    let told = exchange(&admin, LOCAL, &mk_request("GET", "localhost:8081", "")).await;
    assert_eq!(told, (200, "info,hyper=warn\n".to_owned()));
    let put = async |body: &str| exchange(&admin, LOCAL, &mk_request("PUT", "[::1]", body)).await;
    assert_eq!(put("debug\n").await, (200, "debug\n".to_owned()));
    assert_eq!(handle.filter().to_string(), "debug");
    for wrong in ["", "hyper=loud"] {
        let error = wrong.parse::<crate::log::Filter>().unwrap_err();
        assert_eq!(put(wrong).await, (400, format!("{error}\n")), "{wrong:?}");
    }
    assert_eq!(put(&",x=warn".repeat(1000)).await.0, 413);
    assert_eq!(handle.filter().to_string(), "debug");
    let other = exchange(&admin, LOCAL, &mk_request("DELETE", "localhost", "")).await;
    assert_eq!(other.0, 405);
}

#[tokio::test]
async fn strangers_and_rebound_names_change_nothing() {
    let (_filter, handle) = crate::log::reloadable(&crate::log::Filter::default()).unwrap();
    let admin = mk_admin_with(Health::new(), Health::new(), log_level(handle.clone())).await;
    for (from, host, why) in [
        ([127, 0, 0, 6], "localhost", "only for local peers: "),
        (LOCAL, "rebound.example:8081", "only for local names: "),
        (LOCAL, "", "only for local names: "),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = mk_request(method, host, "debug");
            let (status, body) = exchange(&admin, from, &request).await;
            assert_eq!((status, body.lines().count()), (403, 1), "{body}");
            assert!(body.starts_with(why), "{method} from {from:?}: {body}");
        }
    }
    assert_eq!(handle.filter(), crate::log::Filter::default());
    // What scrapers and the kubelet ask for stays open.
    let scrape = "GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:8081\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(&admin, [127, 0, 0, 6], scrape).await.0, 200);
}
