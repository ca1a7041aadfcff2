//! What the user typed, and what the program needs: [`Args`] and [`Config`]. Every flag has an
//! environment variable; the flag wins.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use telemetry::{address, duration, host, log};

use crate::drive::Bounds;
use crate::http;
use crate::plan::Pacing;
use crate::probe::cli::{Probe, ProbeArgs};
use crate::resolve::Mode;
use crate::target::Target;
use crate::verdict::Goal;

/// Where those that are made to run beside a server listen for operators. `grpc`, which runs in a
/// cluster, listens on the port of its chart, 8081.
pub const ADMIN_ADDRESS: &str = "0.0.0.0:8082";

/// Makes load on the server, and says whether the goal was held under it; watches a flaky one.
#[derive(Debug, Parser)]
#[command(name = "loadclient", version, max_term_width = 100)]
#[command(after_help = telemetry::healthcheck::HELP)]
pub struct Args {
    #[command(subcommand)]
    command: Typed,

    /// Shape of log lines: text or json.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_name = "LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    log_format: log::Format,

    /// Log level or filter, for example info or info,loadclient=debug.
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "RUST_LOG",
        default_value = "info",
        global = true
    )]
    log_level: log::Filter,
}

#[derive(Debug, Subcommand)]
enum Typed {
    /// Makes gRPC requests, single-threaded and one at a time, until told to stop.
    ///
    /// Unbounded by default: with one request in flight, its rate is bounded by its pacing and by
    /// the server's latency.
    Grpc(GrpcArgs),
    /// Makes HTTP requests for a time, so many at once, and reports rate, status codes and
    /// latencies.
    Http(http::cli::Args),
    /// Asks Prometheus whether the goal was held during the whole window: exit code 0 if held, 3
    /// if not, 1 if Prometheus does not answer.
    Verify(VerifyArgs),
    /// Asks a flaky server for its status every 3 s, tells it to change every 10 s, and says
    /// whether there are problems: exit code 3 if --fail-on says so.
    Probe(ProbeArgs),
}

#[derive(Debug, clap::Args)]
struct GrpcArgs {
    /// The server, host:port.
    #[arg(
        long,
        env = "ADDR",
        value_name = "ADDR",
        default_value = "server-headless:9090"
    )]
    address: Target,

    /// Use all addresses of the name in turn and follow its changes; else only one of them.
    #[arg(long, env = "DNS", value_name = "DNS", default_value = "true")]
    #[arg(action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    dns: bool,

    /// Milliseconds from one request to the next; 0 is back to back.
    #[arg(
        long,
        env = "FREQUENCY",
        value_name = "FREQUENCY",
        default_value = "100"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=86_400_000))]
    frequency: u64,

    /// What the frequency counts: interval (from start to start; slots that pass meanwhile are
    /// missed, never made up for) or sleep (from an answer to the next start).
    #[arg(
        long,
        env = "PACING",
        value_name = "PACING",
        default_value = "interval"
    )]
    pacing: Pacing,

    /// Address of the plain HTTP listener for /metrics, /livez and /readyz.
    #[arg(
        long,
        env = "METRICS_ADDR",
        value_name = "METRICS_ADDR",
        default_value = "0.0.0.0:8081"
    )]
    #[arg(value_parser = address::parse)]
    admin_address: SocketAddr,

    /// Milliseconds after which an answer is given up.
    #[arg(
        long,
        env = "TIMEOUT_MS",
        value_name = "TIMEOUT_MS",
        default_value = "5000"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout_ms: u64,

    /// Primes are counted up to this number, if that is the server's work.
    #[arg(
        long,
        env = "MAX_PRIME",
        value_name = "MAX_PRIME",
        default_value = "1000"
    )]
    max_prime: u64,

    /// Stop after this many requests.
    #[arg(long, env = "COUNT", value_name = "COUNT")]
    count: Option<u64>,

    /// Stop after this long, for example 90s or 1h30m.
    #[arg(long, env = "DURATION", value_name = "DURATION", value_parser = duration::parse)]
    duration: Option<Duration>,

    /// End with exit code 3 if a request failed, none was made, or fewer than --count: for a bounded run
    /// that is a check.
    #[arg(long, env = "FAIL_ON_ERROR", value_parser = BoolishValueParser::new())]
    fail_on_error: bool,

    /// Milliseconds between two lookups of the name (only with DNS).
    #[arg(long, env = "RESOLVE_INTERVAL_MS", value_name = "RESOLVE_INTERVAL_MS")]
    #[arg(default_value = "5000", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    resolve_interval_ms: u64,

    /// Who the server is told that asks; by default the host name.
    #[arg(long, env = "CLIENT_ID", value_name = "CLIENT_ID")]
    client_id: Option<String>,

    /// Allow targets that are neither loopback, nor private addresses, nor names in a cluster.
    #[arg(long, env = "ALLOW_ANY_TARGET", value_parser = BoolishValueParser::new())]
    allow_any_target: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Where Prometheus is, for example http://prometheus:9090.
    #[arg(long, env = "PROMETHEUS_URL", value_name = "PROMETHEUS_URL", value_parser = url)]
    prometheus_url: reqwest::Url,

    /// How far back the goal must have been held, for example 60s.
    #[arg(long, env = "WINDOW", value_name = "WINDOW", default_value = "60s", value_parser = window)]
    window: Duration,

    /// At least this many requests per second.
    #[arg(long, env = "MIN_RPS", value_name = "MIN_RPS", default_value = "150")]
    #[arg(value_parser = not_negative)]
    min_rps: f64,

    /// A mean latency below this, in milliseconds.
    #[arg(
        long,
        env = "MAX_MEAN_MS",
        value_name = "MAX_MEAN_MS",
        default_value = "100"
    )]
    #[arg(value_parser = not_negative)]
    max_mean_ms: f64,

    /// Label matchers of the server's series (the client exports the same names).
    #[arg(
        long,
        env = "SELECTOR",
        value_name = "SELECTOR",
        default_value = r#"app="server""#
    )]
    selector: String,

    /// Shape of the verdict: text or json.
    #[arg(long, env = "OUTPUT", value_name = "OUTPUT", default_value = "text")]
    output: Output,
}

