use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// What a probe makes of these bytes, sent once the request has come; then the server closes.
async fn answered(bytes: &[u8]) -> Attempt {
    let (client, mut server) = duplex(1 << 16);
    let target = "server:8080".parse().unwrap();
    let serve = async {
        let mut request = [0; 1024];
        let length = server.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        // The probe may have had enough before it read everything.
        let _ = server.write_all(bytes).await;
        drop(server);
        request
    };
    let (attempt, request) =
        tokio::join!(send_over(client, &target, Endpoint::Status, LIMIT), serve);
    assert!(
        request.starts_with("GET /status HTTP/1.1\r\nhost: server:8080\r\n"),
        "{request}"
    );
    attempt
}

#[tokio::test]
async fn whatever_a_server_says_has_one_class() {
    use Outcome::{HttpError, ProtocolError, Success, TransportError};
    let cases: [(&str, Option<u16>, Outcome); 20] = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nOK\n",
            Some(200),
            Success,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", Some(204), Success),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Some(200), Success),
        ("HTTP/1.0 200 OK\r\n\r\n", Some(200), Success),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Some(200),
            Success,
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
            Some(500),
            HttpError,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            Some(101),
            HttpError,
        ),
        (
            "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n",
            Some(302),
            HttpError,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n",
            Some(302),
            HttpError,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 13\r\n\r\n",
            Some(304),
            HttpError,
        ),
        (
            "HTTP/1.1 418 \x1b[2J\r\ncontent-length: 0\r\n\r\n",
            None,
            ProtocolError,
        ),
        (
            "HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n",
            Some(999),
            HttpError,
        ),
        ("", None, TransportError),
        ("HTTP/1.1 200", None, TransportError),
        ("HTTP/1.1 100 Continue\r\n\r\n", None, TransportError),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nOK",
            Some(200),
            TransportError,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            Some(200),
            ProtocolError,
        ),
        ("HTTP/1.1 99 Low\r\n\r\n", None, ProtocolError),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", None, ProtocolError),
        ("\0\x01\x02\r\n\r\n", None, ProtocolError),
    ];
    for (bytes, code, outcome) in cases {
        let attempt = answered(bytes.as_bytes()).await;
        let found = (attempt.code.map(|code| code.as_u16()), attempt.outcome);
        assert_eq!(found, (code, outcome), "{bytes:?}: {attempt:?}");
        assert_eq!(attempt.error.is_none(), attempt.is_success(), "{attempt:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_no_web_server() {
    let (client, mut server) = duplex(1024);
    server.write_all(b"220 mail ESMTP\r\n").await.unwrap();
    let target = "server:25".parse().unwrap();
    let attempt = send_over(client, &target, Endpoint::Flaky, LIMIT).await;
    assert_eq!(attempt.outcome, Outcome::ProtocolError, "{attempt:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout_also_in_the_middle_of_an_answer() {
    for (bytes, code) in [
        ("", None),
        ("HTTP/1.1 100 Continue\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nO", Some(200)),
    ] {
        let (client, mut server) = duplex(1024);
        server.write_all(&[]).await.unwrap();
        let target = "server:8080".parse().unwrap();
        let serve = async {
            let _ = server.read(&mut [0; 1024]).await.unwrap();
            server.write_all(bytes.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let attempt = tokio::select! {
            attempt = send_over(client, &target, Endpoint::Status, LIMIT) => attempt,
            () = serve => unreachable!(),
        };
        assert_eq!(attempt.outcome, Outcome::Timeout, "{bytes:?}");
        assert_eq!(attempt.code.map(|code| code.as_u16()), code);
        assert_eq!(attempt.error.unwrap(), "no answer within 5000 ms");
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_the_end() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bytes.resize(BODY_LIMIT + 100_000, b'x');
    assert_eq!(answered(&bytes).await.outcome, Outcome::Success);
}
