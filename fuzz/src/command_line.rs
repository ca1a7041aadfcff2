//! Command lines of every program: a usage error, or a configuration.

use clap::Parser as _;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "command-line",
    run,
    seeds,
    words: WORDS,
    cases: 250,
};

const WORDS: &[&str] = &[
    "\n",
    "=",
    "--",
    "-",
    ",",
    "\"",
    "true",
    "false",
    "0",
    "-1",
    "65536",
    "9223372036854775808",
    "1e999",
    "1h",
    "-1s",
    "99999999999999h",
    "0x1f",
    "0b1",
    "1_0",
    "--config=r.yaml",
    "--secure-port=",
    "--prometheus-url=http://p:9090/x?y=z",
    "--tls-cipher-suites=",
    "--tls-min-version=VersionTLS13",
    "--tls-sni-cert-key=a,b:c",
    "--v=",
    "--vmodule=a=1,b=2",
    "--metrics-relist-interval=",
    "--metrics-max-age=",
    "--authorization-webhook-cache-authorized-ttl=",
    "--requestheader-extra-headers-prefix=X-",
    "--prometheus-header=a=b",
    "--bind-address=::",
    "--startup-grace=",
    "--address=",
    "--workers=",
    "--service-time-ms=",
    "--roles=grpc,web",
    "--host=",
    "--status-interval=",
    "--count=",
    "--fail-on=",
    "--seed=",
    "--min-pool-size=",
    "--interval=",
    "[::1]:80",
    "http://[::1",
    "é",
    "\u{0}",
];

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "metrics-adapter\n--config=r.yaml\n--prometheus-url=http://p:9090/\n--secure-port=6443\n--v=4\n--metrics-relist-interval=1m",
        "metrics-adapter\n--config\nr.yaml\n--tls-sni-cert-key=a,b:*.x,y\n--requestheader-username-headers=\"X-A\",X-B\n--vmodule=a=1",
        "server\n--workers=3\n--max-connection-age-seconds=0\n--grpc-address=:9090\n--roles=grpc,web\n--log-level=info,server=debug",
        "loadclient\ngrpc\n--address=localhost:9090\n--pacing=poisson\n--distance-ms=100",
        "loadclient\nverify\n--prometheus-url=http://127.0.0.1:9090\n--window-minutes=10",
        "loadclient\nprobe\n--host=::1\n--port=8080\n--status-interval=3s\n--flaky-interval=0\n--count=3\n--fail-on=no-answer",
        "autoscaler\n--interval=60\n--min-pool-size=1\n--max-pool-size=2\n--exoscale-zone=ch-gva-2\n--exoscale-instancepool-id=00000000-0000-0000-0000-000000000000\n--exoscale-key=a\n--exoscale-secret=b",
        "sd\n--target-port=9100",
    ])
}

/// The program, then an argument per line.
fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let arguments: Vec<&str> = text.split('\n').take(50).collect();
    let outcome = match arguments[0] {
        "server" => server::cli::Args::try_parse_from(&arguments)
            .map(server::cli::Args::into_config)
            .map(drop),
        "loadclient" => loadclient::cli::Args::try_parse_from(&arguments)
            .and_then(loadclient::cli::Args::into_config)
            .map(drop),
        "autoscaler" => exoscale::cli::autoscaler::Config::parse(&arguments).map(drop),
        "sd" => exoscale::cli::sd::Config::parse(&arguments).map(drop),
        _ => metrics_adapter::cli::parse(arguments.iter().map(Into::into)).map(|config| {
            // A time that cannot be added to the present would end the process later on.
            let times = [
                config.auth.allow_ttl,
                config.auth.deny_ttl,
                config.auth.token_ttl,
                config.startup_grace,
            ];
            for time in times
                .into_iter()
                .chain([config.relist.interval, config.relist.max_age])
            {
                assert!(
                    tokio::time::Instant::now().checked_add(time).is_some(),
                    "{time:?}"
                );
            }
        }),
    };
    if let Err(error) = outcome {
        assert!(!error.to_string().is_empty());
    }
}
