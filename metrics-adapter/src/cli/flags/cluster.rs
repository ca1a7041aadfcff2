//! The connection to kube-apiserver.

use std::time::Duration;

use super::super::value::{self, File};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes clients")]
pub(in super::super) struct ClusterFlags {
    /// Kubeconfig for watching objects; empty for the service account.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) lister_kubeconfig: File,

    /// At least how often to look for new API groups and kinds; within seconds after a
    /// CustomResourceDefinition or APIService has changed, or every minute if these may not be
    /// watched. 0 for 5 minutes, else 1s or more.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = value::duration)]
    pub(in super::super) discovery_interval: Duration,
}
