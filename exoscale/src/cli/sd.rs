//! The command line of `exoscale-sd`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use telemetry::address;

use super::{Access, AccessArgs, Log, LogArgs, refuse, seconds};

/// Tells Prometheus the addresses of an Exoscale instance pool, through a file and over HTTP.
#[derive(Debug, Parser)]
#[command(name = "exoscale-sd", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    access: AccessArgs,

    /// The file for file_sd_configs; its directory must exist. It is replaced by renaming, so it
    /// must not be a mount of its own.
    #[arg(long, env = "PROMETHEUS_FILE", value_name = "PROMETHEUS_FILE")]
    #[arg(default_value = "/srv/service-discovery/config.json")]
    prometheus_file: PathBuf,

    /// The port of every target: the node exporter's.
    #[arg(
        long,
        visible_alias = "port",
        env = "TARGET_PORT",
        value_name = "TARGET_PORT"
    )]
    #[arg(default_value = "9100", value_parser = clap::value_parser!(u16).range(1..))]
    prometheus_port: u16,

    /// Time from poll to poll, at least 1s.
    #[arg(long, env = "INTERVAL", value_name = "INTERVAL", default_value = "10s")]
    #[arg(value_parser = seconds)]
    interval: Duration,

    /// Address of the listener for /targets (http_sd_configs), /metrics, /livez and /readyz.
    #[arg(
        long,
        env = "SD_LISTEN_ADDR",
        value_name = "SD_LISTEN_ADDR",
        default_value = "0.0.0.0:8091"
    )]
    #[arg(value_parser = address::parse)]
    listen_address: SocketAddr,

    #[command(flatten)]
    log: LogArgs,
}

/// Everything the program needs, valid by construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which pool.
    pub access: Access,
    /// Where the targets are written.
    pub file: PathBuf,
    /// The port of every target.
    pub port: u16,
    /// From poll to poll.
    pub interval: Duration,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How to log.
    pub log: Log,
}

/// Below this the API would limit us.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

impl Config {
    /// What this command line, the program's name first, asks for.
    ///
    /// # Errors
    /// If it asks for nothing that there is.
    pub fn parse<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let matches = Args::command().try_get_matches_from(arguments)?;
        let args = Args::from_arg_matches(&matches)?;
        if args.interval < MIN_INTERVAL {
            return Err(refuse("--interval: less than 1s"));
        }
        Ok(Self {
            access: args.access.into_config(&matches)?,
            file: args.prometheus_file,
            port: args.prometheus_port,
            interval: args.interval,
            listen: args.listen_address,
            log: args.log.into_config(),
        })
    }
}
