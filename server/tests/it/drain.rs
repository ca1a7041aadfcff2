//! What SIGTERM does to calls, connections and the process.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::frame::{Client, Event};
use crate::process::{DEADLINE, Server, get, metric};

/// Calls one after the other until the server says to go away; returns how many were answered.
/// Every call that was started must be.
async fn call_until_told_to_go(mut client: Client) -> u32 {
    let (mut answered, mut leaving) = (0, false);
    for stream in (1..).step_by(2) {
        client.call(stream).await;
        loop {
            match client.next().await {
                Event::GoAway { last, error } => {
                    assert_eq!(error, 0);
                    assert!(last >= stream, "stream {stream} was refused (last {last})");
                    leaving = true;
                }
                Event::Answer { stream: of, .. } => assert_eq!(of, stream),
                Event::End { stream: of } => {
                    assert_eq!(of, stream);
                    answered += 1;
                    break;
                }
                Event::Closed => panic!("closed with stream {stream} in flight"),
            }
        }
        if leaving {
            break;
        }
    }
    answered
}

#[tokio::test]
async fn sigterm_fails_no_call() {
    let flags = [
        "--workers=4",
        "--service-time-ms=50",
        "--drain-delay-seconds=1",
    ];
    let mut server = Server::start(&flags);
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(call_until_told_to_go(Client::connect(server.grpc).await));
    }
    metric(server.admin, "server_inflight 4").await;
    assert_eq!(get(server.admin, "/readyz").0, 200);

    server.terminate();
    let terminated = Instant::now();
    while get(server.admin, "/readyz").0 == 200 {
        assert!(terminated.elapsed() < DEADLINE, "readiness stays");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(server.admin, "/livez").0, 200);
    // Not ready, but still accepting: a client that has not noticed yet is served.
    clients.spawn(call_until_told_to_go(Client::connect(server.grpc).await));

    let answered = timeout(DEADLINE, clients.join_all())
        .await
        .expect("the clients are told to go");
    // Some 20 calls of 50 ms fit into the delay of 1 s; far fewer would mean that it was not
    // served through.
    assert!(
        answered.iter().all(|answered| *answered > 5),
        "{answered:?}"
    );
    let (status, log) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(
        terminated.elapsed() >= Duration::from_secs(1),
        "{:?}",
        terminated.elapsed()
    );
    assert!(TcpStream::connect(server.grpc).await.is_err());
}

#[tokio::test]
async fn a_second_signal_skips_the_drain_delay() {
    let mut server = Server::start(&["--drain-delay-seconds=3600"]);
    server.terminate();
    while get(server.admin, "/readyz").0 == 200 {
        sleep(Duration::from_millis(5)).await;
    }
    server.terminate();
    let (status, log) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[tokio::test]
async fn watchers_of_health_are_told_and_do_not_hold_up_the_end() {
    let mut server = Server::start(&["--drain-delay-seconds=0"]);
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest {
        service: proto::SERVICE_NAME.to_owned(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let terminated = Instant::now();
    server.terminate();
    let rest = async {
        let second = watch.message().await.unwrap().unwrap();
        assert_eq!(second.status(), ServingStatus::NotServing);
        assert_eq!(watch.message().await.unwrap(), None);
    };
    timeout(DEADLINE, rest).await.expect("the watch ends");
    let (status, log) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    // Well below the shutdown timeout of 15 s.
    assert!(
        terminated.elapsed() < Duration::from_secs(8),
        "{:?}",
        terminated.elapsed()
    );
}

#[tokio::test]
async fn calls_beyond_the_shutdown_timeout_are_cut_and_reported() {
    let flags = [
        "--service-time-ms=60000",
        "--drain-delay-seconds=0",
        "--shutdown-timeout-seconds=1",
    ];
    let mut server = Server::start(&flags);
    let mut client = Client::connect(server.grpc).await;
    client.call(1).await;
    metric(server.admin, "server_inflight 1").await;
    server.terminate();
    let until_closed = async { while client.next().await != Event::Closed {} };
    timeout(DEADLINE, until_closed)
        .await
        .expect("the connection is closed");
    let (status, log) = server.ended().await;
    assert_eq!(status.code(), Some(1), "{log:?}");
    let line = "server: --shutdown-timeout-seconds: 1 connections still had calls in flight \
                after 1 s and were closed";
    assert_eq!(log.last().unwrap(), line);
}
