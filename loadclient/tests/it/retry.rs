//! Which failures are retried: only those of requests that were certainly not processed.

use std::net::SocketAddr;

use h2::Reason;
use loadclient::drive::Bounds;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::process::Server;
use crate::rotation::mk_run_over;

/// What a server of these tests does with every request.
#[derive(Clone, Copy)]
enum Manner {
    /// Resets its stream.
    Reset(Reason),
    /// Closes the connection without a word.
    HangUp,
}

/// A server that answers nothing.
async fn mk_rude(manner: Manner) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                match manner {
                    Manner::Reset(reason) => respond.send_reset(reason),
                    Manner::HangUp => break,
                }
            }
        }
    });
    (address, task)
}

const TEN: Bounds = Bounds {
    count: Some(10),
    duration: None,
};

#[tokio::test]
async fn a_refused_request_is_sent_to_another_address() {
    let (rude, _task) = mk_rude(Manner::Reset(Reason::REFUSED_STREAM)).await;
    let server = Server::start(&["--service-time-ms=1"]);
    let summary = mk_run_over(vec![rude, server.grpc], TEN).ended().await;
    assert_eq!((summary.requests, summary.errors), (10, 0), "{summary}");
    assert!(summary.retries > 0, "{summary}");
    // The retry belongs to its request: every one was answered once.
    assert_eq!(server.ops(), 10);
}

#[tokio::test]
async fn a_request_is_retried_once_only() {
    let (rude, _task) = mk_rude(Manner::Reset(Reason::REFUSED_STREAM)).await;
    let summary = mk_run_over(vec![rude], TEN).ended().await;
    assert_eq!(
        (summary.requests, summary.errors, summary.retries),
        (10, 10, 10),
        "{summary}"
    );
}

#[tokio::test]
async fn what_may_have_been_processed_is_not_retried() {
    for manner in [Manner::Reset(Reason::INTERNAL_ERROR), Manner::HangUp] {
        let (rude, _task) = mk_rude(manner).await;
        let two = Bounds {
            count: Some(2),
            ..TEN
        };
        let summary = mk_run_over(vec![rude], two).ended().await;
        assert_eq!(
            (summary.requests, summary.errors, summary.retries),
            (2, 2, 0),
            "{summary}"
        );
    }
}
