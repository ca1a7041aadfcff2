//! What is too large is refused in HTTP's own words, and harms nobody else on the connection.

use tokio::io::AsyncWriteExt as _;

use super::*;

/// Sends `head` as it is over HTTP/1.1 and reads the status line.
async fn status_of(server: &TestServer, head: &[u8]) -> String {
    let mut stream = server.handshake(Protocol::Http1, None).await.unwrap();
    // The answer may come before the last byte is written.
    let _ = stream.write_all(head).await;
    let mut answer = [0; 12];
    within(stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = TestServer::start(Paths::default(), Options::default()).await;
    let get = |path: &str, headers: &str| {
        format!("GET /{path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
    };
    let long = |length: usize| "x".repeat(length);
    for (head, status) in [
        (get("", ""), "HTTP/1.1 200"),
        (get(&long(30_000), ""), "HTTP/1.1 200"),
        (get(&long(65_600), ""), "HTTP/1.1 414"),
        (get("", &format!("a: {}\r\n", long(30_000))), "HTTP/1.1 200"),
        (
            get("", &format!("a: {}\r\n", long(200_000))),
            "HTTP/1.1 431",
        ),
        // A front proxy repeats a header for each of the user's groups.
        (
            get("", &"x-remote-group: dev\r\n".repeat(1_000)),
            "HTTP/1.1 200",
        ),
        (get("", &"a: b\r\n".repeat(5_000)), "HTTP/1.1 431"),
    ] {
        let shown = String::from_utf8_lossy(&head[..80.min(head.len())]).into_owned();
        assert_eq!(status_of(&server, &head).await, status, "{shown}");
    }
}

#[tokio::test]
async fn large_heads_are_refused_over_http2() {
    let server = TestServer::start(Paths::default(), Options::default()).await;
    let mut client = server.client(Protocol::Http2, None).await.unwrap();
    let groups = vec![("x-remote-group", "dev"); 1_000];
    assert_eq!(
        client.send("/", &groups).await.unwrap().status,
        StatusCode::OK
    );
    let large = "x".repeat(100_000);
    let refused = client.send("/", &[("a", &large)]).await;
    if let Ok(answer) = refused {
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    assert_eq!(
        server.get(Protocol::Http2, None, "/").await.status,
        StatusCode::OK
    );
    assert_eq!(server.metrics.panics.get(), 0);
}
