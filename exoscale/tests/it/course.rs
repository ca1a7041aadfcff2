//! The course's acceptance tests, scenario by scenario, with its environment and its webhooks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use exoscale_fake::Fake;
use exoscale_fake::machine::{Kind, NODE, Process};
use serde::Deserialize;

use crate::world::{Program, fake_with, mk_fake, send, until};

/// As the course's test decodes the file.
#[derive(Debug, Deserialize)]
struct Entry {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

fn targets(file: &Path) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_else(|_| b"[]".to_vec());
    let entries: Vec<Entry> = serde_json::from_slice(&text).unwrap();
    assert!(entries.iter().all(|entry| entry.labels.is_empty()));
    entries
        .into_iter()
        .flat_map(|entry| entry.targets)
        .collect()
}

fn expected(fake: &Fake, port: u16) -> Vec<String> {
    let running = fake.running().into_iter();
    running.map(|ip| format!("{ip}:{port}")).collect()
}

async fn settled(fake: &Fake, size: u32) {
    let members = usize::try_from(size).unwrap();
    until("the pool's new size", || {
        fake.size() == size && fake.running().len() == members
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_autoscaler_scales_on_get_and_ends_with_0() {
    let fake = mk_fake().await;
    let autoscaler = Program::autoscaler(&fake, &["--interval=0.2"]);
    assert_eq!(autoscaler.get("/up").0, 200);
    settled(&fake, 2).await;
    assert_eq!(autoscaler.get("/down").0, 200);
    settled(&fake, 1).await;
    assert_eq!(autoscaler.get("/down").0, 200);
    until("the refusal at the bound", || {
        let line =
            "exoscale_autoscaler_scale_actions_total{direction=\"down\",result=\"at_bound\"} 1";
        autoscaler.get("/metrics").1.contains(line)
    })
    .await;
    assert_eq!((fake.size(), fake.orders()), (1, vec![2, 1]));
    let (status, took, log) = autoscaler.terminate().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(
        took < Duration::from_secs(10),
        "docker would kill it: {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_follows_the_pool_on_any_port() {
    let fake = fake_with(|options| options.size = 2).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let port = 10_000 + u16::try_from(std::process::id() % 50_000).unwrap();
    let flag = format!("--prometheus-port={port}");
    let sd = Program::sd(&fake, &file, &[&flag]);
    until("two targets", || targets(&file) == expected(&fake, port)).await;
    let before = targets(&file);
    assert_eq!(before.len(), 2);

    fake.destroy_all();
    until("two other members", || {
        let now = expected(&fake, port);
        now.len() == 2 && now.iter().all(|target| !before.contains(target))
    })
    .await;
    until("their targets", || targets(&file) == expected(&fake, port)).await;
    let served: Vec<Entry> = serde_json::from_str(&sd.get("/targets").1).unwrap();
    assert_eq!(served[0].targets, expected(&fake, port));

    let (status, took, log) = sd.terminate().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(took < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_pool_is_an_empty_file_and_an_empty_list() {
    let fake = fake_with(|options| options.size = 0).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let sd = Program::sd(&fake, &file, &[]);
    let empty = "[{\"targets\":[],\"labels\":{}}]\n";
    until("the empty file", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text == empty)
    })
    .await;
    assert_eq!(sd.get("/targets"), (200, "[]".to_owned()));
    assert_eq!(sd.get("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_instances_answer_through_the_load_balancer_and_show_their_cpu() {
    let load = Duration::from_millis(300);
    let fake = fake_with(|options| {
        options.size = 2;
        options.machine = Kind::Process(Process {
            program: server(),
            load,
            capacity: 0.5,
        });
    })
    .await;
    assert_eq!(
        send(fake.balancer(), "GET", "/health", b""),
        (200, "OK".to_owned())
    );
    let before: Vec<f64> = fake.running().iter().map(|ip| busy((*ip).into())).collect();
    for _ in 0..4 {
        let answer = send(fake.balancer(), "GET", "/load", b"");
        assert_eq!(answer, (200, "Load generation done.".to_owned()));
    }
    for (ip, before) in fake.running().iter().zip(before) {
        let burned = busy((*ip).into()) - before;
        assert!(burned > 0.1, "{ip} took its turn: {burned} s");
    }

    let old = fake.running();
    fake.destroy_all();
    until("other members", || {
        let healthy = fake.healthy();
        healthy.len() == 2 && healthy.iter().all(|ip| !old.contains(ip))
    })
    .await;
    assert_eq!(
        send(fake.balancer(), "GET", "/health", b""),
        (200, "OK".to_owned())
    );
}

/// Seconds that are not idle, as an instance's node exporter tells them.
fn busy(ip: std::net::IpAddr) -> f64 {
    let (status, text) = send((ip, NODE).into(), "GET", "/metrics", b"");
    assert_eq!(status, 200);
    let lines = text
        .lines()
        .filter(|line| line.starts_with("node_cpu_seconds_total"));
    lines
        .filter(|line| !line.contains("mode=\"idle\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

/// The program `server`, which is another package's, as its sources are now: cargo builds nothing
/// if it is.
fn server() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "server", "--bin", "server"]);
    assert!(build.status().unwrap().success(), "cannot build server");
    Path::new(env!("CARGO_BIN_EXE_exoscale-sd")).with_file_name("server")
}
