//! What operators and Prometheus see.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::process::{Server, get};

#[tokio::test]
async fn promtool_only_minds_the_contracted_counter_name() {
    let server = Server::start(&[]);
    let (status, text) = get(server.admin, "/metrics");
    assert_eq!(status, 200);
    let mut promtool = Command::new("/usr/bin/promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("/usr/bin/promtool is missing: install the Debian package `prometheus`");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let complaints = String::from_utf8(promtool.wait_with_output().unwrap().stderr).unwrap();
    // The name is given by the requirement; everything else follows the conventions.
    let expected =
        "travelaudience_gserver_operations_ops counter metrics should have \"_total\" suffix";
    assert_eq!(complaints.lines().collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let server = Server::start(&[]);
    for (path, expected) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/", 404),
        ("/debug", 404),
    ] {
        assert_eq!(get(server.admin, path).0, expected, "{path}");
    }
}

#[tokio::test]
async fn every_flag_is_in_the_help_with_its_environment_variable() {
    let output = crate::process::command().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for name in [
        "ROLES",
        "GRPC_ADDR",
        "WEB_ADDR",
        "LOAD_DURATION_MS",
        "METRICS_ADDR",
        "WORK",
        "WORKERS",
        "SERVICE_TIME_MS",
    ] {
        assert!(
            help.contains(&format!("[env: {name}=]")),
            "{name} not in {help}"
        );
    }
}
