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
    let mut registry = Registry::default();
    let _ = crate::operation::Operations::register(&mut registry);
    let router = router(Arc::new(registry), liveness, readiness);
    let router = router.route("/extra", get(|| async { "more" }));
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
