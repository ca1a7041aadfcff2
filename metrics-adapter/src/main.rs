//! The life of the process: arguments, what they ask for, an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use metrics_adapter::app;
use metrics_adapter::cli::{self, Command};

fn main() -> ExitCode {
    let command = match cli::command(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => return telemetry::usage::refuse("metrics-adapter", &error),
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
    let outcome = match command {
        Command::Serve(config) => app::run(&runtime, *config).map(succeed),
        Command::Check(checkup) => runtime.block_on(app::check(*checkup)),
        Command::Explain(explanation) => runtime.block_on(app::explain(*explanation)),
        Command::Simulate(simulation) => runtime.block_on(app::simulate(*simulation)).map(succeed),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "metrics-adapter: {error:#}");
            // Some flags can only be judged beside the rules file.
            match error.downcast_ref::<cli::UsageError>() {
                Some(_) => ExitCode::from(telemetry::usage::EXIT_USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn succeed((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
