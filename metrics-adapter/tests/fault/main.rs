//! Faults between the real adapter and what it needs: Prometheus, kube-apiserver, its clients, its
//! files. docs/reliability.md says what is judged; the run writes `target/reliability.md`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tasks end with the test's runtime"
)]
#![allow(clippy::large_futures, reason = "there are a few dozen of them")]

mod api_server;
mod authority;
mod client;
mod clock;
mod cluster;
mod file;
mod front;
mod probe;
#[allow(dead_code, reason = "shared with the other black-box tests")]
#[path = "../it/prometheus.rs"]
mod prometheus;
mod proxy;
mod report;
mod review;
mod source;
mod start;
mod wire;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};

use self::prometheus::Prometheus;
use self::report::Row;
use self::world::Suite;

/// What Prometheus tells, all the time.
const SAMPLES: &[(&str, &str)] = &[
    (r#"rps{namespace="shop",pod="web-0"}"#, "10"),
    (r#"rps{namespace="shop",pod="web-1"}"#, "20"),
    (r#"rps{namespace="shop",pod="web-2"}"#, "30"),
    (r#"queue{namespace="shop"}"#, "7"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Families that run at the same time: the machine is to be busy, not out of breath.
const AT_ONCE: usize = 3;

/// Every family has an adapter of its own, so some run side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_pass_and_leave_nothing() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let suite = Suite::start(prometheus.address()).await;
    let suite = &suite;
    let families: [BoxFuture<'_, Vec<Row>>; 10] = [
        Box::pin(source::transport(suite)),
        Box::pin(source::answers(suite)),
        Box::pin(source::kept(suite)),
        Box::pin(source::floods(suite)),
        Box::pin(start::faults(suite)),
        Box::pin(cluster::faults(suite)),
        Box::pin(review::faults(suite)),
        Box::pin(front::faults(suite)),
        Box::pin(file::faults(suite)),
        Box::pin(clock::faults(suite)),
    ];
    let families = stream::iter(families).buffered(AT_ONCE);
    let rows: Vec<Vec<Row>> = families.collect().await;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let problems: Vec<&String> = rows.iter().flat_map(|row| &row.problems).collect();
    // What `make reliability` copies is never that of a run that failed.
    let file = if problems.is_empty() {
        "reliability.md"
    } else {
        "reliability.failed.md"
    };
    fs::write(target.join(file), report::table(&rows)).unwrap();
    assert!(problems.is_empty(), "{problems:#?}");
    let document = fs::read_to_string(workspace().join("docs/reliability.md")).unwrap();
    let faults: Vec<&str> = rows.iter().map(|row| row.fault.as_str()).collect();
    assert_eq!(
        report::documented(&document),
        faults,
        "docs/reliability.md has other faults than this run: make reliability"
    );
}
