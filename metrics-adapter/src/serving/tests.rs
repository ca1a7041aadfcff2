//! Real TLS over loopback. The helpers here are used by the tests of `auth` as well.

#![allow(clippy::disallowed_methods)] // The tests' runtimes end with the tests.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::metrics::{HandshakeFailure, HandshakeLabels};
use super::*;
use support::*;

mod limit;
mod panic;
mod room;
pub(crate) mod support;

/// More than sockets hold.
const LARGE: usize = 32 << 20;

/// A service of paths: `/` counts the peer's certificates, `/slow` waits, `/panic` panics, `/large` is large;
/// whoever asks for `/known` or `/large` has authenticated.
#[derive(Clone, Default)]
struct Paths {
    release: Arc<Notify>,
    entered: Arc<AtomicUsize>,
}

impl tower::Service<Request<Incoming>> for Paths {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let certificates = request
                .extensions()
                .get::<PeerCertificates>()
                .map_or(0, |chain| chain.0.len());
            match request.uri().path() {
                "/slow" => {
                    this.entered.fetch_add(1, Ordering::SeqCst);
                    this.release.notified().await;
                }
                "/panic" => panic!("a bug"),
                path @ ("/known" | "/large") => {
                    request
                        .extensions()
                        .get::<Standing>()
                        .unwrap()
                        .authenticated();
                    if path == "/large" {
                        return Ok(Response::new(Full::from(vec![b'x'; LARGE])));
                    }
                }
                _ => {}
            }
            Ok(Response::new(Full::from(format!(
                "{certificates} certificates"
            ))))
        })
    }
}

impl Paths {
    /// Waits until so many requests are in `/slow`.
    async fn entered(&self, number: usize) {
        eventually(|| self.entered.load(Ordering::SeqCst) >= number).await;
    }
}

