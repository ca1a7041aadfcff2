//! Bad input: one line that names the flag, and exit code 64; what fails later is 1.

use std::net::TcpListener;

use crate::process::command;

/// The exit code and standard error of the server with these flags and variables.
fn refused(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = command()
        .args(flags)
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
    let cases: [Case; 12] = [
        (&["--what"], &[], "unexpected argument '--what' found"),
        (&["--workers=0"], &[], "'--workers <WORKERS>'"),
        (
            &["--load-threads=0"],
            &[],
            "'--load-threads <LOAD_THREADS>'",
        ),
        (&[], &[("LOAD_LIMIT", "0")], "'--load-limit <LOAD_LIMIT>'"),
        (
            &[],
            &[("SERVICE_TIME_MS", "abc")],
            "'--service-time-ms <SERVICE_TIME_MS>'",
        ),
        (
            &["--grpc-address=server:9090"],
            &[],
            "'--grpc-address <GRPC_ADDR>'",
        ),
        (
            &[],
            &[("METRICS_ADDR", "8081")],
            "'--admin-address <METRICS_ADDR>'",
        ),
        (
            &["--roles=grpc,http"],
            &[],
            "unknown role \"http\", expected grpc, web or counter",
        ),
        (
            &[],
            &[("WORK", "sleep")],
            "unknown work \"sleep\", expected delay or primes",
        ),
        (&["--seed=x"], &[], "'--seed <SEED>'"),
        (
            &[],
            &[("READ_TIMEOUT_MS", "0")],
            "'--read-timeout-ms <READ_TIMEOUT_MS>'",
        ),
        (&["--log-level=a=b=c"], &[], "'--log-level <RUST_LOG>'"),
    ];
    for (flags, variables, expected) in cases {
        let (code, stderr) = refused(flags, variables);
        assert_eq!(code, Some(64), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with("server: ") && stderr.contains(expected),
            "{stderr}"
        );
    }
}

#[test]
fn a_port_in_use_is_one_line_and_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for flag in ["--grpc-address", "--web-address", "--admin-address"] {
        let free = [
            "--grpc-address=127.0.0.1:0",
            "--web-address=127.0.0.1:0",
            "--admin-address=127.0.0.1:0",
        ];
        let free = free.into_iter().filter(|other| !other.starts_with(flag));
        let taken = format!("{flag}={address}");
        let flags: Vec<&str> = free
            .chain([taken.as_str(), "--roles=grpc,web", "--log-level=error"])
            .collect();
        let (code, stderr) = refused(&flags, &[]);
        assert_eq!(code, Some(1), "{stderr}");
        let expected =
            format!("server: {flag}: cannot listen on {address}: Address already in use");
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}
