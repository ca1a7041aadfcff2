//! The connection to Prometheus.

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::super::value::{self, File, Secret};
use crate::prometheus::Verb;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Prometheus")]
pub(in super::super) struct PrometheusFlags {
    /// Base URL of Prometheus; a path and query parameters are kept.
    #[arg(long, value_name = "URL", default_value = "https://localhost", value_parser = Secret(value::url))]
    pub(in super::super) prometheus_url: Url,

    /// HTTP method of the queries: POST, which has no limit on a query's length, or GET.
    #[arg(long, value_name = "VERB", default_value = "POST", value_parser = value::verb)]
    pub(in super::super) prometheus_verb: Verb,

    /// A header for every query; may be given several times, and counts before any token.
    #[arg(long, value_name = "NAME=VALUE", value_parser = Secret(value::header))]
    pub(in super::super) prometheus_header: Vec<(HeaderName, HeaderValue)>,

    /// Use the pod's service account: its token for Prometheus, its authority for the
    /// certificate.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    pub(in super::super) prometheus_auth_incluster: bool,

    /// Kubeconfig with credentials and authority for Prometheus; its server does not count.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) prometheus_auth_config: File,

    /// File with a bearer token; read again for every query.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) prometheus_token_file: File,

    /// CA bundle that verifies Prometheus' certificate instead of the system's authorities; picked
    /// up when it changes.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) prometheus_ca_file: File,

    /// Client certificate shown to Prometheus; picked up when it changes.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) prometheus_client_tls_cert_file: File,

    /// Key of the client certificate.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) prometheus_client_tls_key_file: File,
}
