//! One window of load, and what every process used meanwhile.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    error::Result,
    load::{Load, Target},
    statistic::ratio,
    usage,
};

/// The processes whose time is taken, by name.
pub(crate) type Processes = Vec<(&'static str, u32)>;

/// What one window told.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Window {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU seconds per 1,000 requests, by process.
    pub(crate) cpu_per_1000: BTreeMap<&'static str, f64>,
    /// Cores that the load generator kept busy; at all the machine's it would be the limit itself.
    pub(crate) generator_cores: f64,
}

/// This program, which makes the load, serves what Prometheus scrapes, and reads answers.
pub(crate) const GENERATOR: &str = "load generator";

/// Makes the load and takes the time of everybody.
pub(crate) async fn measure(target: &Target, load: Load, others: &Processes) -> Result<Window> {
    let mut processes = others.clone();
    processes.push((GENERATOR, std::process::id()));
    let before = times(&processes)?;
    let outcome = target.load(load).await?;
    let after = times(&processes)?;
    let requests = outcome.latency.count();
    let used: BTreeMap<&'static str, f64> = processes
        .iter()
        .zip(before.iter().zip(&after))
        .map(|((name, _), (before, after))| (*name, after.saturating_sub(*before).as_secs_f64()))
        .collect();
    let generator = used.get(GENERATOR).copied().unwrap_or_default();
    let thousands = requests as f64 / 1000.0;
    Ok(Window {
        requests,
        requests_per_second: ratio(requests as f64, outcome.seconds),
        p50_ms: outcome.latency.quantile(0.5),
        p99_ms: outcome.latency.quantile(0.99),
        cpu_per_1000: used
            .into_iter()
            .map(|(name, used)| (name, ratio(used, thousands)))
            .collect(),
        generator_cores: ratio(generator, outcome.seconds),
    })
}

fn times(processes: &Processes) -> Result<Vec<Duration>> {
    processes
        .iter()
        .map(|(_, id)| usage::processor_time(*id))
        .collect()
}
