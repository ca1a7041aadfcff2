//! The command line: what the user typed ([`Args`]), and what the program needs ([`Config`]).
//!
//! Flags have prometheus-adapter's names. A [`Config`] cannot be invalid: everything that can be
//! checked without I/O is checked here, and what is refused names its flag.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use telemetry::{address, log};

use crate::config::{DurationError, parse_duration};
use crate::prometheus::Verb;
use crate::{auth, discovery, prometheus, serving};

/// Largest answer of Prometheus that is read, in bytes: some 200,000 series with a dozen labels.
const MAX_BODY: usize = 128 << 20;

/// Serves Prometheus metrics to the stock HorizontalPodAutoscaler and to kubectl top, as
/// custom.metrics.k8s.io, external.metrics.k8s.io and metrics.k8s.io.
#[derive(Debug, Parser)]
#[command(name = "metrics-adapter", version, max_term_width = 100)]
pub struct Args {
    /// The rules file, in prometheus-adapter's format.
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    config: PathBuf,

    /// How often to ask Prometheus which series there are.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    #[arg(help_heading = "Rules")]
    metrics_relist_interval: Duration,

    /// List series that had samples within this time; 0 for the relist interval.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    #[arg(help_heading = "Rules")]
    metrics_max_age: Duration,

    /// What discovery names: full for every metric, compact for the same one entry per API
    /// whatever the number of metrics. Values are served all the same.
    #[arg(long, value_name = "FORM", default_value = "full", value_parser = listing)]
    #[arg(help_heading = "Rules")]
    discovery: discovery::Listing,

    /// Base URL of Prometheus.
    #[arg(long, value_name = "URL", default_value = "https://localhost", value_parser = url)]
    #[arg(help_heading = "Prometheus")]
    prometheus_url: Url,

    /// HTTP method of the queries: POST or GET. POST has no limit on a query's length.
    #[arg(long, value_name = "VERB", default_value = "POST", value_parser = verb)]
    #[arg(help_heading = "Prometheus")]
    prometheus_verb: Verb,

    /// A header for every query, NAME=VALUE; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header, help_heading = "Prometheus")]
    prometheus_header: Vec<(HeaderName, HeaderValue)>,

    /// File with a bearer token; read again for every query.
    #[arg(long, value_name = "FILE", help_heading = "Prometheus")]
    prometheus_token_file: Option<PathBuf>,

    /// CA bundle that verifies Prometheus' certificate instead of the system's.
    #[arg(long, value_name = "FILE", help_heading = "Prometheus")]
    prometheus_ca_file: Option<PathBuf>,

    /// Client certificate shown to Prometheus.
    #[arg(long, value_name = "FILE", requires = "prometheus_client_tls_key_file")]
    #[arg(help_heading = "Prometheus")]
    prometheus_client_tls_cert_file: Option<PathBuf>,

