//! Server and client scraped by a real Prometheus, and `verify` judging what it stored.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::process::{Client, Server, command, get, until};
use crate::prometheus::{Prometheus, mk_prometheus};

/// `loadclient verify` over 5 s with these flags.
fn verify(prometheus: &Prometheus, flags: &[&str]) -> Output {
    let url = format!("http://{}", prometheus.address);
    let mut command = command();
    command.args(["verify", "--window=5s", "--prometheus-url", &url]);
    // As in an image from scratch, which has no certificates.
    command.env("SSL_CERT_FILE", "/nonexistent/file");
    command.env("SSL_CERT_DIR", "/nonexistent/dir");
    command.args(flags).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn verify_judges_what_prometheus_measured() {
    let server = Server::start(&["--service-time-ms=20"]);
    let client = Client::start(server.grpc, &[("FREQUENCY", "50")]);
    let prometheus = mk_prometheus(&[("server", server.admin), ("client", client.admin)]);

    // 20 requests/s at 20 ms. A rate over 30 s starts out low, so the goal is modest; it is held
    // as soon as the whole window has data.
    let modest = ["--min-rps=0.5", "--max-mean-ms=100"];
    let mut held = verify(&prometheus, &modest);
    until("the goal is held", || {
        held = verify(&prometheus, &modest);
        held.status.code() == Some(0)
    })
    .await;
    let text = stdout(&held);
    assert!(
        text.starts_with("goal held: at least 0.5 requests/s at a mean below 100 ms"),
        "{text}"
    );

    // The same data, more demanding goals.
    let rate = verify(&prometheus, &["--min-rps=1000"]);
    assert_eq!(rate.status.code(), Some(3), "{rate:?}");
    let text = stdout(&rate);
    assert!(text.starts_with("goal not held: "), "{text}");
    assert!(
        text.contains("of 2 steps: 2 below the rate, 0 above the mean"),
        "{text}"
    );
    let mean = verify(
        &prometheus,
        &["--min-rps=0.5", "--max-mean-ms=19.9", "--output=json"],
    );
    assert_eq!(mean.status.code(), Some(3), "{mean:?}");
    let verdict: serde_json::Value = serde_json::from_slice(&mean.stdout).unwrap();
    assert_eq!(
        (&verdict["held"], &verdict["steps_above_mean"]),
        (&false.into(), &2.into())
    );
    let worst = verdict["mean_ms"]["worst"].as_f64().unwrap();
    assert!((20.0..100.0).contains(&worst), "{verdict}");

    // The client's own series bear the same names; its round trip is longer than the handler.
    let selector = [
        "--min-rps=0.5",
        "--selector",
        "app=\"client\"",
        "--output=json",
    ];
    let round_trip = verify(&prometheus, &selector);
    let verdict: serde_json::Value = serde_json::from_slice(&round_trip.stdout).unwrap();
    let client_average = verdict["mean_ms"]["average"].as_f64().unwrap();
    assert!(client_average >= 20.0, "{verdict}");

    // No series is not held; a wrong selector is an error.
    let missing = verify(
        &prometheus,
        &["--min-rps=0", "--selector", "app=\"nobody\""],
    );
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    assert!(stdout(&missing).contains("2 without data"), "{missing:?}");
    let wrong = verify(&prometheus, &["--selector", "app="]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let stderr = String::from_utf8(wrong.stderr).unwrap();
    assert!(stderr.starts_with("loadclient: prometheus refuses the query, check --selector: "));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn promtool_only_minds_the_contracted_counter_name() {
    let server = Server::start(&["--service-time-ms=1"]);
    let client = Client::start(server.grpc, &[("FREQUENCY", "10")]);
    until("requests are made", || server.ops() > 3).await;
    let expected =
        "travelaudience_gserver_operations_ops counter metrics should have \"_total\" suffix";
    for admin in [client.admin, server.admin] {
        let mut promtool = Command::new("/usr/bin/promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("/usr/bin/promtool is missing: install the Debian package `prometheus`");
        let text = get(admin, "/metrics");
        promtool
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let complaints = String::from_utf8(promtool.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(complaints.lines().collect::<Vec<_>>(), [expected]);
    }
}
