//! The life of the process: arguments, serving until told to stop, an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use metrics_adapter::{app, cli::Args};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return telemetry::usage::refuse("metrics-adapter", &error),
    };
    let config = match args.into_config() {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "metrics-adapter: {error}");
            return ExitCode::from(telemetry::usage::EXIT_USAGE);
        }
    };
    // The only provider there is; it can be installed once, and here is the first place.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(
                io::stderr().lock(),
                "metrics-adapter: cannot start: {error}"
            );
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(app::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "metrics-adapter: {error:#}");
            ExitCode::FAILURE
        }
    }
}
