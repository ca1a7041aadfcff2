//! An API that is down, slow, or not itself: the last good targets stay.

use std::time::Duration;

use exoscale_fake::fault::{Fault, Kind};
use tokio::time::sleep;

use crate::world::{Program, SECRET, command, mk_fake, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_the_api_takes_targets_away() {
    let fake = mk_fake().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let sd = Program::sd(&fake, &file, &[]);
    until("the targets", || read().contains("127.")).await;
    let good = read();
    let polls = |result: &str| {
        let start = format!("exoscale_sd_polls_total{{result=\"{result}\"}} ");
        let metrics = sd.get("/metrics").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    for (kind, result) in [
        (Kind::Garbage, "garbled"),
        (Kind::Status(401), "refused"),
        (Kind::Limited(3_600), "limited"),
        (Kind::Status(500), "server_error"),
    ] {
        fake.fault(Fault::always(kind));
        until(result, || polls(result) > 0).await;
        assert_eq!(read(), good, "{kind:?}");
        assert_eq!(sd.get("/targets").0, 200);
        fake.clear_faults();
        let before = polls("ok");
        until("recovery", || polls("ok") > before).await;
    }
    let (_, _, log) = sd.terminate().await;
    let text = log.concat();
    assert!(text.contains("targets kept"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_api_an_old_file_stays_and_http_says_503() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let old = "[{\"targets\":[\"192.0.2.1:9100\"],\"labels\":{}}]\n";
    std::fs::write(&file, old).unwrap();
    // Bound, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = socket.local_addr().unwrap();
    let mut sd = command("exoscale-sd", nowhere);
    let sd = Program::start(sd.arg("--prometheus-file").arg(&file));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(sd.get("/targets").0, 503);
    assert_eq!((sd.get("/readyz").0, sd.get("/livez").0), (503, 200));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), old);
    let (status, took, _) = sd.terminate().await;
    assert_eq!(status.code(), Some(0), "in the middle of an attempt");
    assert!(took < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_and_not_shown() {
    let fake = mk_fake().await;
    let mut autoscaler = command("exoscale-autoscaler", fake.api());
    let secret = "another-secret-that-must-not-show";
    let autoscaler = Program::start(autoscaler.args(["--exoscale-api-secret", secret]));
    until("the refusal", || {
        autoscaler.get("/status").1.contains("\"kind\":\"refused\"")
    })
    .await;
    assert_eq!(autoscaler.get("/readyz").0, 503);
    let (_, _, log) = autoscaler.terminate().await;
    let text = log.concat();
    assert!(text.contains("wrong signature"), "{text}");
    assert!(!text.contains(secret), "{text}");
}
