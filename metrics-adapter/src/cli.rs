//! The command line: what the user typed (`flags`), and what the program needs ([`Config`]).
//!
//! Flags have prometheus-adapter's names, defaults and grammar. A [`Config`] cannot be invalid:
//! everything that can be checked without I/O is checked here, and what is refused names its
//! flag. Nothing that was typed is ignored in silence.

mod config;
mod difference;
mod error;
mod flags;
mod inert;
mod markdown;
mod value;

use std::ffi::OsString;

pub use config::{Config, NamedSource, PrometheusLogin, check_max_age};
pub use error::UsageError;
pub use markdown::markdown;

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
