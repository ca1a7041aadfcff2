//! The autoscaler's routes and how it deals with the pool.

use exoscale_fake::fault::{Fault, Kind, Scope};
use serde_json::Value;

use crate::world::{Program, SECRET, fake_with, mk_fake, send, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_get_and_post_of_the_two_paths_count() {
    let fake = mk_fake().await;
    let autoscaler = Program::autoscaler(&fake, &[]);
    for path in ["/", "/up/", "/UP", "/upward", "/v1/up"] {
        assert_eq!(autoscaler.get(path).0, 404, "{path}");
        assert_eq!(autoscaler.post(path, b"{}").0, 404, "{path}");
    }
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(
            send(autoscaler.address, method, "/up", b"").0,
            405,
            "{method}"
        );
    }
    assert_eq!(autoscaler.post("/up", &vec![b'x'; (1 << 20) + 1]).0, 413);
    let status = || serde_json::from_str::<Value>(&autoscaler.get("/status").1).unwrap();
    assert_eq!(status()["pending"], Value::Null);
    assert_eq!(autoscaler.get("/down").0, 200);
    assert_eq!(status()["pending"], "down");
    assert_eq!(autoscaler.post("/up?orgId=1", b"anything").0, 200);
    assert_eq!(autoscaler.get("/down").0, 200);
    assert_eq!(status()["pending"], "up", "up wins");
    assert_eq!(autoscaler.get("/healthz").0, 200);
    let metrics = autoscaler.get("/metrics").1;
    assert!(
        metrics.contains("exoscale_autoscaler_pending{direction=\"up\"} 1"),
        "{metrics}"
    );
    until("the pool is known", || status()["pool"]["size"] == 1).await;
    assert_eq!(autoscaler.get("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_once_without_an_interval_and_never_beyond_the_bounds() {
    let fake = fake_with(|options| options.size = 2).await;
    let flags = ["--interval=0", "--min-pool-size=2", "--max-pool-size=3"];
    let autoscaler = Program::autoscaler(&fake, &flags);
    let acted = |direction: &str, result: &str, times: u32| {
        let line = format!(
            "exoscale_autoscaler_scale_actions_total{{direction=\"{direction}\",result=\"{result}\"}} {times}"
        );
        autoscaler.get("/metrics").1.contains(&line)
    };
    autoscaler.get("/up");
    until("3 members", || fake.running().len() == 3).await;
    autoscaler.get("/up");
    until("the upper bound", || acted("up", "at_bound", 1)).await;
    autoscaler.get("/down");
    until("2 members", || fake.running().len() == 2).await;
    autoscaler.get("/down");
    until("the lower bound", || acted("down", "at_bound", 1)).await;
    assert_eq!(fake.orders(), [3, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_leaves_the_pool_alone() {
    let fake = mk_fake().await;
    let autoscaler = Program::autoscaler(&fake, &["--interval=0", "--dry-run"]);
    autoscaler.get("/up");
    until("the decision", || {
        autoscaler
            .get("/status")
            .1
            .contains("\"result\":\"dry_run\"")
    })
    .await;
    assert_eq!(fake.orders(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_costs_or_doubles_a_step() {
    for (kind, scope) in [
        (Kind::LostAnswer, Scope::Put),
        (Kind::Status(503), Scope::Put),
        (Kind::Status(409), Scope::Put),
        (Kind::Limited(1), Scope::Put),
        (Kind::Garbage, Scope::Put),
        (Kind::Slow(300), Scope::All),
        (Kind::Status(500), Scope::Get),
        (Kind::Limited(1), Scope::Get),
        (Kind::Garbage, Scope::Get),
    ] {
        let fake = mk_fake().await;
        let autoscaler = Program::autoscaler(&fake, &["--interval=0.2"]);
        fake.fault(Fault {
            kind,
            scope,
            times: Some(2),
        });
        assert_eq!(autoscaler.get("/up").0, 200);
        until("2 members", || fake.running().len() == 2).await;
        let status = || serde_json::from_str::<Value>(&autoscaler.get("/status").1).unwrap();
        until("the end of it", || {
            status()["pending"].is_null() && status()["unanswered_size"].is_null()
        })
        .await;
        assert_eq!(fake.orders(), [2], "{kind:?} on {scope:?}");
        let (exit, _, log) = autoscaler.terminate().await;
        assert_eq!(exit.code(), Some(0));
        assert!(!log.concat().contains(SECRET), "{log:?}");
    }
}
