//! What the adapter knows of the Kubernetes cluster, kept in memory by watches.
//!
//! Owns the object index (names and labels), the mapping of resource names, the authentication
//! ConfigMap, and the calls for reviews. Its tasks write; everybody else reads, at once.
//!
//! Law: nobody who reads here ever waits for kube-apiserver. What was known stays known while
//! kube-apiserver is away, and every trouble is said once, when it begins and when it ends.

mod authentication;
pub mod client;
mod failure;
mod index;
pub mod kubeconfig;
mod metrics;
pub mod raw;
mod resource;
mod review;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use telemetry::liveness::Liveness;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use index::Coverage;
pub use metrics::Metrics;
pub use review::ClusterReviewer;

use crate::auth::TrustReceiver;
use crate::model::{
    Consumer, GroupResource, IndexedObject, ObjectSource, ObjectSourceError, ResourceType, Selector,
};

/// The first pause after a failed list or watch.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Settings of the connection to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest time between two looks at what kube-apiserver serves;
    /// `--discovery-interval`.
    pub discovery_interval: Duration,
    /// Whether the authentication ConfigMap is watched.
    pub lookup: Lookup,
    /// Time for one review. A request may need two, and has ten seconds.
    pub review_timeout: Duration,
    /// Reviews at once; more wait, within their time.
    pub review_concurrency: usize,
}

impl Options {
    /// What flags tell, and our own limits.
    pub const fn new(discovery_interval: Duration, lookup: Lookup) -> Self {
        Self {
            discovery_interval,
            lookup,
            review_timeout: Duration::from_secs(4),
            review_concurrency: 64,
        }
    }
}

/// What becomes of ConfigMap `kube-system/extension-apiserver-authentication`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is watched.
    Watched,
    /// Nobody asks for it, because flags tell all that is in it.
    Skipped,
}

/// Clients for each purpose; clones of one another unless flags name several kubeconfigs.
#[derive(Clone)]
pub struct Clients {
    /// Watches and discovery; `--lister-kubeconfig`.
    pub lister: Client,
    /// The authentication ConfigMap and TokenReviews; `--authentication-kubeconfig`.
    pub authentication: Client,
    /// SubjectAccessReviews; `--authorization-kubeconfig`.
    pub authorization: Client,
}

/// A task ended although nobody had told it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A loop returned.
    #[error("the task \"{0}\" ended unexpectedly")]
    Ended(&'static str),
    /// A loop panicked.
    #[error("a task of the cluster module panicked: {0}")]
    Panicked(String),
}

/// The cluster as known now. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    resources: Arc<resource::ResourceMap>,
    index: Arc<index::Index>,
    trust: TrustReceiver,
    reviewer: Arc<ClusterReviewer>,
}

/// The loops that keep a [`Cluster`] up to date.
#[must_use = "nothing is watched until it runs"]
pub struct Watches {
    resources: resource::Refresh,
    index: index::Run,
    /// `None` if the ConfigMap is not looked up.
    authentication: Option<authentication::Watch>,
}

/// Prepares to watch a cluster. Makes no call yet: spawn [`Watches::run`] for that.
pub fn connect(clients: Clients, options: &Options, metrics: &Metrics) -> (Cluster, Watches) {
    let (index, run) = index::Index::new(clients.lister.clone(), metrics.clone());
    let (resources, refresh) = resource::ResourceMap::new(
        clients.lister,
        options.discovery_interval,
        index.follow(resource::definitions()),
    );
    let (publish, trust) = watch::channel(None);
    let authentication = (options.lookup == Lookup::Watched).then(|| {
        authentication::Watch::new(clients.authentication.clone(), publish, metrics.clone())
    });
    let reviewer = ClusterReviewer::new(
        clients.authentication,
        clients.authorization,
        options,
        metrics.clone(),
    );
    let cluster = Cluster {
        resources,
        index,
        trust,
        reviewer: Arc::new(reviewer),
    };
    (
        cluster,
        Watches {
            resources: refresh,
            index: run,
            authentication,
        },
    )
}

