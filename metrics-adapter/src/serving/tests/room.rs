//! Who gives way when there are few places.

use http_body_util::BodyExt as _;

use super::*;

const PLACES: usize = 16;

fn options() -> Options {
    Options {
        max_connections: PLACES,
        ..Options::default()
    }
}

#[tokio::test]
async fn silent_connections_displace_none_that_has_asked() {
    let server = TestServer::start(Paths::default(), options()).await;
    let mut asked = Vec::new();
    for _ in 0..PLACES - 4 {
        let mut client = server.client(Protocol::Http1, None).await.unwrap();
        assert_eq!(client.get("/").await.unwrap().status, StatusCode::OK);
        asked.push(client);
    }
    let mut silent = Vec::new();
    for _ in 0..PLACES {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    eventually(|| server.metrics.accepted.get() == (asked.len() + silent.len()) as u64).await;
    assert_eq!(server.metrics.displaced.get(), 0);
    for client in &mut asked {
        assert_eq!(client.get("/").await.unwrap().status, StatusCode::OK);
    }
}

/// Strangers that keep asking do not displace somebody who is known and asks seldom.
#[tokio::test]
async fn strangers_give_way_first() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let server = TestServer::start(Paths::default(), options()).await;
        let mut known = server.client(protocol, None).await.unwrap();
        assert_eq!(known.get("/known").await.unwrap().status, StatusCode::OK);
        // What else it asks makes it no stranger.
        assert_eq!(known.get("/").await.unwrap().status, StatusCode::OK);
        let mut strangers = Vec::new();
        for _ in 0..2 * PLACES {
            let mut client = within(server.client(protocol, None)).await.unwrap();
            assert_eq!(
                within(client.get("/")).await.unwrap().status,
                StatusCode::OK
            );
            strangers.push(client);
        }
        assert!(server.metrics.displaced.get() >= 1);
        assert_eq!(
            known.get("/").await.unwrap().status,
            StatusCode::OK,
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn who_gives_way_may_read_to_the_end() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let server = TestServer::start(Paths::default(), options()).await;
        let mut slow = server.client(protocol, None).await.unwrap();
        let answer = slow.begin("/large", &[]).await.unwrap();
        let mut others = Vec::new();
        while server.metrics.displaced.get() == 0 {
            let mut client = within(server.client(protocol, None)).await.unwrap();
            within(client.get("/known")).await.unwrap();
            others.push(client);
        }
        // Longer than a goodbye.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let body = within(answer.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes().len(), LARGE, "{protocol:?}");
    }
}
