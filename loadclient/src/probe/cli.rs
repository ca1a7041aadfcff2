//! The command line of `probe`.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use clap::CommandFactory as _;
use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use telemetry::{address, duration, trace};

use super::tally::FailOn;
use crate::cli::{ADMIN_ADDRESS, Args, Output};
use crate::target::Target;

/// The shortest interval: ten requests a second is a probe, more is load.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest interval and timeout.
const MAX_SPAN: Duration = Duration::from_secs(3_600);

/// What was typed.
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    /// The server, a name or an address.
    #[arg(long, env = "HOST", value_name = "HOST", default_value = "localhost")]
    host: String,

    /// The server's port.
    #[arg(long, env = "PORT", value_name = "PORT", default_value = "8080")]
    port: NonZeroU16,

    /// From one GET /status to the next, for example 3s; what is due while one is under way is
    /// left out.
    #[arg(long, env = "STATUS_INTERVAL", value_name = "STATUS_INTERVAL")]
    #[arg(default_value = "3s", value_parser = interval)]
    status_interval: Duration,

    /// From one POST /flaky to the next, the first one included; 0 for none at all.
    #[arg(long, env = "FLAKY_INTERVAL", value_name = "FLAKY_INTERVAL")]
    #[arg(default_value = "10s", value_parser = interval_or_never)]
    flaky_interval: Duration,

    /// How long an answer may take, connecting included.
    #[arg(long, env = "TIMEOUT", value_name = "TIMEOUT")]
    #[arg(default_value = "5s", value_parser = limit)]
    timeout: Duration,

    /// Ask GET /status once and end: no POST /flaky, no admin listener.
    #[arg(long, env = "ONCE", value_parser = BoolishValueParser::new())]
    once: bool,

    /// End after this many GET /status.
    #[arg(long, env = "COUNT", value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// When to end with exit code 3: never, no-answer (a request timed out, or found no server,
    /// or none that speaks HTTP) or any (a request failed, be it by its status code). By default
    /// any if the run is bounded, else never.
    #[arg(long, env = "FAIL_ON", value_name = "FAIL_ON")]
    fail_on: Option<FailOn>,

    /// Shape of the lines on standard output, one per request: text or json. As text on a
    /// terminal it is a live view instead.
    #[arg(long, env = "OUTPUT", value_name = "OUTPUT", default_value = "text")]
    output: Output,

    /// Address of the plain HTTP listener for /metrics, /healthz and /readyz; not the server's
    /// own default, so that both run on one machine.
    #[arg(long, env = "METRICS_ADDR", value_name = "METRICS_ADDR")]
    #[arg(default_value = ADMIN_ADDRESS, value_parser = address::parse)]
    admin_address: SocketAddr,

    /// Allow targets that are neither loopback, nor private addresses, nor names in a cluster.
    #[arg(long, env = "ALLOW_ANY_TARGET", value_parser = BoolishValueParser::new())]
    allow_any_target: bool,

    #[command(flatten)]
    trace: trace::Args,
}

/// What `probe` needs.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The server.
    pub target: Target,
    /// From one `GET /status` to the next.
    pub status_interval: Duration,
    /// From one `POST /flaky` to the next; nothing for none.
    pub flaky_interval: Option<Duration>,
    /// How long an answer may take.
    pub limit: Duration,
    /// How many `GET /status`; nothing for no end.
    pub count: Option<u64>,
    /// When the run counts as failed.
    pub fail_on: FailOn,
    /// Shape of the lines.
    pub output: Output,
    /// Where to listen for operators; nothing for nowhere.
    pub admin_address: Option<SocketAddr>,
    /// What becomes of traces.
    pub trace: trace::Config,
}

impl ProbeArgs {
    /// What the program needs.
    ///
    /// # Errors
    ///
    /// If the target is none, or is not ours and that is not allowed; if it is to end after one
    /// request and after another number.
    pub fn into_config(self) -> Result<Probe, clap::Error> {
        // Not clap's `conflicts_with`, to which ONCE=false is a conflict too.
        if self.once && self.count.is_some() {
            let message = "the argument '--once' cannot be used with '--count <COUNT>'";
            return Err(Args::command().error(ErrorKind::ArgumentConflict, message));
        }
        let Self { host, port, .. } = &self;
        let refused = |reason: &str| {
            let message = format!("invalid value '{host}' for '--host <HOST>': {reason}");
            Args::command().error(ErrorKind::ValueValidation, message)
        };
        // An IPv6 address needs its brackets before a port.
        let address = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let target: Target = address
            .parse()
            .map_err(|_| refused("neither a name nor an address"))?;
        if !self.allow_any_target && !target.is_ours() {
            return Err(refused(
                "neither loopback, nor a private address, nor a name in a cluster; \
                 --allow-any-target allows it",
            ));
        }
        let bounded = self.once || self.count.is_some();
        let fail_on = if bounded { FailOn::Any } else { FailOn::Never };
        Ok(Probe {
            target,
            status_interval: self.status_interval,
            flaky_interval: (!self.once && !self.flaky_interval.is_zero())
                .then_some(self.flaky_interval),
            limit: self.timeout,
            count: if self.once { Some(1) } else { self.count },
            fail_on: self.fail_on.unwrap_or(fail_on),
            output: self.output,
            admin_address: (!self.once).then_some(self.admin_address),
            trace: self.trace.into_config("loadclient"),
        })
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    within(text, MIN_INTERVAL, "100ms")
}

fn interval_or_never(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => interval(text),
    }
}

fn limit(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(1), "1ms")
}

fn within(text: &str, least: Duration, named: &str) -> Result<Duration, String> {
    let span = duration::parse(text).map_err(|error| error.to_string())?;
    if (least..=MAX_SPAN).contains(&span) {
        Ok(span)
    } else {
        Err(format!("not within {named} and 1h"))
    }
}

#[cfg(test)]
mod tests;
