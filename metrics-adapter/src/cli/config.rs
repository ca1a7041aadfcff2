//! What the program needs: a [`Config`], made of flags, that cannot be invalid.

mod access;
mod logging;
mod prometheus;
mod serving;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use telemetry::log;

pub use prometheus::PrometheusLogin;
pub(super) use prometheus::build as prometheus;
pub use serving::NamedSource;

use super::error::UsageError;
use super::flags::{ClusterFlags, RulesFlags, Typed};
use crate::{auth, discovery};

/// prometheus-adapter's default means never, and is dead besides. New kinds are to be found, and
/// one look is a few requests.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest time between two relists, or two looks at the kinds that there are.
const MIN_PERIOD: Duration = Duration::from_secs(1);

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The rules file.
    pub rules: PathBuf,
    /// When to relist. With custom rules, see [`check_max_age`].
    pub relist: discovery::Options,
    /// How old an answer of Prometheus may be when a value is made of it.
    pub max_staleness: Duration,
    /// How to reach Prometheus.
    pub prometheus: crate::prometheus::Options,
    /// Credentials for Prometheus that the cluster or a kubeconfig has.
    pub prometheus_login: PrometheusLogin,
    /// Kubeconfig for watching objects; `None` for the service account.
    pub lister_kubeconfig: Option<PathBuf>,
    /// Kubeconfig for authentication.
    pub authentication_kubeconfig: Option<PathBuf>,
    /// Kubeconfig for authorization.
    pub authorization_kubeconfig: Option<PathBuf>,
    /// How often API groups and kinds are read again.
    pub discovery_interval: Duration,
    /// Authentication and authorization.
    pub auth: auth::Options,
    /// Whom to trust besides, or instead of, what the cluster says.
    pub trust: auth::LocalTrust,
    /// Where HTTPS is served.
    pub secure_address: SocketAddr,
    /// Whether the port may be shared.
    pub port_sharing: crate::serving::PortSharing,
    /// The serving certificate.
    pub certificate: crate::serving::CertificateSource,
    /// Certificates for some server names.
    pub named_certificates: Vec<NamedSource>,
    /// Versions and cipher suites of TLS.
    pub tls: crate::serving::TlsOptions,
    /// Limits of the HTTPS front.
    pub serving: crate::serving::Options,
    /// Time between SIGTERM and the end of accepting.
    pub shutdown_delay: Duration,
    /// Where the plain listener is.
    pub admin_address: SocketAddr,
    /// How long readiness waits for the first relist.
    pub startup_grace: Duration,
    /// Shape of the log lines.
    pub log_format: log::Format,
    /// What is logged.
    pub log_filter: log::Filter,
    /// What becomes of spans.
    #[cfg(feature = "otel")]
    pub trace: telemetry::trace::Config,
    /// What is to be said about the flags once there is a log: those without effect.
    pub notices: Vec<String>,
}

/// Refuses a `--metrics-max-age` by which metrics would vanish between two relists. To be asked
/// only when there are custom rules: without them prometheus-adapter does not look either.
///
/// # Errors
/// [`UsageError::MaxAge`].
pub fn check_max_age(relist: &discovery::Options) -> Result<(), UsageError> {
    let (max_age, interval) = (relist.max_age, relist.interval);
    if max_age < interval {
        return Err(UsageError::MaxAge { max_age, interval });
    }
    Ok(())
}

impl Config {
    /// Checks the flags against each other.
    pub(super) fn new(typed: Typed) -> Result<Self, UsageError> {
        let Typed { flags, mut notices } = typed;
        if !flags.positional.is_empty() {
            notices.push(format!(
                "arguments that are no flags are ignored: {}",
                stray(&flags.positional)
            ));
        }
        let (prometheus, prometheus_login) =
            prometheus::build(flags.prometheus, &flags.limits, &mut notices)?;
        let front = serving::build(&flags.serving, &mut notices)?;
        let trust = access::trust(&flags.authentication, &mut notices)?;
        let log_filter = logging::filter(&flags.logging, &mut notices);
        Ok(Self {
            relist: relist(&flags.rules)?,
            max_staleness: flags.rules.metrics_max_staleness,
            rules: flags.rules.config,
            prometheus,
            prometheus_login,
            discovery_interval: discovery_interval(&flags.cluster)?,
            lister_kubeconfig: flags.cluster.lister_kubeconfig.0,
            auth: access::options(&flags.authentication, &flags.authorization)?,
            trust,
            authentication_kubeconfig: flags.authentication.authentication_kubeconfig.0,
            authorization_kubeconfig: flags.authorization.authorization_kubeconfig.0,
            secure_address: front.address,
            port_sharing: front.port_sharing,
            certificate: front.certificate,
            named_certificates: front.named_certificates,
            tls: front.tls,
            serving: front.options,
            shutdown_delay: flags.serving.shutdown_delay_duration,
            admin_address: flags.serving.admin_address,
            startup_grace: flags.serving.startup_grace,
            log_format: flags.logging.log_format,
            log_filter,
            #[cfg(feature = "otel")]
            trace: flags.trace.into_config("metrics-adapter"),
            notices,
        })
    }
}

