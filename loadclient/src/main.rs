//! The life of the process: arguments, then one of the subcommands.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use loadclient::cli::{ADMIN_ADDRESS, Args, Command};
use loadclient::{app, check, probe};

/// `verify`: the goal was not held; `probe`: what `--fail-on` names happened; `grpc
/// --fail-on-error`: a request failed, or was not made.
const EXIT_NOT_HELD: u8 = 3;

fn main() -> ExitCode {
    if let Some(code) = telemetry::healthcheck::asked("loadclient", ADMIN_ADDRESS) {
        return code;
    }
    let config = match Args::try_parse().and_then(Args::into_config) {
        Ok(config) => config,
        Err(error) => return telemetry::usage::refuse("loadclient", &error),
    };
    // The TLS provider is chosen here, once, for whatever speaks TLS; it cannot be set already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match config.command {
        Command::Grpc(grpc) => {
            let (fail_on_error, count) = (grpc.fail_on_error, grpc.bounds.count);
            app::grpc(&config.log, grpc).map(|summary| {
                let _ = writeln!(io::stdout().lock(), "{summary}");
                let fault = check::judge(&summary, count).err();
                let fault = fault.filter(|_| fail_on_error);
                if let Some(fault) = fault {
                    let _ = writeln!(io::stderr().lock(), "loadclient: --fail-on-error: {fault}");
                }
                judged(fault.is_none())
            })
        }
        Command::Http(http) => loadclient::http::app::run(&config.log, http).map(|report| {
            let _ = writeln!(io::stdout().lock(), "{report}");
            ExitCode::SUCCESS
        }),
        Command::Verify(verify) => app::verify(&config.log, &verify).map(|(held, text)| {
            let _ = writeln!(io::stdout().lock(), "{text}");
            judged(held)
        }),
        Command::Probe(probe) => probe::app::run(&config.log, &probe).map(judged),
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr().lock(), "loadclient: {error:#}");
        ExitCode::FAILURE
    })
}

fn judged(held: bool) -> ExitCode {
    if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NOT_HELD)
    }
}