#[tokio::test]
async fn serves_both_protocols_and_tells_certificates() {
    let server = TestServer::start(Paths::default(), Options::default()).await;
    let stranger = Ca::new("nobody knows it").issue("someone", &[]);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let plain = server.get(protocol, None, "/").await;
        assert_eq!(
            (plain.status, plain.body.as_str()),
            (StatusCode::OK, "0 certificates")
        );
        let with = server.get(protocol, Some(&stranger), "/").await;
        assert_eq!(
            (with.status, with.body.as_str()),
            (StatusCode::OK, "1 certificates")
        );
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_no_handshake() {
    let server = TestServer::start(Paths::default(), Options::default()).await;
    let ca = Ca::new("cluster");
    let (alice, mallory) = (ca.issue("alice", &[]), ca.issue("mallory", &[]));
    // Alice's certificate, signed with Mallory's key.
    let stolen = Identity {
        chain: alice.chain.clone(),
        key: mallory.key,
    };
    let result = server.try_get(Protocol::Http1, Some(&stolen), "/").await;
    assert!(result.is_err());
    let labels = HandshakeLabels {
        reason: HandshakeFailure::Protocol,
    };
    assert_eq!(
        server
            .metrics
            .handshake_failures
            .get_or_create(&labels)
            .get(),
        1
    );
}

#[tokio::test]
async fn a_silent_handshake_ends() {
    let options = Options {
        handshake_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let server = TestServer::start(Paths::default(), options).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(within(socket.read(&mut [0; 16])).await.unwrap(), 0);
    let labels = HandshakeLabels {
        reason: HandshakeFailure::Timeout,
    };
    eventually(|| {
        server
            .metrics
            .handshake_failures
            .get_or_create(&labels)
            .get()
            == 1
    })
    .await;
    eventually(|| server.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn a_connection_without_requests_ends() {
    let options = Options {
        header_read_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let server = TestServer::start(Paths::default(), options).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut stream = server.handshake(protocol, None).await.unwrap();
        let mut rest = Vec::new();
        // HTTP/2 says goodbye, HTTP/1.1 has nothing to say; both end.
        let _ = within(stream.read_to_end(&mut rest)).await;
        eventually(|| server.metrics.connections.get() == 0).await;
    }
}

#[tokio::test]
async fn an_idle_http2_connection_ends_but_not_a_busy_one() {
    let options = Options {
        idle_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let paths = Paths::default();
    let server = TestServer::start(paths.clone(), options).await;
    let mut client = server.client(Protocol::Http2, None).await.unwrap();
    let mut other = client.clone();
    let slow = tokio::spawn(async move { other.get("/slow").await.unwrap() });
    paths.entered(1).await;
    // Far longer than the idle timeout, and the connection is still good for a second request.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.get("/").await.unwrap().status, StatusCode::OK);
    paths.release.notify_waiters();
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
    eventually(|| server.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let server = TestServer::start(Paths::default(), Options::default()).await;
    for (panics, protocol) in [(1, Protocol::Http1), (2, Protocol::Http2)] {
        let mut client = server.client(protocol, None).await.unwrap();
        let answer = client.get("/panic").await.unwrap();
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.json()["reason"], "InternalError");
        // The connection goes on.
        assert_eq!(client.get("/").await.unwrap().status, StatusCode::OK);
        assert_eq!(server.metrics.panics.get(), panics);
    }
}

#[tokio::test]
async fn a_slow_handler_is_cut_off() {
    let options = Options {
        request_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let server = TestServer::start(Paths::default(), options).await;
    let answer = server.get(Protocol::Http2, None, "/slow").await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.json()["reason"], "Timeout");
    assert_eq!(server.metrics.timeouts.get(), 1);
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let options = Options {
        max_header_bytes: 16 * 1024,
        ..Options::default()
    };
    let server = TestServer::start(Paths::default(), options).await;
    let path = format!("/?{}", "x".repeat(20_000));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let refused = match server.try_get(protocol, None, &path).await {
            Ok(answer) => answer.status.is_client_error(),
            Err(_) => true,
        };
        assert!(refused, "{protocol:?}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let options = Options {
        max_connections: 1,
        ..Options::default()
    };
    let paths = Paths::default();
    let server = TestServer::start(paths.clone(), options).await;
    let mut first = server.client(Protocol::Http1, None).await.unwrap();
    let first = tokio::spawn(async move { first.get("/slow").await });
    paths.entered(1).await;
    let mut second = std::pin::pin!(server.get(Protocol::Http1, None, "/"));
    let early = tokio::time::timeout(Duration::from_millis(100), second.as_mut()).await;
    assert!(
        early.is_err(),
        "the second connection was served beside the first"
    );
    paths.release.notify_waiters();
    assert_eq!(within(first).await.unwrap().unwrap().status, StatusCode::OK);
    assert_eq!(within(second).await.status, StatusCode::OK);
}

#[tokio::test]
async fn silent_connections_give_way_to_newer_ones() {
    let options = Options {
        max_connections: 4,
        max_silent_connections: 1,
        max_new_connections: 1,
        ..Options::default()
    };
    let server = TestServer::start(Paths::default(), options).await;
    let mut asked = server.client(Protocol::Http2, None).await.unwrap();
    assert_eq!(asked.get("/").await.unwrap().status, StatusCode::OK);
    // With a handshake but no request, and without either.
    let mut tls = server.handshake(Protocol::Http1, None).await.unwrap();
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let _silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(within(tcp.read(&mut [0])).await.unwrap(), 0);
    for _ in 0..4 {
        let new = server.get(Protocol::Http1, None, "/").await;
        assert_eq!(new.status, StatusCode::OK);
    }
    let cut = within(tls.read(&mut [0])).await;
    assert!(!matches!(cut, Ok(1..)), "{cut:?}");
    // Whoever has asked stays.
    assert_eq!(asked.get("/").await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_is_idle_longest_gives_way_to_newer_ones() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let options = Options {
            max_connections: 2,
            ..Options::default()
        };
        let server = TestServer::start(Paths::default(), options).await;
        let mut first = server.client(protocol, None).await.unwrap();
        assert_eq!(first.get("/").await.unwrap().status, StatusCode::OK);
        let mut second = server.client(protocol, None).await.unwrap();
        assert_eq!(second.get("/").await.unwrap().status, StatusCode::OK);
        // The first has asked last.
        assert_eq!(first.get("/").await.unwrap().status, StatusCode::OK);
        let mut third = within(server.client(protocol, None)).await.unwrap();
        assert_eq!(within(third.get("/")).await.unwrap().status, StatusCode::OK);
        assert!(within(second.get("/")).await.is_err());
        assert!(server.metrics.displaced.get() >= 1);
    }
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let paths = Paths::default();
        let mut server = TestServer::start(paths.clone(), Options::default()).await;
        // An idle connection must not hold it up.
        let _idle = server.client(protocol, None).await.unwrap();
        let mut client = server.client(protocol, None).await.unwrap();
        let slow = tokio::spawn(async move { client.get("/slow").await });
        paths.entered(1).await;
        server.token.cancel();
        // Nothing new is accepted, while the old request still waits.
        let address = server.address;
        eventually_async(|| async move { TcpStream::connect(address).await.is_err() }).await;
        assert!(!slow.is_finished() && !server.ended());
        paths.release.notify_waiters();
        let answer = within(slow).await.unwrap().unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{protocol:?}");
        within(server.end()).await;
    }
}

#[tokio::test]
async fn draining_does_not_wait_for_ever() {
    let options = Options {
        drain_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let paths = Paths::default();
    let mut server = TestServer::start(paths.clone(), options).await;
    let mut client = server.client(Protocol::Http2, None).await.unwrap();
    let slow = tokio::spawn(async move { client.get("/slow").await });
    paths.entered(1).await;
    server.token.cancel();
    within(server.end()).await;
    assert!(within(slow).await.unwrap().is_err());
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_flag() {
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), PortSharing::Exclusive).unwrap();
    let error = Bound::bind(bound.address(), PortSharing::Exclusive).unwrap_err();
    let expected = format!(
        "--bind-address and --secure-port: cannot listen on {}: ",
        bound.address()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn no_address_means_both_families() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let address = address.parse().unwrap();
        let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
        if !has_ipv6 && address == "[::]:0".parse().unwrap() {
            assert!(Bound::bind(address, PortSharing::Exclusive).is_err());
            continue;
        }
        let bound = Bound::bind(address, PortSharing::Exclusive).unwrap();
        let port = bound.address().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(TcpStream::connect(("::1", port)).await.is_ok(), has_ipv6);
    }
}

#[tokio::test]
async fn a_port_can_be_shared_by_those_who_both_want_to() {
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), PortSharing::Shared).unwrap();
    assert!(Bound::bind(bound.address(), PortSharing::Shared).is_ok());
    assert!(Bound::bind(bound.address(), PortSharing::Exclusive).is_err());
}
