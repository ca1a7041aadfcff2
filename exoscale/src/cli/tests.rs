use clap::CommandFactory as _;

use super::*;

const ID: &str = "4da1b188-dcd6-4ff5-b7fd-bde984055548";

fn autoscaler(flags: &[&str]) -> Result<autoscaler::Config, String> {
    let base = [
        "exoscale-autoscaler",
        "--instance-pool-id",
        ID,
        "--exoscale-api-key=EXOkey",
        "--exoscale-api-secret=hush",
    ];
    let all = base.iter().chain(flags);
    autoscaler::Config::parse(all).map_err(|error| error.to_string())
}

#[test]
fn the_definitions_are_consistent_and_every_flag_has_an_environment_twin() {
    for command in [sd::Args::command(), autoscaler::Args::command()] {
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            if !["help", "version"].contains(&argument.get_id().as_str()) {
                assert!(argument.get_env().is_some(), "{argument} has none");
            }
        }
    }
}

#[test]
fn the_original_tools_flags_are_accepted() {
    let config = sd::Config::parse([
        "exoscale-sd",
        "--instance-pool-id",
        ID,
        "--exoscale-zone-id",
        ID,
        "--exoscale-api-key",
        "EXOkey",
        "--exoscale-api-secret",
        "hush",
        "--prometheus-file",
        "/tmp/config.json",
        "--prometheus-port",
        "9101",
    ])
    .unwrap();
    assert_eq!(config.port, 9101);
    assert_eq!(
        config.access.api.endpoint.as_str(),
        "https://api-at-vie-1.exoscale.com/v2"
    );
    assert!(config.access.secret_in_arguments);
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn defaults_are_the_courses() {
    let config = autoscaler(&["--exoscale-zone=ch-gva-2"]).unwrap();
    assert_eq!((config.bounds.min(), config.bounds.max()), (1, 10));
    assert_eq!(config.options.interval, Duration::from_secs(60));
    assert_eq!(config.listen.to_string(), "0.0.0.0:8090");
    assert_eq!(
        config.access.api.endpoint.as_str(),
        "https://api-ch-gva-2.exoscale.com/v2"
    );
}

#[test]
fn what_cannot_be_is_refused_with_the_flags_name() {
    for (flags, message) in [
        (&[][..], "--exoscale-zone: is missing"),
        (
            &["--exoscale-zone=a.b/"],
            "--exoscale-zone: \"a.b/\" is not a zone",
        ),
        (
            &["--exoscale-endpoint=https://api.exoscale.ch/v1/"],
            "--exoscale-endpoint: version 1",
        ),
        (
            &["--exoscale-endpoint=http://example.com/v2"],
            "--exoscale-endpoint: without tls",
        ),
        (
            &[
                "--exoscale-zone=x",
                "--min-pool-size=3",
                "--max-pool-size=2",
            ],
            "--min-pool-size: larger",
        ),
        (
            &["--exoscale-zone=x", "--exoscale-api-secret-file=/no/such"],
            "--exoscale-api-secret-file: /no/such cannot be read",
        ),
    ] {
        let error = autoscaler(flags).unwrap_err();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
        assert!(!error.contains("hush"), "{error:?}");
    }
    assert!(autoscaler(&["--exoscale-endpoint=nonsense"]).is_err());
    let empty = ["--exoscale-zone=x", "--exoscale-endpoint="];
    let empty = autoscaler(&[empty[0], empty[1], "--exoscale-api-key-file="]);
    assert!(
        empty.is_ok(),
        "a variable set to nothing is no value: {empty:?}"
    );
    assert!(autoscaler(&["--exoscale-endpoint=http://127.1.0.1:80/v2"]).is_ok());
}

#[test]
fn times_are_seconds_unless_they_say_otherwise() {
    for (text, milliseconds) in [("0", 0), ("60", 60_000), ("0.5s", 500), ("2m", 120_000)] {
        assert_eq!(seconds(text), Ok(Duration::from_millis(milliseconds)));
    }
    for wrong in ["", "s", "-1", "1h", "inf", "NaN", "1e3", "90000"] {
        assert!(seconds(wrong).is_err(), "{wrong:?}");
    }
}
