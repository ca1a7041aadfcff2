//! Which resources there are: a RESTMapper in memory.
//!
//! Law: a lookup is answered at once, from what is known; until kube-apiserver was asked that is
//! a built-in table of what every cluster has. It is asked again when something that defines kinds
//! has changed, so that a new CustomResourceDefinition needs no restart. To ask is everybody's
//! right; to watch what defines kinds is not, and without it they are asked for now and then.

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
use super::index::Followed;
use crate::model::{GroupResource, ResourceType};

/// Pauses before the looks that follow a change. API discovery lags behind it, by the time that an
/// aggregated server needs to start at most; and changes come in bursts.
const SETTLING: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// Time between two looks where changes are not seen, and a look is cheap: kube-apiserver tells
/// answers from one another (ETag).
const POLL: Duration = Duration::from_secs(60);
/// Unknown names start a look where changes are not seen, but not more often than this: anybody can
/// ask for them. Where changes are seen it is [`POLL`], for servers that serve more without one.
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
    definitions: Followed,
    /// The definitions of which it was said that they may not be watched.
    unseen: Vec<GroupResource>,
    /// Of the last answer.
    etag: Option<String>,
    /// What was complained about last.
    problem: Option<String>,
    broken: BTreeSet<String>,
}

/// What defines kinds: CustomResourceDefinitions, and APIServices, of which there is one for each
/// version of each group, built-in ones as well.
pub(super) fn definitions() -> [ResourceType; 2] {
    [
        (
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
        ),
        ("apiregistration.k8s.io", "apiservices", "APIService"),
    ]
    .map(|(group, resource, kind)| ResourceType {
        id: GroupResource::new(group, resource),
        version: "v1".into(),
        kind: kind.into(),
        singular: kind.to_lowercase().into(),
        namespaced: false,
    })
}

impl ResourceMap {
    /// It is up to date with `definitions` while these are seen, and at most `interval` old.
    pub(super) fn new(
        client: Client,
        interval: Duration,
        definitions: Followed,
    ) -> (Arc<Self>, Refresh) {
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
            definitions,
            unseen: Vec::new(),
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
        let mut settling = [].iter();
        loop {
            let Some(good) = token.run_until_cancelled(self.refresh()).await else {
                return;
            };
            self.tell_sight();
            let wait = async {
                if !good {
                    return tokio::time::sleep(backoff.pause(MAX_PAUSE)).await;
                }
                backoff.reset();
                let (least, most) = match settling.next() {
                    Some(pause) => (*pause, *pause),
                    None => self.pauses(),
                };
                tokio::select! {
                    () = tokio::time::sleep(most.min(self.interval)) => {}
                    () = self.missed(least.min(self.interval)) => {}
                    () = self.definitions.changed() => {
                        tokio::time::sleep(SETTLING[0].min(self.interval)).await;
                        settling = SETTLING[1..].iter();
                    }
                }
            };
            if token.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    /// The least time until the next look, for an unknown name, and the most.
    fn pauses(&self) -> (Duration, Duration) {
        if self.definitions.is_seen() {
            (POLL, self.interval)
        } else if self.etag.is_some() {
            (MIN_INTERVAL, POLL)
        } else {
            (MIN_INTERVAL, self.interval)
        }
    }

    /// Waits until somebody misses a name, and at least so long.
    async fn missed(&self, least: Duration) {
        tokio::time::sleep(least).await;
        self.map.missed.notified().await;
    }

    /// Says it once when kinds that come are not known at once.
    fn tell_sight(&mut self) {
        let refused: Vec<GroupResource> = self.definitions.refused().into_iter().cloned().collect();
        if !refused.is_empty() && refused != self.unseen {
            let (_, most) = self.pauses();
            let names: Vec<String> = refused.iter().map(GroupResource::to_string).collect();
            tracing::warn!(
                seconds = most.as_secs(),
                "may not watch {}: asking for API discovery now and then",
                names.join(" and "),
            );
            self.unseen = refused;
        } else if !self.unseen.is_empty() && self.definitions.is_seen() {
            self.unseen.clear();
            tracing::info!("changes of kinds are seen again");
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
