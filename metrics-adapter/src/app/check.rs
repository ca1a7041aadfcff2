//! `metrics-adapter check`: clients for what is to be asked, the check, and where its report goes.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use prometheus_client::registry::Registry;

use super::{credentials, output};
use crate::cli::{Checkup, Form};
use crate::cluster::{self, Cluster};
use crate::explain::CommonKinds;
use crate::explain::check::{check as checked, text};
use crate::prometheus::{Client, Metrics};

/// Nobody looks a second time.
const NEVER: Duration = Duration::MAX;

/// Checks, and prints what was found. The exit code says whether that is a failure.
///
/// # Errors
/// What keeps it from looking, naming the flag or the file.
pub async fn check(checkup: Checkup) -> Result<ExitCode> {
    let client = match checkup.prometheus {
        Some(mut prometheus) => {
            credentials::complete(&mut prometheus, checkup.prometheus_login).await?;
            Some(Client::new(
                prometheus,
                Metrics::register(&mut Registry::default()),
            )?)
        }
        None => None,
    };
    let report = match &checkup.kubeconfig {
        Some(path) => {
            let kinds = kinds(path).await?;
            checked(client.as_ref(), &kinds, &checkup.options).await?
        }
        None => checked(client.as_ref(), &CommonKinds, &checkup.options).await?,
    };
    output::print(&match checkup.output {
        Form::Text => text(&report, output::style(checkup.no_color)),
        Form::Json => output::json(&report)?,
    })?;
    let severities = report.findings.iter().map(|finding| finding.severity);
    let failed = severities
        .into_iter()
        .any(|severity| checkup.fail_on.counts(severity));
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The kinds of a cluster, asked for once.
async fn kinds(path: &Path) -> Result<Cluster> {
    const FLAG: &str = "--kubeconfig";
    let metrics = cluster::Metrics::default();
    let client = cluster::client::client(FLAG, Some(path), &metrics).await?;
    let clients = cluster::Clients {
        lister: client.clone(),
        authentication: client.clone(),
        authorization: client,
    };
    let options = cluster::Options::new(NEVER, cluster::Lookup::Skipped);
    let (cluster, mut watches) = cluster::connect(clients, &options, &metrics);
    let discovered = watches.discover().await;
    discovered.map_err(|problem| {
        let path = path.display();
        anyhow!("{FLAG} {path}: kube-apiserver does not tell its kinds: {problem}")
    })?;
    Ok(cluster)
}
