//! Bad input: one line that names the flag, and exit code 64; what fails later is 1.

use std::net::TcpListener;

use crate::process::{Closed, command};

/// The exit code and standard error of the client with these arguments and variables.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = command()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn wrong_usage_is_one_line_and_64() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 20] = [
        (&[], &[], "a subcommand is missing"),
        (&["prove"], &[], "unrecognized subcommand 'prove'"),
        (
            &["grpc", "--what"],
            &[],
            "unexpected argument '--what' found",
        ),
        (
            &["grpc"],
            &[("FREQUENCY", "abc")],
            "'--frequency <FREQUENCY>'",
        ),
        (
            &["grpc"],
            &[("ADDR", "server")],
            "'--address <ADDR>': \"server\" is not host:port",
        ),
        (
            &["grpc"],
            &[("ADDR", "example.com:9090")],
            "--allow-any-target allows it",
        ),
        (&["grpc"], &[("DNS", "maybe")], "'--dns <DNS>'"),
        (&["grpc"], &[("DURATION", "60")], "'--duration <DURATION>'"),
        (
            &["grpc"],
            &[("PACING", "burst")],
            "unknown pacing \"burst\"",
        ),
        (&["http"], &[], "not provided: --url <URL>"),
        (
            &["http"],
            &[("URL", "http://example.com/")],
            "'--url <URL>': neither loopback",
        ),
        (
            &["http", "--url=http://localhost/"],
            &[("RATE", "0")],
            "'--rate <RATE>'",
        ),
        (
            &["http", "--url=http://localhost/"],
            &[("THREADS", "0")],
            "'--threads <THREADS>'",
        ),
        (
            &["probe"],
            &[("HOST", "example.com")],
            "'--host <HOST>': neither loopback",
        ),
        (
            &["probe"],
            &[("STATUS_INTERVAL", "3")],
            "'--status-interval <STATUS_INTERVAL>': \"3\" is not a duration",
        ),
        (
            &["probe"],
            &[("ONCE", "true"), ("COUNT", "5")],
            "'--once' cannot be used with '--count <COUNT>'",
        ),
        (
            &["probe", "--fail-on=all"],
            &[],
            "unknown condition \"all\"",
        ),
        (&["verify"], &[], "--prometheus-url <PROMETHEUS_URL>"),
        (
            &["verify"],
            &[("PROMETHEUS_URL", "x")],
            "'--prometheus-url <PROMETHEUS_URL>'",
        ),
        (
            &[
                "verify",
                "--prometheus-url=http://localhost:1",
                "--min-rps=many",
            ],
            &[],
            "'--min-rps <MIN_RPS>'",
        ),
    ];
    for (arguments, variables, expected) in cases {
        let (code, stderr) = refused(arguments, variables);
        assert_eq!(code, Some(64), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with("loadclient: ") && stderr.contains(expected),
            "{stderr}"
        );
    }
}

#[test]
fn a_port_in_use_is_one_line_and_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = refused(&["grpc"], &[("METRICS_ADDR", &address)]);
    assert_eq!(code, Some(1), "{stderr}");
    let expected =
        format!("loadclient: --admin-address: cannot listen on {address}: Address already in use");
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn an_unreachable_prometheus_is_one_line_and_1() {
    let closed = Closed::new();
    let url = format!("http://{}", closed.address);
    let (code, stderr) = refused(&["verify", "--prometheus-url", &url], &[]);
    assert_eq!(code, Some(1), "{stderr}");
    let expected = format!("loadclient: --prometheus-url: {url} does not answer: ");
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [vec!["--help"], vec!["--version"], vec!["grpc", "--help"]] {
        let output = command().args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}
