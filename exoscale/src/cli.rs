//! What the user typed, and what the programs need. Every flag has an environment variable; the
//! flag wins. The names are those of the course and of the two original tools.

pub mod autoscaler;
mod pool;
pub mod sd;

use std::time::Duration;

use clap::Args;
use telemetry::log;

pub use pool::{Access, AccessArgs};

/// How to log.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Shape of log lines: text or json.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_name = "LOG_FORMAT",
        default_value = "text"
    )]
    log_format: log::Format,

    /// Log level or filter, for example info or info,exoscale=debug.
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "RUST_LOG",
        default_value = "info"
    )]
    log_level: log::Filter,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Shape of log lines.
    pub format: log::Format,
    /// Which lines.
    pub filter: log::Filter,
}

impl LogArgs {
    fn into_config(self) -> Log {
        Log {
            format: self.log_format,
            filter: self.log_level,
        }
    }
}

/// Seconds, with or without the unit: `60`, `60s`, `0.5s`, `2m`.
fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    number
        .parse::<f64>()
        .ok()
        .filter(|it| number.bytes().all(plain) && (0.0..=86_400.0).contains(&(it * unit)))
        .map(|it| Duration::from_secs_f64(it * unit))
        .ok_or_else(|| "not a time up to a day, such as 60, 60s or 2m".to_owned())
}

/// A wrong combination, reported as clap reports a wrong value.
fn refuse(message: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, message)
}

#[cfg(test)]
mod tests;
