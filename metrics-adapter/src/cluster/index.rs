//! The object index: a metadata-only watch per kind that requests select from.
//!
//! Law: a selection is answered from memory; what a kind's last complete list said stays until
//! the next one is complete.

mod kind;
mod objects;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;
use telemetry::liveness::Loops;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::kind::{Follower, Kind};
use super::{Error, Metrics};
use crate::model::{GroupResource, IndexedObject, ObjectSourceError, ResourceType, Selector};

/// Objects of one page of a list of followed kinds, whose metadata may hold all that was applied
/// last: 100 KB each.
const PAGE: u32 = 50;

/// What one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coverage {
    /// The resource.
    pub resource: GroupResource,
    /// The field selector, for some of its objects only.
    pub fields: Option<&'static str>,
}

impl Coverage {
    /// All objects of a resource.
    const fn all(resource: GroupResource) -> Self {
        Self {
            resource,
            fields: None,
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields {
            Some(fields) => write!(f, "{} {fields}", self.resource),
            None => self.resource.fmt(f),
        }
    }
}

/// All watched kinds.
pub(super) struct Index {
    kinds: RwLock<BTreeMap<Coverage, Arc<Kind>>>,
    start: mpsc::UnboundedSender<Arc<Kind>>,
}

/// Kinds of which somebody wants to know that something has changed.
pub(super) struct Followed {
    kinds: Vec<Arc<Kind>>,
    changed: Arc<Notify>,
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

    /// Watches the objects of these kinds that match a field selector, or all of them.
    pub(super) fn watch(&self, kinds: &[ResourceType], fields: Option<&'static str>) {
        let coverage = |kind: &ResourceType| Coverage {
            resource: kind.id.clone(),
            fields,
        };
        let is_watched = |known: &_, kind| is_watched(known, &coverage(kind), kind);
        if self.read(|known| kinds.iter().all(|kind| is_watched(known, kind))) {
            return;
        }
        let mut known = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        for kind in kinds {
            if is_watched(&known, kind) {
                continue;
            }
            // The same resource in another version: kube-apiserver has changed its preference.
            let new = Arc::new(Kind::new(kind.clone(), fields, None));
            if let Some(old) = known.insert(coverage(kind), Arc::clone(&new)) {
                old.stop.cancel();
            }
            self.start(new);
        }
    }

    /// Watches kinds whose changes are what is wanted. They are apart from those that are
    /// selected from, whose watches may come and go.
    pub(super) fn follow(&self, kinds: impl IntoIterator<Item = ResourceType>) -> Followed {
        let changed = Arc::new(Notify::new());
        let follow = |kind| {
            let follower = Follower {
                changed: Arc::clone(&changed),
                page: PAGE,
            };
            let kind = Arc::new(Kind::new(kind, None, Some(follower)));
            self.start(Arc::clone(&kind));
            kind
        };
        Followed {
            kinds: kinds.into_iter().map(follow).collect(),
            changed,
        }
    }

    fn start(&self, kind: Arc<Kind>) {
        // Fails at the end of the process only, when nothing is watched any more.
        let _ = self.start.send(kind);
    }

    pub(super) fn select(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        self.watched(&Coverage::all(kind.id.clone()))?
            .select(namespace, selector)
    }

    /// The objects themselves, by namespace, then by name.
    pub(super) fn list(
        &self,
        coverage: &Coverage,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        self.watched(coverage)?.list(namespace, selector)
    }

    pub(super) fn is_synced(&self, resource: &GroupResource) -> bool {
        self.watched(&Coverage::all(resource.clone()))
            .is_ok_and(|kind| kind.is_synced())
    }

    fn watched(&self, coverage: &Coverage) -> Result<Arc<Kind>, ObjectSourceError> {
        self.read(|kinds| kinds.get(coverage).cloned())
            .ok_or_else(|| ObjectSourceError::NotSynced(coverage.resource.clone()))
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<Coverage, Arc<Kind>>) -> T) -> T {
        look(&self.kinds.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Followed {
    /// Waits until something has changed since the last time: an object, or whether changes are
    /// seen.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether every change is seen.
    pub(super) fn is_seen(&self) -> bool {
        self.kinds.iter().all(|kind| kind.is_followed())
    }

    /// The kinds of which kube-apiserver refuses the watch.
    pub(super) fn refused(&self) -> Vec<&GroupResource> {
        let refused = self.kinds.iter().filter(|kind| kind.is_refused());
        refused.map(|kind| &kind.resource.id).collect()
    }
}

fn is_watched(
    known: &BTreeMap<Coverage, Arc<Kind>>,
    coverage: &Coverage,
    kind: &ResourceType,
) -> bool {
    known.get(coverage).is_some_and(|known| {
        known.resource.version == kind.version && known.resource.namespaced == kind.namespaced
    })
}

impl Run {
    /// Starts a task for every kind that is to be watched, as one of `loops`, until `token` is
    /// cancelled.
    pub(super) async fn run(
        mut self,
        token: &CancellationToken,
        loops: &Loops,
    ) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                started = self.started.recv() => match started {
                    Some(kind) => {
                        let (client, metrics) = (self.client.clone(), self.metrics.clone());
                        tasks.spawn(loops.watch(async move {
                            let stop = kind.stop.clone();
                            kind.run(client, &metrics).await;
                            stop.is_cancelled()
                        }));
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
