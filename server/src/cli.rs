//! What the user typed, and what the program needs: [`Args`] and [`Config`]. Every flag has an
//! environment variable; the flag wins.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use clap::Parser;
use telemetry::{address, host, log, trace};

use crate::age::Policy;
use crate::burn;
use crate::counter;
use crate::pool::Limits;
use crate::role::Role;
use crate::web;
use crate::work::Work;

/// Where the server listens for operators by default.
pub const ADMIN_ADDRESS: &str = "0.0.0.0:8081";

/// What there is to scale: a gRPC server with a finite, settable capacity (role grpc), a web
/// application that burns CPU, and whose /status is as flaky as it is told to be (role web), and a
/// request counter on Redis (role counter).
///
/// The capacity of the role grpc is workers / service time: 2 workers of 40 ms each sustain 50
/// requests per second.
#[derive(Debug, Parser)]
#[command(name = "server", version, max_term_width = 100)]
#[command(after_help = telemetry::healthcheck::HELP)]
pub struct Args {
    /// What to offer, comma-separated: grpc, web, counter.
    #[arg(long, env = "ROLES", value_name = "ROLES", default_value = "grpc")]
    #[arg(value_delimiter = ',')]
    roles: Vec<Role>,

    /// Address of the gRPC listener.
    #[arg(
        long,
        env = "GRPC_ADDR",
        value_name = "GRPC_ADDR",
        default_value = "0.0.0.0:9090"
    )]
    #[arg(value_parser = address::parse)]
    grpc_address: SocketAddr,

    /// Address of the web listener.
    #[arg(
        long,
        env = "WEB_ADDR",
        value_name = "WEB_ADDR",
        default_value = "0.0.0.0:8080"
    )]
    #[arg(value_parser = address::parse)]
    web_address: SocketAddr,

    /// Names and addresses that callers know the web role by, comma-separated; metrics tell requests
    /// for them, and for the pod's name, apart, and all others as other.
    #[arg(long, env = "WEB_HOSTS", value_name = "WEB_HOSTS")]
    #[arg(default_value = "server,localhost,127.0.0.1", value_delimiter = ',')]
    web_hosts: Vec<String>,

    /// Address of the plain HTTP listener for /metrics, /livez and /readyz.
    #[arg(
        long,
        env = "METRICS_ADDR",
        value_name = "METRICS_ADDR",
        default_value = ADMIN_ADDRESS
    )]
    #[arg(value_parser = address::parse)]
    admin_address: SocketAddr,

    /// What an operation does: delay (waits for the service time) or primes (counts primes up to
    /// the request's max_prime, burning CPU).
    #[arg(long, env = "WORK", value_name = "WORK", default_value = "delay")]
    work: Work,

    /// How many operations may run at once, at least 1.
    #[arg(long, env = "WORKERS", value_name = "WORKERS", default_value = "2")]
    workers: NonZeroU16,

    /// How long an operation takes when the work is delay, in milliseconds, at most an hour.
    #[arg(
        long,
        env = "SERVICE_TIME_MS",
        value_name = "SERVICE_TIME_MS",
        default_value = "40"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    service_time_ms: u64,

    /// How many operations may wait for a worker; beyond them calls get RESOURCE_EXHAUSTED.
    #[arg(
        long,
        env = "QUEUE_LENGTH",
        value_name = "QUEUE_LENGTH",
        default_value = "100"
    )]
    queue_length: u32,

    /// How long a request to /load burns CPU, in milliseconds, at most an hour.
    #[arg(
        long,
        env = "LOAD_DURATION_MS",
        value_name = "LOAD_DURATION_MS",
        default_value = "10000"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    load_duration_ms: u64,

    /// How many threads burn, shared by all requests to /load; by default one per CPU.
    #[arg(long, env = "LOAD_THREADS", value_name = "LOAD_THREADS")]
    load_threads: Option<NonZeroU16>,

    /// How many requests to /load may be under way; more get 503 with Retry-After.
    #[arg(
        long,
        env = "LOAD_LIMIT",
        value_name = "LOAD_LIMIT",
        default_value = "1000"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    load_limit: u32,

    /// Milliseconds that a connection to the web listener may take to send a request's headers, or
    /// lie idle between requests.
    #[arg(long, env = "READ_TIMEOUT_MS", value_name = "READ_TIMEOUT_MS")]
    #[arg(default_value = "30000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    read_timeout_ms: u64,

    /// Where the random codes and delays of /status begin: with the same seed, the same ones
    /// follow. By default a random one, which is logged.
    #[arg(long, env = "SEED", value_name = "SEED")]
    seed: Option<u64>,

    /// Age in seconds (give or take 10 %) at which a connection gets GOAWAY, so that clients find
    /// new pods; 0 for never.
    #[arg(
        long,
        env = "MAX_CONNECTION_AGE_SECONDS",
        value_name = "MAX_CONNECTION_AGE_SECONDS"
    )]
    #[arg(default_value = "30")]
    max_connection_age_seconds: u32,

    /// Seconds from that GOAWAY until the connection is closed even with calls in flight.
    #[arg(long, env = "MAX_CONNECTION_AGE_GRACE_SECONDS", default_value = "10")]
    #[arg(value_name = "MAX_CONNECTION_AGE_GRACE_SECONDS")]
    max_connection_age_grace_seconds: u32,

    /// Seconds between SIGTERM (readiness turns false) and the end of accepting (GOAWAY with the
    /// role grpc), still serving: the time that endpoints and clients need to notice.
    #[arg(long, env = "DRAIN_DELAY_SECONDS", value_name = "DRAIN_DELAY_SECONDS")]
    #[arg(default_value = "5")]
    drain_delay_seconds: u32,

    /// Seconds that requests in flight have after the drain delay; then they are cut, and the
    /// program ends with exit code 1. Sending the last traces may take 3 seconds more: a pod's grace
    /// period must exceed all three together.
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT_SECONDS",
        value_name = "SHUTDOWN_TIMEOUT_SECONDS"
    )]
    #[arg(default_value = "15")]
    shutdown_timeout_seconds: u32,

    /// The pod's name in answers; by default the host name.
    #[arg(long, env = "POD_NAME", value_name = "POD_NAME")]
    pod_name: Option<String>,

    /// Shape of log lines: text or json.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_name = "LOG_FORMAT",
        default_value = "text"
    )]
    log_format: log::Format,

    /// Log level or filter, for example info or info,server=debug.
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "RUST_LOG",
        default_value = "info"
    )]
    log_level: log::Filter,

    #[command(flatten)]
    hit: web::cli::Args,

    #[command(flatten)]
    counter: counter::cli::Args,

    #[command(flatten)]
    trace: trace::Args,
}