impl Watches {
    /// Asks kube-apiserver once which kinds there are, for whoever does not run.
    ///
    /// # Errors
    /// Why it does not tell.
    pub async fn discover(&mut self) -> Result<(), String> {
        self.resources.once().await
    }

    /// Runs until `token` is cancelled; each loop shows `liveness` that it is alive.
    ///
    /// # Errors
    /// [`Error`] when a loop ends or panics on its own; the process should end then.
    pub async fn run(self, token: CancellationToken, liveness: &Liveness) -> Result<(), Error> {
        let mut loops = JoinSet::new();
        let (resources, index, authentication) = (token.clone(), token.clone(), token.clone());
        let discovery = liveness.loops("resource-discovery", self.resources.period());
        let objects = liveness.loops("object-watches", transport::WATCH_DEADLINE);
        loops.spawn(discovery.watch(async move {
            self.resources.run(&resources).await;
            Ok("resource discovery")
        }));
        loops.spawn(async move {
            let run = self.index.run(&index, &objects);
            run.await.map(|()| "object index")
        });
        if let Some(watch) = self.authentication {
            let alive = liveness.loops("authentication-watch", transport::WATCH_DEADLINE);
            loops.spawn(alive.watch(async move {
                watch.run(&authentication).await;
                Ok("authentication configuration")
            }));
        }
        while let Some(ended) = loops.join_next().await {
            match ended {
                Ok(Err(error)) => return Err(error),
                Ok(Ok(name)) if !token.is_cancelled() => return Err(Error::Ended(name)),
                Ok(Ok(_)) => {}
                Err(error) => return Err(Error::Panicked(error.to_string())),
            }
        }
        Ok(())
    }
}

impl Cluster {
    /// What to trust in requests; `None` in it until the ConfigMap was read.
    pub fn trust(&self) -> TrustReceiver {
        self.trust.clone()
    }

    /// Reviews by this cluster.
    pub fn reviewer(&self) -> Arc<ClusterReviewer> {
        Arc::clone(&self.reviewer)
    }

    /// Whether resource names come from kube-apiserver, and not from the built-in table.
    pub fn is_discovered(&self) -> bool {
        self.resources.is_discovered()
    }

    /// Tells of every change of the resources that there are.
    pub fn kinds(&self) -> watch::Receiver<u64> {
        self.resources.changes()
    }

    /// Watches what usage is told of. Without resource rules nobody asks for it.
    pub fn watch_consumers(&self) {
        for consumer in [Consumer::Node, Consumer::Pod] {
            let resource = consumer.resource();
            if let Some(kind) = self.resolve(&resource.group, &resource.resource) {
                self.index.watch(&[kind], fields(consumer));
            }
        }
    }

    /// Whether objects of a kind can be selected.
    pub fn is_synced(&self, kind: &GroupResource) -> bool {
        self.index.is_synced(kind)
    }
}

impl ObjectSource for Cluster {
    fn is_discovered(&self) -> bool {
        Self::is_discovered(self)
    }

    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        self.resources.resolve(group, resource)
    }

    fn watch(&self, kinds: &[ResourceType]) {
        self.index.watch(kinds, None);
    }

    fn select(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        self.index.select(kind, namespace, selector)
    }

    fn consumers(
        &self,
        consumer: Consumer,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        let coverage = Coverage {
            resource: consumer.resource(),
            fields: fields(consumer),
        };
        self.index.list(&coverage, namespace, selector)
    }
}

/// The field selector of a consumer's watch. The phase is no part of an object's metadata, so
/// running pods have a watch of their own: kube-apiserver sends a removal when a pod ends.
const fn fields(consumer: Consumer) -> Option<&'static str> {
    match consumer {
        Consumer::Node => None,
        Consumer::Pod => Some("status.phase=Running"),
    }
}

#[cfg(test)]
mod tests;