    /// Key of the client certificate.
    #[arg(
        long,
        value_name = "FILE",
        requires = "prometheus_client_tls_cert_file"
    )]
    #[arg(help_heading = "Prometheus")]
    prometheus_client_tls_key_file: Option<PathBuf>,

    /// Deadline of one query; the HPA waits for at most 10 s.
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = duration)]
    #[arg(help_heading = "Prometheus")]
    prometheus_timeout: Duration,

    /// How many queries may run at once.
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        help_heading = "Prometheus"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    prometheus_max_concurrency: u16,

    /// Longest query, in bytes; a longer one is refused instead of sent. 0 for no limit, which is
    /// Prometheus' own; some backends refuse 16384 bytes.
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "0",
        help_heading = "Prometheus"
    )]
    prometheus_max_query_length: usize,

    /// Kubeconfig for watching objects; the service account's when empty.
    #[arg(long, value_name = "FILE", help_heading = "Kubernetes")]
    lister_kubeconfig: Option<PathBuf>,

    /// Kubeconfig for TokenReviews and the authentication ConfigMap.
    #[arg(long, value_name = "FILE", help_heading = "Kubernetes")]
    authentication_kubeconfig: Option<PathBuf>,

    /// Kubeconfig for SubjectAccessReviews.
    #[arg(long, value_name = "FILE", help_heading = "Kubernetes")]
    authorization_kubeconfig: Option<PathBuf>,

    /// At least how often to look for new API groups and kinds; every 5 s where kube-apiserver
    /// can tell at once that there are none.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    #[arg(help_heading = "Kubernetes")]
    discovery_interval: Duration,

    /// How long the outcome of a TokenReview is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Access")]
    authentication_token_webhook_cache_ttl: Duration,

    /// How long "allowed" is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Access")]
    authorization_webhook_cache_authorized_ttl: Duration,

    /// How long "denied" is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Access")]
    authorization_webhook_cache_unauthorized_ttl: Duration,

    /// Paths that need no authorization.
    #[arg(
        long,
        value_name = "PATHS",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    #[arg(default_value = "/healthz,/readyz,/livez")]
    authorization_always_allow_paths: Vec<String>,

    /// Address to serve HTTPS on.
    #[arg(
        long,
        value_name = "IP",
        default_value = "0.0.0.0",
        help_heading = "Serving"
    )]
    bind_address: IpAddr,

    /// Port to serve HTTPS on.
    #[arg(
        long,
        value_name = "PORT",
        default_value = "443",
        help_heading = "Serving"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    secure_port: u16,

    /// Serving certificate, intermediates behind it; picked up when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file")]
    #[arg(help_heading = "Serving")]
    tls_cert_file: Option<PathBuf>,

    /// Key of the serving certificate.
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert_file",
        help_heading = "Serving"
    )]
    tls_private_key_file: Option<PathBuf>,

    /// Without --tls-cert-file: where a self-signed certificate is looked for, or made.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "apiserver.local.config/certificates"
    )]
    #[arg(help_heading = "Serving")]
    cert_dir: PathBuf,

    /// HTTP/2 streams at once per connection; 0 for the default of 250.
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Serving")]
    http2_max_streams_per_connection: u32,

    /// After SIGTERM: how long to go on serving while endpoints forget this process.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    #[arg(help_heading = "Serving")]
    shutdown_delay_duration: Duration,

    /// Address of the plain HTTP listener for /metrics, /livez and /readyz.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    #[arg(value_parser = address::parse, help_heading = "Serving")]
    admin_address: SocketAddr,

    /// How long readiness waits for the first relist, so that no request meets an empty list.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    #[arg(help_heading = "Serving")]
    startup_grace: Duration,

    /// Verbosity, klog's numbers: up to 4 is info, up to 7 debug, above it trace.
    #[arg(
        short,
        value_name = "LEVEL",
        default_value = "0",
        help_heading = "Logs"
    )]
    #[arg(value_parser = clap::value_parser!(u8).range(..=10))]
    v: u8,

    /// Shape of the log lines: text or json.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Logs"
    )]
    log_format: log::Format,
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The rules file.
    pub rules: PathBuf,
    /// When to relist.
    pub relist: discovery::Options,
    /// How to reach Prometheus.
    pub prometheus: prometheus::Options,
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
    /// Where HTTPS is served.
    pub secure_address: SocketAddr,
    /// The serving certificate.
    pub certificate: serving::CertificateSource,
    /// Limits of the HTTPS front.
    pub serving: serving::Options,
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
}

/// Why a combination of flags cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Series would vanish between two relists.
    #[error(
        "--metrics-max-age {max_age:?} must not be less than --metrics-relist-interval \
         {interval:?}"
    )]
    MaxAge {
        /// `--metrics-max-age`.
        max_age: Duration,
        /// `--metrics-relist-interval`.
        interval: Duration,
    },
    /// A duration that makes no sense as zero.
    #[error("{0} must be more than 0")]
    Zero(&'static str),
}

impl Args {
    /// Checks the flags against each other.
    ///
    /// # Errors
    /// [`UsageError`], naming the flags.
    pub fn into_config(self) -> Result<Config, UsageError> {
        for (flag, value) in [
            ("--metrics-relist-interval", self.metrics_relist_interval),
            ("--prometheus-timeout", self.prometheus_timeout),
            ("--discovery-interval", self.discovery_interval),
        ] {
            if value.is_zero() {
                return Err(UsageError::Zero(flag));
            }
        }
        let interval = self.metrics_relist_interval;
        let max_age = if self.metrics_max_age.is_zero() {
            interval
        } else {
            self.metrics_max_age
        };
        if max_age < interval {
            return Err(UsageError::MaxAge { max_age, interval });
        }
        let mut serving = serving::Options::default();
        if self.http2_max_streams_per_connection > 0 {
            serving.max_concurrent_streams = self.http2_max_streams_per_connection;
        }
        Ok(Config {
            rules: self.config,
            relist: discovery::Options {
                interval,
                max_age,
                listing: self.discovery,
            },
            prometheus: prometheus::Options {
                url: self.prometheus_url,
                verb: self.prometheus_verb,
                headers: self.prometheus_header,
                token_file: self.prometheus_token_file,
                ca_file: self.prometheus_ca_file,
                client_certificate: self
                    .prometheus_client_tls_cert_file
                    .zip(self.prometheus_client_tls_key_file),
                timeout: self.prometheus_timeout,
                concurrency: self.prometheus_max_concurrency.into(),
                max_body: MAX_BODY,
                max_query_length: self.prometheus_max_query_length,
            },
            lister_kubeconfig: self.lister_kubeconfig,
            authentication_kubeconfig: self.authentication_kubeconfig,
            authorization_kubeconfig: self.authorization_kubeconfig,
            discovery_interval: self.discovery_interval,
            auth: auth::Options {
                token_ttl: self.authentication_token_webhook_cache_ttl,
                allow_ttl: self.authorization_webhook_cache_authorized_ttl,
                deny_ttl: self.authorization_webhook_cache_unauthorized_ttl,
                always_allow_paths: self.authorization_always_allow_paths,
                ..auth::Options::default()
            },
            secure_address: SocketAddr::new(self.bind_address, self.secure_port),
            certificate: match (self.tls_cert_file, self.tls_private_key_file) {
                (Some(certificate), Some(key)) => {
                    serving::CertificateSource::Files { certificate, key }
                }
                _ => serving::CertificateSource::Directory {
                    directory: self.cert_dir,
                    names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
                },
            },
            serving,
            shutdown_delay: self.shutdown_delay_duration,
            admin_address: self.admin_address,
            startup_grace: self.startup_grace,
            log_format: self.log_format,
            log_filter: filter(self.v),
        })
    }
}

