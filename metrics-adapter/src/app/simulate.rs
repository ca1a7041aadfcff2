//! `metrics-adapter simulate`: a client for Prometheus, the simulation, and where its result goes.

use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;

use super::{credentials, output};
use crate::cli::{Form, Simulation};
use crate::explain::simulate::{picture, simulate as simulated, table};
use crate::prometheus::{Client, Metrics};

/// Simulates, and prints what came of it.
///
/// # Errors
/// What is wrong, naming the flag, the file or the metric.
pub async fn simulate(simulation: Simulation) -> Result<()> {
    let mut prometheus = simulation.prometheus;
    credentials::complete(&mut prometheus, simulation.prometheus_login).await?;
    let client = Client::new(prometheus, Metrics::register(&mut Registry::default()))?;
    let report = simulated(&client, &simulation.options).await?;
    if let Some(path) = simulation.svg {
        std::fs::write(&path, picture(&report))
            .with_context(|| format!("--svg {}: cannot write the picture", path.display()))?;
    }
    output::print(&match simulation.output {
        Form::Text => table(&report),
        Form::Json => output::json(&report)?,
    })
}
