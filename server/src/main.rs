//! The life of the process: arguments, logs, serving until told to stop.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use peak_alloc::PeakAlloc;
use server::cli::{ADMIN_ADDRESS, Args};

/// Counts what is allocated, for `server::usage`.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    if let Some(code) = telemetry::healthcheck::asked("server", ADMIN_ADDRESS) {
        return code;
    }
    let config = match Args::try_parse() {
        Ok(args) => args.into_config(),
        Err(error) => return telemetry::usage::refuse("server", &error),
    };
    match server::app::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "server: {error:#}");
            ExitCode::FAILURE
        }
    }
}