/// Everything the program needs, valid by construction.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to offer.
    pub roles: BTreeSet<Role>,
    /// Where to listen for gRPC.
    pub grpc_address: SocketAddr,
    /// Where to listen for the web application.
    pub web_address: SocketAddr,
    /// The web role's own hosts.
    pub web_hosts: Vec<String>,
    /// Where to listen for operators.
    pub admin_address: SocketAddr,
    /// The name in answers.
    pub pod: String,
    /// What an operation does.
    pub work: Work,
    /// How long it takes with [`Work::Delay`].
    pub service_time: Duration,
    /// Workers and queue.
    pub pool: Limits,
    /// How long a `/load` burns.
    pub load_time: Duration,
    /// Threads and burns.
    pub burner: burn::Limits,
    /// What a request to `/` burns.
    pub hit: web::hit::Config,
    /// What the role counter needs, if it is one of them.
    pub counter: Option<counter::cli::Config>,
    /// How long a web connection may take to send headers, or lie idle: by default longer than the
    /// intervals of the load balancers' health checks.
    pub header_timeout: Duration,
    /// Where chance begins; nothing for anywhere.
    pub seed: Option<u64>,
    /// Age of connections.
    pub connection: Policy,
    /// From SIGTERM to the end of accepting.
    pub drain_delay: Duration,
    /// From there to the end of requests.
    pub shutdown_timeout: Duration,
    /// Shape of log lines.
    pub log_format: log::Format,
    /// Which lines.
    pub log_filter: log::Filter,
    /// What becomes of traces, and the service's name.
    pub trace: trace::Config,
}

