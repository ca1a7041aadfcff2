//! Which resources there are: a RESTMapper in memory.
//!
//! Law: a lookup is answered at once, from what is known; until kube-apiserver was asked that is
//! a built-in table of what every cluster has. It is asked again all the time, so that a new
//! CustomResourceDefinition needs no restart; RBAC lets everybody ask.

mod discovery;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use kube::Client;
use telemetry::backoff::Backoff;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::table::Table;
use super::FIRST_PAUSE;
use crate::model::ResourceType;

/// Time between two questions whether anything has changed, where kube-apiserver tells answers
/// from one another (ETag): new kinds are known so soon, and "no" costs it next to nothing.
const POLL: Duration = Duration::from_secs(5);
/// Where it does not, unknown names start a refresh, but not more often than this: anybody can
/// ask for them.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Longest pause between failed refreshes.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The mapping, read by everyone and replaced by [`Refresh`].
pub(super) struct ResourceMap {
    table: ArcSwap<Table>,
    discovered: AtomicBool,
    missed: Notify,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

/// Keeps a [`ResourceMap`] up to date.
pub(super) struct Refresh {
    map: Arc<ResourceMap>,
    client: Client,
    interval: Duration,
    /// Of the last answer.
    etag: Option<String>,
    /// What was complained about last.
    problem: Option<String>,
    broken: BTreeSet<String>,
}

impl ResourceMap {
    pub(super) fn new(client: Client, interval: Duration) -> (Arc<Self>, Refresh) {
        let map = Arc::new(Self {
            table: ArcSwap::from_pointee(Table::builtin()),
            discovered: AtomicBool::new(false),
            missed: Notify::new(),
            changes: watch::Sender::new(0),
        });
        let refresh = Refresh {
            map: Arc::clone(&map),
            client,
            interval,
            etag: None,
            problem: None,
            broken: BTreeSet::new(),
        };
        (map, refresh)
    }

    /// See [`crate::model::ObjectSource::resolve`]. A miss asks for a refresh in the background.
    pub(super) fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        let found = self.table.load().resolve(group, resource).cloned();
        if found.is_none() {
            self.missed.notify_one();
        }
        found
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn is_discovered(&self) -> bool {
        self.discovered.load(Ordering::Acquire)
    }
}

impl Refresh {
    /// The longest time between two looks.
    pub(super) fn period(&self) -> Duration {
        self.interval.max(MAX_PAUSE)
    }

    pub(super) async fn run(mut self, token: &CancellationToken) {
        let mut backoff = Backoff::new(FIRST_PAUSE);
        loop {
            let Some(good) = token.run_until_cancelled(self.refresh()).await else {
                return;
            };
            let wait = async {
                if !good {
                    return tokio::time::sleep(backoff.pause(MAX_PAUSE)).await;
                }
                backoff.reset();
                if self.etag.is_some() {
                    return tokio::time::sleep(POLL.min(self.interval)).await;
                }
                let least = MIN_INTERVAL.min(self.interval);
                tokio::time::sleep(least).await;
                tokio::select! {
                    () = tokio::time::sleep(self.interval - least) => {}
                    () = self.map.missed.notified() => {}
                }
            };
            if token.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    /// Asks once, or tells why there is no answer.
    pub(super) async fn once(&mut self) -> Result<(), String> {
        match self.refresh().await {
            true => Ok(()),
            false => Err(self.problem.clone().unwrap_or_default()),
        }
    }

    async fn refresh(&mut self) -> bool {
        let known = self.map.table.load_full();
        match discovery::load(&self.client, &known, self.etag.as_deref()).await {
            Ok(None) => {
                if self.problem.take().is_some() {
                    tracing::info!("API discovery succeeded");
                }
                true
            }
            Ok(Some(discovered)) => {
                self.etag = discovered.etag;
                if discovered.table != *known {
                    self.map.table.store(Arc::new(discovered.table));
                    self.map.changes.send_modify(|changes| *changes += 1);
                }
                let first = !self.map.discovered.swap(true, Ordering::Release);
                let recovered = self.problem.take().is_some();
                if first || recovered {
                    tracing::info!("API discovery succeeded");
                }
                if discovered.broken != self.broken {
                    if discovered.broken.is_empty() {
                        tracing::info!("the servers of all API groups are available");
                    } else {
                        tracing::info!(
                            groups = ?discovered.broken,
                            "servers of API groups are not available: kept as known before",
                        );
                    }
                    self.broken = discovered.broken;
                }
                true
            }
            Err(problem) => {
                if self.problem.is_none() {
                    tracing::warn!(problem, "API discovery failed, keeping what is known");
                }
                self.problem = Some(problem);
                false
            }
        }
    }
}