/// Everything the program needs, valid by construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to log.
    pub log: Log,
    /// What to do.
    pub command: Command,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Shape of the lines.
    pub format: log::Format,
    /// Which lines.
    pub filter: log::Filter,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make load.
    Grpc(Grpc),
    /// Make load on a web application.
    Http(http::cli::Http),
    /// Judge.
    Verify(Verify),
    /// Watch a flaky server.
    Probe(Probe),
}

/// What `grpc` needs.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// The server.
    pub target: Target,
    /// How its name is used.
    pub mode: Mode,
    /// What the distance counts.
    pub pacing: Pacing,
    /// From one request to the next.
    pub distance: Duration,
    /// Where to listen for operators.
    pub admin_address: SocketAddr,
    /// How long an answer may take.
    pub limit: Duration,
    /// What is asked.
    pub max_prime: u64,
    /// When to stop.
    pub bounds: Bounds,
    /// Whether the run counts as failed when one request of it failed.
    pub fail_on_error: bool,
    /// Who asks.
    pub client_id: String,
}

/// What `verify` needs.
#[derive(Clone, Debug)]
pub struct Verify {
    /// Where Prometheus is.
    pub prometheus: reqwest::Url,
    /// How far back.
    pub window: Duration,
    /// What must have been held.
    pub goal: Goal,
    /// On which series.
    pub selector: String,
    /// How to say it.
    pub output: Output,
}

/// The shape of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("unknown output {other:?}, expected text or json")),
        }
    }
}

impl Args {
    /// What the program needs.
    ///
    /// # Errors
    ///
    /// If the target is not ours, and that is not allowed.
    pub fn into_config(self) -> Result<Config, clap::Error> {
        let command =
            match self.command {
                Typed::Grpc(args) => Command::Grpc(args.into_config()?),
                Typed::Http(args) => Command::Http(args.into_config().map_err(|message| {
                    Self::command().error(ErrorKind::ValueValidation, message)
                })?),
                Typed::Verify(args) => Command::Verify(args.into_config()),
                Typed::Probe(args) => Command::Probe(args.into_config()?),
            };
        let log = Log {
            format: self.log_format,
            filter: self.log_level,
        };
        Ok(Config { log, command })
    }
}

impl GrpcArgs {
    fn into_config(self) -> Result<Grpc, clap::Error> {
        if !self.allow_any_target && !self.address.is_ours() {
            let message = format!(
                "invalid value '{}' for '--address <ADDR>': neither loopback, nor a private \
                 address, nor a name in a cluster; --allow-any-target allows it",
                self.address
            );
            return Err(Args::command().error(ErrorKind::ValueValidation, message));
        }
        let interval = Duration::from_millis(self.resolve_interval_ms);
        Ok(Grpc {
            target: self.address,
            mode: if self.dns {
                Mode::All(interval)
            } else {
                Mode::One
            },
            pacing: self.pacing,
            distance: Duration::from_millis(self.frequency),
            admin_address: self.admin_address,
            limit: Duration::from_millis(self.timeout_ms),
            max_prime: self.max_prime,
            bounds: Bounds {
                count: self.count,
                duration: self.duration,
            },
            fail_on_error: self.fail_on_error,
            client_id: self.client_id.unwrap_or_else(host::name),
        })
    }
}

impl VerifyArgs {
    fn into_config(self) -> Verify {
        Verify {
            prometheus: self.prometheus_url,
            window: self.window,
            goal: Goal {
                min_rps: self.min_rps,
                max_mean_ms: self.max_mean_ms,
            },
            selector: self.selector,
            output: self.output,
        }
    }
}

/// Parses an absolute URL of HTTP.
pub(crate) fn url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("scheme {other:?} is neither http nor https")),
    }
}

/// Up to a day; Prometheus answers at most 11 000 steps anyway.
fn window(text: &str) -> Result<Duration, String> {
    let window = duration::parse(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_secs(1)..=Duration::from_secs(43_200);
    if allowed.contains(&window) {
        Ok(window)
    } else {
        Err("not within 1s and 12h".to_owned())
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let valid = number.is_finite() && number >= 0.0;
    if valid {
        Ok(number)
    } else {
        Err("not a number from 0 up".to_owned())
    }
}

#[cfg(test)]
mod tests;
