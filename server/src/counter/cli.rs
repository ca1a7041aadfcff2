//! The role's part of the command line. The variables are those of the Go program that people know
//! (prefix `APP`), with its defaults and its syntax of durations.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use telemetry::{duration, host};

use super::redis;

/// The log filter's directive that shows requests.
pub(crate) const LOG: &str = "server::counter::http=debug";

/// What the user typed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Role counter")]
#[group(skip)]
pub struct Args {
    /// Port of the counter, also told in its answers.
    #[arg(long, env = "APP_SERVER_PORT", value_name = "APP_SERVER_PORT")]
    #[arg(default_value = "11111")]
    server_port: u16,

    /// IP address that the counter listens on.
    #[arg(long, env = "APP_SERVER_IP", value_name = "APP_SERVER_IP")]
    #[arg(default_value = "0.0.0.0")]
    server_ip: IpAddr,

    /// The instance's name in the counter's answers; by default the host name.
    #[arg(long, env = "APP_SERVER_HOST", value_name = "APP_SERVER_HOST")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    server_host: Option<String>,

    /// How long a connection may take to send a request's headers, or lie idle, as Go writes
    /// durations (1s, 1m30s, 500ms).
    #[arg(long, env = "APP_SERVER_READ_HEADER_TIMEOUT", value_parser = positive)]
    #[arg(value_name = "APP_SERVER_READ_HEADER_TIMEOUT", default_value = "1s")]
    server_read_header_timeout: Duration,

    /// Log every request to the counter: statusCode, latency, clientIP, httpMethod, path.
    #[arg(long, env = "APP_INIT_DEBUG", value_name = "APP_INIT_DEBUG")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    #[arg(default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(require_equals = true, action = clap::ArgAction::Set)]
    init_debug: bool,

    /// Host of the Redis that holds the cluster's count.
    #[arg(long, env = "APP_REDIS_HOST", value_name = "APP_REDIS_HOST")]
    #[arg(default_value = "localhost", value_parser = NonEmptyStringValueParser::new())]
    redis_host: String,

    /// Port of that Redis.
    #[arg(long, env = "APP_REDIS_PORT", value_name = "APP_REDIS_PORT")]
    #[arg(default_value = "6379", value_parser = clap::value_parser!(u16).range(1..))]
    redis_port: u16,

    /// How long connecting to Redis may take, and how long its answer.
    #[arg(long, env = "APP_REDIS_TIMEOUT", value_name = "APP_REDIS_TIMEOUT")]
    #[arg(default_value = "1s", value_parser = positive)]
    redis_timeout: Duration,

    /// Pause between two attempts to reach Redis at the start.
    #[arg(
        long,
        env = "APP_REDIS_RETRY_DURATION",
        value_name = "APP_REDIS_RETRY_DURATION"
    )]
    #[arg(default_value = "1s", value_parser = duration::parse)]
    redis_retry_duration: Duration,

    /// How often to try again at the start; then the program ends with exit code 1.
    #[arg(long, env = "APP_REDIS_MAX_RETRY", value_name = "APP_REDIS_MAX_RETRY")]
    #[arg(default_value = "10")]
    redis_max_retry: u32,

    /// Redis' key of the cluster's count; the role counter needs it.
    #[arg(
        long,
        env = "APP_REDIS_COUNTER_KEY",
        value_name = "APP_REDIS_COUNTER_KEY"
    )]
    #[arg(required_if_eq("roles", "counter"), value_parser = NonEmptyStringValueParser::new())]
    redis_counter_key: Option<String>,
}

/// Everything the role needs, valid by construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: SocketAddr,
    /// The name in answers, without the port.
    pub host: String,
    /// For headers, and between requests.
    pub header_timeout: Duration,
    /// Whether requests are logged.
    pub log_requests: bool,
    /// Where the cluster's count is.
    pub redis: redis::Config,
}

impl Args {
    /// What the role needs; nothing without a key, which clap asks of whoever wants the role.
    pub(crate) fn into_config(self) -> Option<Config> {
        let redis = redis::Config {
            host: self.redis_host,
            port: self.redis_port,
            key: self.redis_counter_key?,
            timeout: self.redis_timeout,
            retry_pause: self.redis_retry_duration,
            max_retry: self.redis_max_retry,
        };
        Some(Config {
            address: (self.server_ip, self.server_port).into(),
            host: self.server_host.unwrap_or_else(host::name),
            header_timeout: self.server_read_header_timeout,
            log_requests: self.init_debug,
            redis,
        })
    }
}

/// A limit of 0 would fail everything.
fn positive(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    if time.is_zero() {
        return Err("must be more than 0".to_owned());
    }
    Ok(time)
}
