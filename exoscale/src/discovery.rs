//! From a pool's members to Prometheus' targets.
//!
//! Law: what cannot be learned changes nothing: the last good targets stay, in the file and over
//! HTTP. An empty pool is something learned.

mod file;
mod metric;
pub mod routes;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use telemetry::health::Condition;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use file::{File, FileError};
pub use metric::Metrics;

use crate::api::{Client, Error, Instance, InstancePool, PoolId};

/// A member that is not in this state has nothing to scrape.
const RUNNING: &str = "running";

/// One entry of Prometheus' `file_sd` and `http_sd` formats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `address:port`, sorted.
    pub targets: Vec<String>,
    /// None, but the format has them.
    pub labels: Labels,
}

/// An empty JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Labels {}

/// The last good targets; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<Option<Group>>>);

/// Where the members are read.
pub trait Source: Send + Sync {
    /// The members that can be scraped.
    fn addresses(&self) -> impl Future<Output = Result<Vec<Ipv4Addr>, Error>> + Send;
}

/// A pool behind the API.
#[derive(Debug)]
pub struct Remote {
    /// The API.
    pub client: Client,
    /// Which pool.
    pub id: PoolId,
}

impl Source for Remote {
    /// The pool is asked for first: a pool that does not exist is an error, not an empty one.
    async fn addresses(&self) -> Result<Vec<Ipv4Addr>, Error> {
        let pool = self.client.pool(&self.id).await?;
        let instances = self.client.members(&self.id).await?;
        Ok(scrapable(&self.id, &pool, &instances))
    }
}

/// The addresses of the pool's own running instances that have one.
fn scrapable(id: &PoolId, pool: &InstancePool, instances: &[Instance]) -> Vec<Ipv4Addr> {
    let id = id.to_string();
    let member = |instance: &Instance| match &instance.manager {
        Some(manager) => manager.id.eq_ignore_ascii_case(&id),
        None => pool.instances.iter().any(|it| it.id == instance.id),
    };
    let mut addresses: Vec<Ipv4Addr> = instances
        .iter()
        .filter(|instance| instance.state == RUNNING && member(instance))
        .filter_map(|instance| instance.public_ip)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

impl Group {
    /// Targets on these addresses.
    #[must_use]
    pub fn new(addresses: &[Ipv4Addr], port: u16) -> Self {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            targets: addresses.iter().map(|it| format!("{it}:{port}")).collect(),
            labels: Labels {},
        }
    }
}

impl Known {
    /// The last good targets, if any are known.
    #[must_use]
    pub fn get(&self) -> Option<Group> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, group: Group) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    }
}

/// The loop.
#[derive(Debug)]
pub struct Discovery<S> {
    /// Where the members are read.
    pub source: S,
    /// The port of every target.
    pub port: u16,
    /// From poll to poll.
    pub interval: Duration,
    /// Where the targets are written.
    pub file: File,
    /// Where they are kept for HTTP.
    pub known: Known,
    /// What is counted.
    pub metrics: Metrics,
    /// Holds once targets are known and written.
    pub ready: Condition,
}

impl<S: Source> Discovery<S> {
    /// Polls until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = interval(self.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let poll = async {
                tick.tick().await;
                self.poll().await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = poll => {}
            }
        }
    }

    async fn poll(&self) {
        let addresses = match self.source.addresses().await {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::warn!(%error, "cannot read the instance pool, targets kept");
                self.metrics.failed(error.kind());
                return;
            }
        };
        let group = Group::new(&addresses, self.port);
        let before = self.known.get();
        if before.as_ref() != Some(&group) {
            tracing::info!(targets = group.targets.join(" "), "targets changed");
        }
        self.known.set(group.clone());
        match self.file.write(&group).await {
            Ok(()) => {
                self.metrics.learned(addresses.len(), Timestamp::now());
                self.ready.set(true);
            }
            Err(error) => {
                tracing::error!(%error, "cannot write the targets");
                self.metrics.failed("file");
            }
        }
    }
}

#[cfg(test)]
mod tests;
