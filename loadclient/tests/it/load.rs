//! The binary making load on one server.

use crate::process::{Client, Closed, Server, until, value};

const OPS: &str = "travelaudience_gserver_operations_ops";
const UNAVAILABLE: &str = "loadclient_errors_total{code=\"UNAVAILABLE\"}";

#[tokio::test]
async fn a_counted_run_makes_exactly_that_many_requests() {
    let server = Server::start(&["--service-time-ms=1"]);
    let mut client = Client::start(server.grpc, &[("COUNT", "20"), ("FREQUENCY", "5")]);
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        (ended.number("requests"), ended.number("errors")),
        (20.0, 0.0),
        "{ended:?}"
    );
    assert!(ended.number("mean_ms") >= 1.0, "{ended:?}");
    assert_eq!(server.ops(), 20);
}

#[tokio::test]
async fn never_two_requests_in_flight() {
    // One worker and no queue: a second request would be refused at once.
    let server = Server::start(&["--workers=1", "--queue-length=0", "--service-time-ms=2"]);
    let mut client = Client::start(server.grpc, &[("COUNT", "200"), ("FREQUENCY", "0")]);
    let ended = client.ended().await;
    assert_eq!(
        (ended.number("requests"), ended.number("errors")),
        (200.0, 0.0),
        "{ended:?}"
    );
}

#[tokio::test]
async fn late_slots_are_missed_and_never_made_up_for() {
    let server = Server::start(&["--service-time-ms=50"]);
    let mut client = Client::start(server.grpc, &[("COUNT", "10"), ("FREQUENCY", "20")]);
    let ended = client.ended().await;
    // Every answer takes 2 slots more than its own, so 9 times 2 at least.
    assert!(ended.number("missed") >= 18.0, "{ended:?}");
    assert!(ended.number("requests_per_second") < 18.0, "{ended:?}");
}

#[tokio::test]
async fn a_duration_ends_the_run() {
    let server = Server::start(&["--service-time-ms=1"]);
    let variables = [
        ("DURATION", "500ms"),
        ("FREQUENCY", "20"),
        ("PACING", "sleep"),
    ];
    let mut client = Client::start(server.grpc, &variables);
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.number("missed"),
        0.0,
        "sleeping misses nothing: {ended:?}"
    );
    // 500 ms of at least 21 ms each.
    assert!(
        (1.0..=24.0).contains(&ended.number("requests")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn sigterm_finishes_the_request_in_flight() {
    let server = Server::start(&["--service-time-ms=1000"]);
    let mut client = Client::start(server.grpc, &[("DNS", "false")]);
    until("a request is in flight", || {
        value(server.admin, "server_inflight") == 1
    })
    .await;
    client.terminate();
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        (ended.number("requests"), ended.number("errors")),
        (1.0, 0.0),
        "{ended:?}"
    );
    assert!(ended.number("mean_ms") >= 1_000.0, "{ended:?}");
}

#[tokio::test]
async fn connections_that_age_fail_no_request() {
    let server = Server::start(&["--service-time-ms=1", "--max-connection-age-seconds=1"]);
    for dns in ["true", "false"] {
        let variables = [("DURATION", "3500ms"), ("FREQUENCY", "0"), ("DNS", dns)];
        let mut client = Client::start(server.grpc, &variables);
        let ended = client.ended().await;
        assert_eq!(ended.number("errors"), 0.0, "{ended:?}");
        assert!(ended.number("requests") > 100.0, "{ended:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let closed = Closed::new();
    let address = closed.address;
    let mut client = Client::start(address, &[("FREQUENCY", "20")]);
    // Every slot is a failed request, and counts as one.
    until("requests fail", || value(client.admin, UNAVAILABLE) > 10).await;
    let grpc = format!("--grpc-address={address}");
    drop(closed);
    let server = Server::start(&[&grpc, "--service-time-ms=1"]);
    until("requests succeed", || server.ops() > 10).await;
    let (ops, errors) = (value(client.admin, OPS), value(client.admin, UNAVAILABLE));
    assert!(ops > errors, "{ops} operations, {errors} errors");
    client.terminate();
    let ended = client.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = ended
        .log
        .iter()
        .filter(|line| line.contains("cannot connect"))
        .count();
    assert_eq!(said, 1, "{ended:?}");
}

#[tokio::test]
async fn slow_answers_are_given_up() {
    let server = Server::start(&["--service-time-ms=2000", "--shutdown-timeout-seconds=5"]);
    let mut client = Client::start(server.grpc, &[("TIMEOUT_MS", "50"), ("COUNT", "3")]);
    until("the deadline passes three times", || {
        value(server.admin, "server_inflight") == 0 && server.ops() == 3
    })
    .await;
    let ended = client.ended().await;
    assert_eq!(
        (ended.number("requests"), ended.number("errors")),
        (3.0, 3.0),
        "{ended:?}"
    );
    assert!(ended.number("p99_ms") < 1_000.0, "{ended:?}");
}

#[tokio::test]
async fn a_failed_request_fails_a_run_that_is_a_check() {
    let variables = [
        ("FAIL_ON_ERROR", "true"),
        ("COUNT", "3"),
        ("FREQUENCY", "5"),
    ];
    let server = Server::start(&["--service-time-ms=1"]);
    let ended = Client::start(server.grpc, &variables).ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let closed = Closed::new();
    let ended = Client::start(closed.address, &variables).ended().await;
    assert_eq!(
        (ended.code, ended.number("errors")),
        (Some(3), 3.0),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_check_that_asked_nothing_has_not_passed() {
    // A name that nobody has: RFC 6761 keeps it so.
    let nowhere = [
        ("ADDR", "nobody.invalid:9090"),
        ("ALLOW_ANY_TARGET", "true"),
        ("COUNT", "3"),
        ("DURATION", "300ms"),
        ("FREQUENCY", "20"),
    ];
    let ended = Client::run("grpc", &nowhere).ended().await;
    assert_eq!(
        (ended.code, ended.number("requests")),
        (Some(0), 0.0),
        "without the flag: {ended:?}"
    );
    let check = [&nowhere[..], &[("FAIL_ON_ERROR", "true")]].concat();
    let ended = Client::run("grpc", &check).ended().await;
    assert_eq!(
        (ended.code, ended.number("errors")),
        (Some(3), 0.0),
        "{ended:?}"
    );
    let last = "loadclient: --fail-on-error: no request was made";
    assert_eq!(ended.log.last().map(String::as_str), Some(last));
}

#[tokio::test]
async fn a_check_that_is_stopped_early_has_not_passed() {
    let server = Server::start(&["--service-time-ms=1"]);
    let variables = [("FAIL_ON_ERROR", "true"), ("COUNT", "1000000")];
    let mut client = Client::start(server.grpc, &variables);
    until("a request", || server.ops() > 0).await;
    client.terminate();
    let ended = client.ended().await;
    assert_eq!(
        (ended.code, ended.number("errors")),
        (Some(3), 0.0),
        "{ended:?}"
    );
    let last = ended.log.last().map_or("", String::as_str);
    assert!(
        last.ends_with("requests were made instead of 1000000"),
        "{ended:?}"
    );
}
