//! The life of the process: arguments, then the loop until told to stop.

use std::io::{self, Write as _};
use std::process::ExitCode;

const NAME: &str = "exoscale-autoscaler";

fn main() -> ExitCode {
    let config = match exoscale::cli::autoscaler::Config::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return telemetry::usage::refuse(NAME, &error),
    };
    match exoscale::app::autoscaler(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
