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

use self::prometheus::Prometheus;
use self::report::Row;

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

/// Every family has an adapter of its own, so they run side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_pass_and_leave_nothing() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let upstream = prometheus.address();
    let families = tokio::join!(
        source::transport(upstream),
        source::answers(upstream),
        source::floods(upstream),
        start::faults(upstream),
        cluster::faults(upstream),
        review::faults(upstream),
        front::faults(upstream),
        file::faults(upstream),
    );
    let (a, b, c, d, e, f, g, h) = families;
    let rows: Vec<Row> = [a, b, c, d, e, f, g, h].into_iter().flatten().collect();
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