/// What is told of arguments that are no flags. A program's path is a habit of manifests; anything
/// else may be half of a secret.
fn stray(arguments: &[String]) -> String {
    match arguments {
        [path] if path.starts_with('/') => path.clone(),
        [path, rest @ ..] if path.starts_with('/') => format!("{path} and {} more", rest.len()),
        _ => format!("{} (is a quote missing?)", arguments.len()),
    }
}

fn relist(flags: &RulesFlags) -> Result<discovery::Options, UsageError> {
    let (interval, max_age) = relist_times(flags.metrics_relist_interval, flags.metrics_max_age)?;
    Ok(discovery::Options {
        interval,
        max_age,
        stale_limit: Some(flags.metrics_stale_limit).filter(|limit| !limit.is_zero()),
        listing: flags.discovery,
    })
}

/// The values of `--metrics-relist-interval` and `--metrics-max-age`, which may be 0 for the former.
pub(super) fn relist_times(
    interval: Duration,
    max_age: Duration,
) -> Result<(Duration, Duration), UsageError> {
    let interval = period("--metrics-relist-interval", interval)?;
    let max_age = if max_age.is_zero() { interval } else { max_age };
    Ok((interval, max_age))
}

fn discovery_interval(flags: &ClusterFlags) -> Result<Duration, UsageError> {
    if flags.discovery_interval.is_zero() {
        Ok(DISCOVERY_INTERVAL)
    } else {
        period("--discovery-interval", flags.discovery_interval)
    }
}

/// A time between two requests: others are not to be kept busy.
fn period(flag: &'static str, duration: Duration) -> Result<Duration, UsageError> {
    match nonzero(flag, duration)? {
        short if short < MIN_PERIOD => Err(UsageError::TooShort(flag)),
        period => Ok(period),
    }
}

const fn nonzero(flag: &'static str, duration: Duration) -> Result<Duration, UsageError> {
    if duration.is_zero() {
        Err(UsageError::Zero(flag))
    } else {
        Ok(duration)
    }
}

/// Both of two flags that belong together, or none.
fn pair<T>(
    (first_flag, first): (&'static str, Option<T>),
    (second_flag, second): (&'static str, Option<T>),
) -> Result<Option<(T, T)>, UsageError> {
    let alone = |given, missing| Err(UsageError::Alone { given, missing });
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => alone(first_flag, second_flag),
        (None, Some(_)) => alone(second_flag, first_flag),
    }
}

/// Flags that prometheus-adapter does not have.
pub(super) const OURS: [&str; 17] = [
    "admin-address",
    "discovery",
    "log-format",
    "metrics-max-staleness",
    "metrics-stale-limit",
    "otlp-endpoint",
    "otlp-logs",
    "otlp-protocol",
    "prometheus-max-concurrency",
    "prometheus-max-query-length",
    "prometheus-timeout",
    "service-name",
    "shutdown-delay-duration",
    "startup-grace",
    "traces-sampler",
    "traces-sampler-arg",
    "version",
];

/// Command lines that prometheus-adapter starts with, and we do not: for the documentation.
pub(super) const STRICTER: [&str; 7] = [
    "One of `--prometheus-client-tls-cert-file` and `--prometheus-client-tls-key-file` without the other.",
    "`--tls-min-version=VersionTLS10` and `VersionTLS11`.",
    "`--tls-cipher-suites` of which none can be served; weak ones beside others are left out, and the log says so.",
    "`--tls-sni-cert-key` for IP addresses.",
    "A kubeconfig for Prometheus with `insecure-skip-tls-verify`: give its `certificate-authority`.",
    "Negative durations, `--metrics-relist-interval=0`, and less than a second for it or `--discovery-interval`.",
    "An audit log: `--audit-policy-file`, `--audit-log-path`, `--audit-webhook-config-file`.",
];
