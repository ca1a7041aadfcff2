use super::*;

fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
    let all = std::iter::once("loadclient").chain(arguments.iter().copied());
    Args::try_parse_from(all).and_then(Args::into_config)
}

fn grpc(arguments: &[&str]) -> Grpc {
    let all: Vec<&str> = std::iter::once("grpc")
        .chain(arguments.iter().copied())
        .collect();
    match parse(&all).unwrap().command {
        Command::Grpc(grpc) => grpc,
        other => panic!("not grpc: {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn every_flag_has_an_environment_twin() {
    for subcommand in Args::command().get_subcommands() {
        for argument in subcommand.get_arguments() {
            assert!(argument.get_env().is_some(), "{argument} has none");
        }
    }
}

#[test]
fn the_defaults_are_the_original_interface() {
    let grpc = grpc(&[]);
    assert_eq!(grpc.target.to_string(), "server-headless:9090");
    assert!(matches!(grpc.mode, Mode::All(interval) if interval == Duration::from_secs(5)));
    assert_eq!(
        (grpc.distance, grpc.pacing),
        (Duration::from_millis(100), Pacing::Interval)
    );
    assert_eq!(grpc.bounds, Bounds::default());
}

#[test]
fn what_runs_beside_a_server_leaves_it_its_port() {
    let address = ADMIN_ADDRESS.parse().unwrap();
    let parsed = parse(&["http", "--url=http://localhost:8080/"]).unwrap();
    assert!(matches!(parsed.command, Command::Http(http) if http.admin_address == address));
    let parsed = parse(&["probe"]).unwrap();
    assert!(
        matches!(parsed.command, Command::Probe(probe) if probe.admin_address == Some(address))
    );
    assert_ne!(grpc(&[]).admin_address, address);
}

#[test]
fn dns_off_means_one_address() {
    for word in ["--dns=false", "--dns=0", "--dns=no"] {
        assert!(matches!(grpc(&[word]).mode, Mode::One));
    }
}

#[test]
fn strangers_are_refused_unless_allowed() {
    let error = parse(&["grpc", "--address=example.com:9090"]).unwrap_err();
    assert!(error.to_string().contains("'--address <ADDR>'"), "{error}");
    let grpc = grpc(&["--address=example.com:9090", "--allow-any-target"]);
    assert_eq!(grpc.target.to_string(), "example.com:9090");
}

#[test]
fn bounds_are_taken() {
    let grpc = grpc(&["--count=3", "--duration=1h30m"]);
    let expected = Bounds {
        count: Some(3),
        duration: Some(Duration::from_secs(5_400)),
    };
    assert_eq!(grpc.bounds, expected);
}

#[test]
fn verify_takes_a_goal() {
    let flags = [
        "verify",
        "--prometheus-url=http://localhost:9090/",
        "--min-rps=10",
    ];
    let Command::Verify(verify) = parse(&flags).unwrap().command else {
        panic!("not grpc")
    };
    assert_eq!(
        verify.goal,
        Goal {
            min_rps: 10.0,
            max_mean_ms: 100.0
        }
    );
    assert_eq!(verify.selector, "app=\"server\"");
    assert_eq!(verify.window, Duration::from_secs(60));
}

#[test]
fn verify_refuses_what_makes_no_sense() {
    for wrong in [
        "--prometheus-url=ftp://x",
        "--prometheus-url=x",
        "--window=0",
        "--window=1d",
    ] {
        assert!(
            parse(&["verify", "--prometheus-url=http://x", wrong]).is_err(),
            "{wrong}"
        );
    }
    for wrong in [
        "--min-rps=-1",
        "--max-mean-ms=NaN",
        "--min-rps=inf",
        "--output=xml",
    ] {
        assert!(
            parse(&["verify", "--prometheus-url=http://x", wrong]).is_err(),
            "{wrong}"
        );
    }
}
