//! Who calls, and whether they may.

use std::time::Duration;

use super::super::value::{self, File, List};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Authentication")]
pub(in super::super) struct AuthenticationFlags {
    /// Kubeconfig for TokenReviews and the authentication ConfigMap; empty for the service
    /// account.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) authentication_kubeconfig: File,

    /// Do not look up kube-system/extension-apiserver-authentication: trust only what flags tell.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    pub(in super::super) authentication_skip_lookup: bool,

    /// Be ready before that ConfigMap was read. Until then whom it would vouch for is anonymous, or
    /// refused where --client-ca-file or --requestheader-client-ca-file is set.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    pub(in super::super) authentication_tolerate_lookup_failure: bool,

    /// How long the outcome of a TokenReview is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(in super::super) authentication_token_webhook_cache_ttl: Duration,

    /// Authorities of client certificates, instead of the cluster's; read again on change.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) client_ca_file: File,

    /// Authorities of front proxies, instead of the cluster's; read again on change. Only with it
    /// the other --requestheader flags count.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) requestheader_client_ca_file: File,

    /// Common names that a front proxy's certificate may have; any if empty.
    #[arg(long, value_name = "NAMES", default_value = "", value_parser = value::list)]
    pub(in super::super) requestheader_allowed_names: Vec<List>,

    /// Headers in which a front proxy names the user.
    #[arg(long, value_name = "NAMES", default_value = "x-remote-user", value_parser = value::list)]
    pub(in super::super) requestheader_username_headers: Vec<List>,

    /// Headers in which a front proxy names the user's groups.
    #[arg(long, value_name = "NAMES", default_value = "x-remote-group", value_parser = value::list)]
    pub(in super::super) requestheader_group_headers: Vec<List>,

    /// Prefixes of headers in which a front proxy tells more about the user.
    #[arg(long, value_name = "PREFIXES", default_value = "x-remote-extra-")]
    #[arg(value_parser = value::list)]
    pub(in super::super) requestheader_extra_headers_prefix: Vec<List>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Authorization")]
pub(in super::super) struct AuthorizationFlags {
    /// Kubeconfig for SubjectAccessReviews; empty for the service account.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) authorization_kubeconfig: File,

    /// How long "allowed" is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(in super::super) authorization_webhook_cache_authorized_ttl: Duration,

    /// How long "denied" is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(in super::super) authorization_webhook_cache_unauthorized_ttl: Duration,

    /// Paths that need no authorization; a final * stands for any rest.
    #[arg(long, value_name = "PATHS", default_value = "/healthz,/readyz,/livez")]
    #[arg(value_parser = value::list)]
    pub(in super::super) authorization_always_allow_paths: Vec<List>,
}
