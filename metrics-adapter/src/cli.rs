//! The command line: what the user typed (`flags`), and what the program needs ([`Config`]).
//!
//! Flags have prometheus-adapter's names, defaults and grammar. A [`Config`] cannot be invalid:
//! everything that can be checked without I/O is checked here, and what is refused names its
//! flag. Nothing that was typed is ignored in silence.

mod check;
mod config;
mod difference;
mod error;
mod explain;
mod flags;
mod inert;
mod markdown;
mod print;
mod simulate;
mod value;

use std::ffi::OsString;

pub use check::{Checkup, FailOn};
pub use config::{Config, NamedSource, PrometheusLogin, check_max_age};
pub use error::UsageError;
pub use explain::{Explanation, ExplanationSubject};
pub use markdown::markdown;
pub use print::Form;
pub use simulate::Simulation;

/// What the program is to do.
#[derive(Debug)]
pub enum Command {
    /// Serve, which is what it does without a word.
    Serve(Box<Config>),
    /// `check`.
    Check(Box<Checkup>),
    /// `explain`.
    Explain(Box<Explanation>),
    /// `simulate`.
    Simulate(Box<Simulation>),
}

/// Reads a command line, the program's name first. Only a first argument can be a subcommand.
///
/// # Errors
/// As [`parse`].
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match arguments.get(1).and_then(|first| first.to_str()) {
        Some("check") => {
            arguments.remove(1);
            Command::Check(Box::new(check::parse(arguments)?))
        }
        Some("explain") => {
            arguments.remove(1);
            Command::Explain(Box::new(explain::parse(arguments)?))
        }
        Some("simulate") => {
            arguments.remove(1);
            Command::Simulate(Box::new(simulate::parse(arguments)?))
        }
        _ => Command::Serve(Box::new(parse(arguments)?)),
    };
    Ok(parsed)
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// What is wrong, naming the flag; and what `--help` and `--version` answer. Both are for
/// [`telemetry::usage::refuse`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Config, clap::Error> {
    let typed = flags::parse(arguments)?;
    Config::new(typed).map_err(|error| error.refuse())
}

#[cfg(test)]
mod tests;
