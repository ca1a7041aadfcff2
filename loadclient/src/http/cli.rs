//! The subcommand's command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use telemetry::{address, duration};

use super::schedule::Schedule;
use crate::cli::{ADMIN_ADDRESS, Output};
use crate::target::Target;

/// What the user typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask for, for example http://localhost:8080/.
    #[arg(long, env = "URL", value_name = "URL", value_parser = url)]
    url: reqwest::Url,

    /// Requests in flight at once, at most.
    #[arg(long, env = "THREADS", value_name = "THREADS", default_value = "4")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: u16,

    /// How long to make load, for example 90s or 1h30m, at most a day.
    #[arg(long, env = "DURATION", value_name = "DURATION", default_value = "60s")]
    #[arg(value_parser = duration)]
    duration: Duration,

    /// Requests per second, all threads together; by default each asks again at once.
    #[arg(long, env = "RATE", value_name = "RATE", value_parser = rate)]
    rate: Option<f64>,

    /// Milliseconds after which an answer is given up.
    #[arg(
        long,
        env = "TIMEOUT_MS",
        value_name = "TIMEOUT_MS",
        default_value = "5000"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout_ms: u64,

    /// Use a connection for many requests; without, each has its own, and may reach another
    /// replica.
    #[arg(
        long,
        env = "KEEP_ALIVE",
        value_name = "KEEP_ALIVE",
        default_value = "true"
    )]
    #[arg(action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    keep_alive: bool,

    /// Address of the plain HTTP listener for /metrics, /livez and /readyz; not the server's own
    /// default, so that both run on one machine.
    #[arg(long, env = "METRICS_ADDR", value_name = "METRICS_ADDR")]
    #[arg(default_value = ADMIN_ADDRESS, value_parser = address::parse)]
    admin_address: SocketAddr,

    /// Shape of the report: text or json.
    #[arg(long, env = "OUTPUT", value_name = "OUTPUT", default_value = "text")]
    output: Output,

    /// Allow targets that are neither loopback, nor private addresses, nor names in a cluster.
    #[arg(long, env = "ALLOW_ANY_TARGET", value_parser = BoolishValueParser::new())]
    allow_any_target: bool,
}

/// What `http` needs.
#[derive(Clone, Debug)]
pub struct Http {
    /// What to ask for.
    pub url: reqwest::Url,
    /// Requests in flight at most.
    pub threads: u16,
    /// When.
    pub schedule: Schedule,
    /// How long an answer may take.
    pub limit: Duration,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// Where to listen for operators.
    pub admin_address: SocketAddr,
    /// How to say what came of it.
    pub output: Output,
}

impl Args {
    /// What the program needs, or what is wrong.
    pub(crate) fn into_config(self) -> Result<Http, String> {
        if !self.allow_any_target && !is_ours(&self.url) {
            return Err(format!(
                "invalid value '{}' for '--url <URL>': neither loopback, nor a private address, \
                 nor a name in a cluster; --allow-any-target allows it",
                self.url
            ));
        }
        Ok(Http {
            url: self.url,
            threads: self.threads,
            schedule: Schedule {
                rate: self.rate,
                duration: self.duration,
            },
            limit: Duration::from_millis(self.timeout_ms),
            keep_alive: self.keep_alive,
            admin_address: self.admin_address,
            output: self.output,
        })
    }
}

/// Parses an absolute URL of HTTP without a password in it.
///
/// # Errors
///
/// Why it is none.
pub fn url(text: &str) -> Result<reqwest::Url, String> {
    let url = crate::cli::url(text)?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err("a user name or password has no place in it".to_owned())
    }
}

/// Whether it names this machine, a private address, or a name in a cluster: see [`Target`].
#[must_use]
pub fn is_ours(url: &reqwest::Url) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return false;
    };
    let target = format!("{host}:{port}").parse();
    target.is_ok_and(|target: Target| target.is_ours())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&duration) {
        Ok(duration)
    } else {
        Err("not within 1ms and 24h".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1_000_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("not within 0.001 and 1000000".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own() {
        for ours in [
            "http://localhost:8080/",
            "http://127.0.0.1",
            "https://[::1]:1/x",
            "http://server.default.svc/",
            "http://server:8083/?a=b",
            "http://10.1.2.3/",
        ] {
            assert!(is_ours(&url(ours).unwrap()), "{ours}");
        }
        // As a browser reads them: the last two are 8.8.8.8.
        for other in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://8.8.8.8:8080/",
            "http://134744072/",
            "http://0x8080808/",
        ] {
            assert!(!is_ours(&url(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for wrong in ["", "localhost", "ftp://localhost/", "http://a:b@localhost/"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "NaN", "inf", "x", "1e9"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert!(duration("25h").is_err() && duration("0s").is_err());
    }
}
