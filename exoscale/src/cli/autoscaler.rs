//! The command line of `exoscale-autoscaler`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use super::{Access, AccessArgs, Log, LogArgs, refuse, seconds};
use crate::autoscaler::Options;
use crate::scaler::Bounds;

/// Scales an Exoscale instance pool by one when an alert calls /up or /down.
#[derive(Debug, Parser)]
#[command(name = "exoscale-autoscaler", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    access: AccessArgs,

    /// The smallest size, inclusive.
    #[arg(long, env = "MIN_POOL_SIZE", value_name = "MIN_POOL_SIZE")]
    #[arg(default_value = "1")]
    min_pool_size: u32,

    /// The largest size, inclusive.
    #[arg(long, env = "MAX_POOL_SIZE", value_name = "MAX_POOL_SIZE")]
    #[arg(default_value = "10")]
    max_pool_size: u32,

    /// Time from step to step: whatever was called since the last one is one step; 0 for a step at
    /// once.
    #[arg(long, env = "INTERVAL", value_name = "INTERVAL", default_value = "60s")]
    #[arg(value_parser = seconds)]
    interval: Duration,

    /// Port of /up, /down, /status, /metrics, /healthz, /livez and /readyz.
    #[arg(
        long,
        env = "LISTEN_PORT",
        value_name = "LISTEN_PORT",
        default_value = "8090"
    )]
    listen_port: u16,

    /// Address of that port, without it. Whoever reaches it can scale the pool.
    #[arg(
        long,
        env = "LISTEN_ADDRESS",
        value_name = "LISTEN_ADDRESS",
        default_value = "0.0.0.0"
    )]
    listen_address: IpAddr,

    /// Decide and log, but leave the pool as it is.
    #[arg(long, env = "DRY_RUN")]
    dry_run: bool,

    #[command(flatten)]
    log: LogArgs,
}

/// Everything the program needs, valid by construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which pool.
    pub access: Access,
    /// Within which sizes.
    pub bounds: Bounds,
    /// How the loop behaves.
    pub options: Options,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How to log.
    pub log: Log,
}

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
        let bounds = Bounds::new(args.min_pool_size, args.max_pool_size)
            .ok_or_else(|| refuse("--min-pool-size: larger than --max-pool-size"))?;
        Ok(Self {
            access: args.access.into_config(&matches)?,
            bounds,
            options: Options {
                interval: args.interval,
                dry_run: args.dry_run,
            },
            listen: (args.listen_address, args.listen_port).into(),
            log: args.log.into_config(),
        })
    }
}