impl Args {
    /// What the program needs.
    #[must_use]
    pub fn into_config(self) -> Config {
        let seconds = |count: u32| Duration::from_secs(u64::from(count));
        let age = self.max_connection_age_seconds;
        let roles: BTreeSet<Role> = self.roles.into_iter().collect();
        let counter = self
            .counter
            .into_config()
            .filter(|_| roles.contains(&Role::Counter));
        let log_filter = match &counter {
            Some(counter) if counter.log_requests => self.log_level.with(counter::cli::LOG),
            _ => self.log_level,
        };
        let pod = self.pod_name.unwrap_or_else(host::name);
        let mut web_hosts = self.web_hosts;
        web_hosts.push(pod.clone());
        Config {
            roles,
            grpc_address: self.grpc_address,
            web_address: self.web_address,
            web_hosts,
            admin_address: self.admin_address,
            pod,
            work: self.work,
            service_time: Duration::from_millis(self.service_time_ms),
            pool: Limits {
                workers: self.workers,
                queue_length: self.queue_length,
            },
            load_time: Duration::from_millis(self.load_duration_ms),
            burner: burn::Limits {
                threads: self.load_threads.unwrap_or_else(one_per_cpu),
                burns: self.load_limit,
            },
            hit: self.hit.into_config(one_per_cpu()),
            counter,
            header_timeout: Duration::from_millis(self.read_timeout_ms),
            seed: self.seed,
            connection: Policy {
                max_age: (age > 0).then(|| seconds(age)),
                grace: seconds(self.max_connection_age_grace_seconds),
            },
            drain_delay: seconds(self.drain_delay_seconds),
            shutdown_timeout: seconds(self.shutdown_timeout_seconds),
            log_format: self.log_format,
            log_filter,
            trace: self.trace.into_config("server"),
        }
    }
}

/// As many as this process may run on at once, by affinity and by the cgroup's quota.
fn one_per_cpu() -> NonZeroU16 {
    let cpus = std::thread::available_parallelism();
    cpus.ok()
        .and_then(|cpus| cpus.try_into().ok())
        .unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_has_an_environment_twin() {
        use clap::CommandFactory as _;
        for argument in Args::command().get_arguments() {
            if !["help", "version"].contains(&argument.get_id().as_str()) {
                assert!(argument.get_env().is_some(), "{argument} has none");
            }
        }
    }

    #[test]
    fn the_grace_period_covers_all_that_takes_time_at_the_end() {
        use clap::CommandFactory as _;
        let command = Args::command();
        let mut flags = command.get_arguments();
        let timeout = flags.find(|flag| flag.get_id() == "shutdown_timeout_seconds");
        let help = timeout.unwrap().get_help().unwrap().to_string();
        let traces = crate::app::TRACES_TIMEOUT.as_secs();
        assert!(
            help.contains(&format!("traces may take {traces} seconds more")),
            "{help}"
        );
    }

    #[test]
    fn flags_become_the_config() {
        let flags = [
            "server",
            "--workers=3",
            "--max-connection-age-seconds=0",
            "--pod-name=p",
        ];
        let config = Args::try_parse_from(flags).unwrap().into_config();
        assert_eq!(config.pool.workers.get(), 3);
        assert_eq!(config.connection.max_age, None);
        assert_eq!(config.pod, "p");
        assert_eq!(config.web_hosts, ["server", "localhost", "127.0.0.1", "p"]);
        assert_eq!(config.service_time, Duration::from_millis(40));
    }
}
