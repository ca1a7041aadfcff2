use clap::Parser as _;

use crate::cli::Command;

use super::*;

fn parse(flags: &[&str]) -> Result<Probe, clap::Error> {
    let all = ["loadclient", "probe"].iter().chain(flags);
    let config = Args::try_parse_from(all).and_then(Args::into_config)?;
    match config.command {
        Command::Probe(probe) => Ok(probe),
        other => panic!("not a probe: {other:?}"),
    }
}

#[test]
fn the_defaults_are_the_original_interface() {
    let probe = parse(&[]).unwrap();
    assert_eq!(probe.target.to_string(), "localhost:8080");
    assert_eq!(probe.status_interval, Duration::from_secs(3));
    assert_eq!(probe.flaky_interval, Some(Duration::from_secs(10)));
    assert_eq!(probe.limit, Duration::from_secs(5));
    assert_eq!((probe.count, probe.fail_on), (None, FailOn::Never));
}

#[test]
fn once_leaves_the_server_alone_and_listens_nowhere() {
    let probe = parse(&["--once"]).unwrap();
    assert_eq!((probe.count, probe.fail_on), (Some(1), FailOn::Any));
    assert_eq!((probe.flaky_interval, probe.admin_address), (None, None));
    assert!(parse(&["--once", "--count=2"]).is_err());
}

#[test]
fn a_bounded_run_fails_unless_told_otherwise() {
    assert_eq!(parse(&["--count=5"]).unwrap().fail_on, FailOn::Any);
    let told = parse(&["--count=5", "--fail-on=no-answer"]).unwrap();
    assert_eq!(told.fail_on, FailOn::NoAnswer);
}

#[test]
fn the_name_in_compose_is_ours_and_strangers_are_not() {
    for ours in ["server", "127.0.0.1", "::1", "[::1]", "server.default.svc"] {
        assert!(parse(&["--host", ours]).is_ok(), "{ours}");
    }
    assert_eq!(
        parse(&["--host=::1"]).unwrap().target.to_string(),
        "[::1]:8080"
    );
    for other in ["example.com", "8.8.8.8", "2001:db8::1"] {
        let error = parse(&["--host", other]).unwrap_err().to_string();
        assert!(error.contains("'--host <HOST>'"), "{error}");
        assert!(parse(&["--host", other, "--allow-any-target"]).is_ok());
    }
    for wrong in ["", "a b", "http://server", "a/b", "[server]", "server:1"] {
        assert!(
            parse(&["--host", wrong, "--allow-any-target"]).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn spans_have_bounds() {
    for wrong in [
        "--status-interval=0",
        "--status-interval=99ms",
        "--flaky-interval=1ms",
        "--flaky-interval=2h",
        "--timeout=0",
        "--timeout=5",
        "--count=0",
        "--port=0",
    ] {
        assert!(parse(&[wrong]).is_err(), "{wrong}");
    }
    assert_eq!(parse(&["--flaky-interval=0"]).unwrap().flaky_interval, None);
    let limit = parse(&["--timeout=1m30s"]).unwrap().limit;
    assert_eq!(limit, Duration::from_secs(90));
}
