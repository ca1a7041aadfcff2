//! The object index: a metadata-only watch per kind that requests select from.
//!
//! Law: a selection is answered from memory; what a kind's last complete list said stays until
//! the next one is complete.

mod kind;
mod objects;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::kind::Kind;
use super::{Error, Metrics};
use crate::model::{GroupResource, ObjectSourceError, ResourceType, Selector};

/// How the watch of one kind is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchStatus {
    /// What is watched.
    pub resource: GroupResource,
    /// Whether a complete list was received once.
    pub synced: bool,
    /// Objects in the index.
    pub objects: usize,
    /// What is wrong at the moment, in kube-apiserver's or the client's words.
    pub problem: Option<String>,
}

/// All watched kinds.
pub(super) struct Index {
    kinds: RwLock<BTreeMap<GroupResource, Arc<Kind>>>,
    start: mpsc::UnboundedSender<Arc<Kind>>,
}

/// Runs the watches.
pub(super) struct Run {
    client: Client,
    metrics: Metrics,
    started: mpsc::UnboundedReceiver<Arc<Kind>>,
}

impl Index {
    pub(super) fn new(client: Client, metrics: Metrics) -> (Arc<Self>, Run) {
        // Unbounded, but it carries each kind once.
        let (start, started) = mpsc::unbounded_channel();
        let index = Arc::new(Self {
            kinds: RwLock::default(),
            start,
        });
        (
            index,
            Run {
                client,
                metrics,
                started,
            },
        )
    }

    pub(super) fn watch(&self, kinds: &[ResourceType]) {
        if self.read(|known| kinds.iter().all(|kind| is_watched(known, kind))) {
            return;
        }
        let mut known = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        for kind in kinds {
            if is_watched(&known, kind) {
                continue;
            }
            let new = Arc::new(Kind::new(kind.clone(), CancellationToken::new()));
            // The same resource in another version: kube-apiserver has changed its preference.
            if let Some(old) = known.insert(kind.id.clone(), Arc::clone(&new)) {
                old.stop.cancel();
            }
            // Fails at the end of the process only, when nothing is watched any more.
            let _ = self.start.send(new);
        }
    }

    pub(super) fn select(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        match self.find(&kind.id) {
            Some(kind) => kind.select(namespace, selector),
            None => Err(ObjectSourceError::NotSynced(kind.id.clone())),
        }
    }

    pub(super) fn is_synced(&self, resource: &GroupResource) -> bool {
        self.find(resource).is_some_and(|kind| kind.is_synced())
    }

    pub(super) fn statuses(&self) -> Vec<WatchStatus> {
        self.read(|kinds| kinds.values().map(|kind| kind.status()).collect())
    }

    fn find(&self, resource: &GroupResource) -> Option<Arc<Kind>> {
        self.read(|kinds| kinds.get(resource).cloned())
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<GroupResource, Arc<Kind>>) -> T) -> T {
        look(&self.kinds.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_watched(known: &BTreeMap<GroupResource, Arc<Kind>>, kind: &ResourceType) -> bool {
    known.get(&kind.id).is_some_and(|known| {
        known.resource.version == kind.version && known.resource.namespaced == kind.namespaced
    })
}

impl Run {
    /// Starts a task for every kind that is to be watched, until `token` is cancelled.
    pub(super) async fn run(mut self, token: &CancellationToken) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                started = self.started.recv() => match started {
                    Some(kind) => {
                        let (client, metrics) = (self.client.clone(), self.metrics.clone());
                        tasks.spawn(async move {
                            kind.run(client, &metrics).await;
                            kind.stop.is_cancelled()
                        });
                    }
                    // The index is gone, and with it everyone who could read it.
                    None => {
                        token.cancelled().await;
                        return Ok(());
                    }
                },
                Some(ended) = tasks.join_next() => match ended {
                    Ok(true) => {}
                    Ok(false) => return Err(Error::Ended("object watch")),
                    Err(error) => return Err(Error::Panicked(error.to_string())),
                },
            }
        }
    }
}
