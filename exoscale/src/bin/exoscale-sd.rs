//! The life of the process: arguments, then the loop until told to stop.

use std::io::{self, Write as _};
use std::process::ExitCode;

const NAME: &str = "exoscale-sd";

fn main() -> ExitCode {
    let config = match exoscale::cli::sd::Config::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return telemetry::usage::refuse(NAME, &error),
    };
    match exoscale::app::sd(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
