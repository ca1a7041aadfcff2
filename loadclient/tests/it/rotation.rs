//! One run over several servers that come and go, as the library.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loadclient::drive::{Bounds, Run, Template};
use loadclient::endpoint::Endpoints;
use loadclient::plan::{Pacing, Plan};
use loadclient::record::{Record, Summary};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::process::{Server, until};

/// A run in the background, over whatever addresses are published.
pub(crate) struct Running {
    addresses: watch::Sender<Vec<SocketAddr>>,
    stop: CancellationToken,
    task: JoinSet<Summary>,
}

fn mk_run(servers: &[&Server]) -> Running {
    mk_run_over(
        servers.iter().map(|server| server.grpc).collect(),
        Bounds::default(),
    )
}

pub(crate) fn mk_run_over(over: Vec<SocketAddr>, bounds: Bounds) -> Running {
    let (addresses, watched) = watch::channel(Vec::new());
    addresses.send_replace(over);
    let origin = "http://server-headless:9090".parse().unwrap();
    let limit = Duration::from_secs(5);
    let run = Run {
        plan: Plan::new(Pacing::Interval, Duration::from_millis(2)),
        bounds,
        template: Template {
            origin,
            client_id: "test".to_owned(),
            max_prime: 0,
            limit,
        },
        endpoints: Endpoints::new(Arc::default()),
        addresses: watched,
        record: Record::register(&mut Registry::default()),
    };
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut task = JoinSet::new();
    task.spawn(async move { run.drive(&told).await });
    Running {
        addresses,
        stop,
        task,
    }
}

impl Running {
    fn publish(&self, servers: &[&Server]) {
        self.addresses
            .send_replace(servers.iter().map(|server| server.grpc).collect());
    }

    async fn stop(self) -> Summary {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until a bound is reached.
    pub(crate) async fn ended(mut self) -> Summary {
        self.task.join_next().await.unwrap().unwrap()
    }
}

fn mk_server() -> Server {
    Server::start(&["--service-time-ms=1"])
}

#[tokio::test]
async fn takes_turns_and_follows_the_addresses() {
    let (first, second, third) = (mk_server(), mk_server(), mk_server());
    let running = mk_run(&[&first, &second]);
    until("both are used", || first.ops().min(second.ops()) > 50).await;
    let (a, b) = (first.ops() as f64, second.ops() as f64);
    // Turns differ by one; between the two looks some more requests are made.
    assert!((0.5..2.0).contains(&(a / b)), "{a} and {b}");
    assert_eq!(third.ops(), 0);
    running.publish(&[&second, &third]);
    until("the new one is used", || third.ops() > 50).await;
    let before = first.ops();
    let mark = third.ops();
    until("more requests are made", || third.ops() > mark + 50).await;
    assert_eq!(first.ops(), before, "the old one is left alone");
    let summary = running.stop().await;
    assert_eq!(summary.errors, 0, "{summary}");
}

#[tokio::test]
async fn a_server_that_drains_fails_no_request() {
    let (first, second) = (mk_server(), mk_server());
    let running = mk_run(&[&first, &second]);
    until("both are used", || first.ops().min(second.ops()) > 20).await;
    first.drain();
    let mark = second.ops();
    // Its address is still published, as it is for a while in a cluster: it must be skipped.
    until("the other one serves on", || second.ops() > mark + 200).await;
    let summary = running.stop().await;
    assert_eq!(summary.errors, 0, "{summary}");
}

#[tokio::test]
async fn a_server_is_used_again_when_it_is_back() {
    let (first, second) = (mk_server(), mk_server());
    let address = first.grpc;
    let running = mk_run(&[&first, &second]);
    until("both are used", || first.ops().min(second.ops()) > 20).await;
    first.end().await;
    let mark = second.ops();
    until("the other one serves on", || second.ops() > mark + 50).await;
    let back = Server::start(&["--service-time-ms=1", &format!("--grpc-address={address}")]);
    until("the first one is back", || back.ops() > 20).await;
    let summary = running.stop().await;
    assert_eq!(summary.errors, 0, "{summary}");
}

#[tokio::test]
async fn without_addresses_slots_are_missed_and_nothing_fails() {
    let server = mk_server();
    let running = mk_run(&[]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.publish(&[&server]);
    until("the first addresses are used", || server.ops() > 10).await;
    let summary = running.stop().await;
    assert_eq!(summary.errors, 0, "{summary}");
    assert!(summary.missed >= 10, "{summary}");
}
