//! One window of load, and what every process used meanwhile.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

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

/// The processor time of several processes, from a moment on.
#[derive(Debug)]
pub(crate) struct Used {
    processes: Processes,
    before: Vec<Duration>,
    begun: Instant,
}

impl Used {
    /// From now on.
    pub(crate) fn begin(processes: &Processes) -> Result<Self> {
        Ok(Self {
            before: times(processes)?,
            processes: processes.clone(),
            begun: Instant::now(),
        })
    }

    /// Seconds of each process until now.
    pub(crate) fn seconds(&self) -> Result<BTreeMap<&'static str, f64>> {
        let after = times(&self.processes)?;
        let times = self.before.iter().zip(after);
        let used = times.map(|(before, after)| after.saturating_sub(*before).as_secs_f64());
        let names = self.processes.iter().map(|(name, _)| *name);
        Ok(names.zip(used).collect())
    }

    /// Cores that each kept busy until now.
    pub(crate) fn cores(&self) -> Result<BTreeMap<&'static str, f64>> {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let used = self.seconds()?.into_iter();
        Ok(used
            .map(|(name, used)| (name, ratio(used, elapsed)))
            .collect())
    }
}

/// Makes the load and takes the time of everybody.
pub(crate) async fn measure(target: &Target, load: Load, others: &Processes) -> Result<Window> {
    let mut processes = others.clone();
    processes.push((GENERATOR, std::process::id()));
    let used = Used::begin(&processes)?;
    let outcome = target.load(load).await?;
    let used = used.seconds()?;
    let requests = outcome.latency.count();
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