fn filter(verbosity: u8) -> log::Filter {
    // Libraries are only heard when they warn; kube_runtime would repeat what `cluster` says once.
    let level = match verbosity {
        0..=4 => "warn,kube_runtime=error,metrics_adapter=info,telemetry=info",
        5..=7 => "info,kube_runtime=error,metrics_adapter=debug,telemetry=debug",
        _ => "debug,metrics_adapter=trace,telemetry=trace",
    };
    level.parse().unwrap_or_default()
}

fn duration(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("expected http://HOST or https://HOST".to_owned());
    }
    Ok(url)
}

fn listing(text: &str) -> Result<discovery::Listing, &'static str> {
    match text {
        "full" => Ok(discovery::Listing::Full),
        "compact" => Ok(discovery::Listing::Compact),
        _ => Err("expected full or compact"),
    }
}

fn verb(text: &str) -> Result<Verb, &'static str> {
    match text {
        "GET" => Ok(Verb::Get),
        "POST" => Ok(Verb::Post),
        _ => Err("expected GET or POST"),
    }
}

/// A header without `=` has an empty value, as in prometheus-adapter.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let name = name
        .parse()
        .map_err(|_| format!("{name:?} is not a header name"))?;
    let mut value: HeaderValue = value
        .parse()
        .map_err(|_| format!("the value of {name} cannot be sent as a header"))?;
    // Such headers carry credentials.
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Config, String> {
        let command = ["metrics-adapter", "--config", "rules.yaml"]
            .iter()
            .chain(flags);
        let args = Args::try_parse_from(command).map_err(|error| error.to_string())?;
        args.into_config().map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_prometheus_adapters() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.relist.interval, Duration::from_secs(600));
        assert_eq!(config.relist.max_age, config.relist.interval);
        assert_eq!(config.relist.listing, discovery::Listing::Full);
        let compact = parse(&["--discovery=compact"]).unwrap();
        assert_eq!(compact.relist.listing, discovery::Listing::Compact);
        assert_eq!(config.prometheus.url.as_str(), "https://localhost/");
        assert_eq!(config.prometheus.max_query_length, 0);
        assert_eq!(config.secure_address.to_string(), "0.0.0.0:443");
        assert!(matches!(
            config.certificate,
            serving::CertificateSource::Directory { .. }
        ));
    }

    #[test]
    fn refusals_name_the_flag() {
        for (flags, text) in [
            (&["--secure-port=0"][..], "--secure-port"),
            (&["--prometheus-verb=get"], "--prometheus-verb"),
            (
                &["--prometheus-max-query-length=-1"],
                "--prometheus-max-query-length",
            ),
            (&["--prometheus-url=prometheus:9090"], "--prometheus-url"),
            (
                &["--metrics-relist-interval=10"],
                "--metrics-relist-interval",
            ),
            (
                &["--metrics-relist-interval=0"],
                "--metrics-relist-interval must be more than 0",
            ),
            (
                &["--metrics-max-age=1m"],
                "--metrics-max-age 60s must not be less than",
            ),
            (&["--tls-cert-file=x"], "--tls-private-key-file"),
            (&["--prometheus-header=a b=c"], "--prometheus-header"),
            (&["--metrics_max_age=1m"], "--metrics_max_age"),
            (&["--log-format=xml"], "--log-format"),
            (&["--discovery=none"], "--discovery"),
        ] {
            let error = parse(flags).map(|_| ()).unwrap_err();
            assert!(error.contains(text), "{flags:?}: {error}");
        }
    }

    #[test]
    fn headers_may_lack_a_value() {
        let config = parse(&["--prometheus-header=x-scope=a=b", "--prometheus-header=y"]).unwrap();
        let headers = &config.prometheus.headers;
        assert_eq!(
            (headers[0].0.as_str(), headers[0].1.to_str().unwrap()),
            ("x-scope", "a=b")
        );
        assert_eq!(
            (headers[1].0.as_str(), headers[1].1.to_str().unwrap()),
            ("y", "")
        );
    }

    #[test]
    fn every_verbosity_makes_a_filter() {
        for verbosity in 0..=10 {
            assert_ne!(filter(verbosity), log::Filter::default(), "-v={verbosity}");
        }
    }
}
