//! How connections age, seen in frames.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::frame::{Client, EVERY_STREAM, Event};
use crate::process::{DEADLINE, Server, metric};

fn mk_server(service_time_ms: u32, grace_seconds: u32) -> Server {
    Server::start(&[
        "--pod-name=pod-1",
        "--max-connection-age-seconds=1",
        &format!("--max-connection-age-grace-seconds={grace_seconds}"),
        &format!("--service-time-ms={service_time_ms}"),
    ])
}

async fn next(client: &mut Client) -> Event {
    timeout(DEADLINE, client.next()).await.expect("an event")
}

#[tokio::test]
async fn a_call_in_flight_at_the_age_completes() {
    let server = mk_server(2_000, 10);
    let start = Instant::now();
    let mut client = Client::connect(server.grpc).await;
    client.call(1).await;
    assert_eq!(
        next(&mut client).await,
        Event::GoAway {
            last: EVERY_STREAM,
            error: 0
        }
    );
    // One second, give or take a tenth; scheduling only ever adds. That it comes before the answer
    // shows the rest.
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(next(&mut client).await, Event::GoAway { last: 1, error: 0 });
    assert_eq!(
        next(&mut client).await,
        Event::Answer {
            stream: 1,
            pod: "pod-1".to_owned()
        }
    );
    assert_eq!(next(&mut client).await, Event::End { stream: 1 });
    assert_eq!(next(&mut client).await, Event::Closed);
    // Long before the grace is over: it is a limit, not a wait.
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    metric(server.admin, "server_errors_total{code=\"CANCELLED\"} 0").await;
}

#[tokio::test]
async fn an_idle_connection_closes_at_the_age() {
    let server = mk_server(10, 10);
    let start = Instant::now();
    let mut client = Client::connect(server.grpc).await;
    assert_eq!(
        next(&mut client).await,
        Event::GoAway {
            last: EVERY_STREAM,
            error: 0
        }
    );
    assert_eq!(next(&mut client).await, Event::GoAway { last: 0, error: 0 });
    assert_eq!(next(&mut client).await, Event::Closed);
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    metric(server.admin, "server_connections 0").await;
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_after_the_grace() {
    let server = mk_server(60_000, 1);
    let start = Instant::now();
    let mut client = Client::connect(server.grpc).await;
    client.call(1).await;
    assert_eq!(
        next(&mut client).await,
        Event::GoAway {
            last: EVERY_STREAM,
            error: 0
        }
    );
    assert_eq!(next(&mut client).await, Event::GoAway { last: 1, error: 0 });
    assert_eq!(next(&mut client).await, Event::Closed);
    assert!(
        start.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        start.elapsed()
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // The handler ends with its connection and is counted.
    metric(server.admin, "server_errors_total{code=\"CANCELLED\"} 1").await;
    metric(server.admin, "travelaudience_gserver_operations_ops 1").await;
    metric(server.admin, "server_inflight 0").await;
}
