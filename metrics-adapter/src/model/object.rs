//! Objects of the cluster: how one is named, and where their names come from.

use std::sync::Arc;

use super::{GroupResource, ResourceType, Selector};

/// An object that a metric describes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its `apiVersion`, for instance `v1` or `apps/v1`.
    pub api_version: Arc<str>,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

/// Labels of an object, sorted by key.
pub type ObjectLabels = Arc<[(Arc<str>, Arc<str>)]>;

/// An object as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedObject {
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: ObjectLabels,
}

/// The objects that use CPU and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumer {
    /// Nodes.
    Node,
    /// Pods, but only while they are running.
    Pod,
}

impl Consumer {
    /// `nodes` or `pods`.
    pub fn resource(self) -> GroupResource {
        match self {
            Self::Node => GroupResource::new("", "nodes"),
            Self::Pod => GroupResource::new("", "pods"),
        }
    }
}

/// Why objects could not be selected.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum ObjectSourceError {
    /// The resource is known, but its watch has not delivered the first list yet.
    #[error("objects of {0} have not been listed yet")]
    NotSynced(GroupResource),
    /// The resource cannot be watched, for instance because RBAC refuses it.
    #[error("objects of {resource} cannot be watched: {reason}")]
    Unwatchable {
        /// The resource.
        resource: GroupResource,
        /// kube-apiserver's words; for the log, never for a caller.
        reason: String,
    },
}

/// The cluster's objects as an index in memory. Every call answers at once, without I/O.
pub trait ObjectSource: Send + Sync + 'static {
    /// Looks a resource up as a RESTMapper does: plural or singular, any case. An empty group
    /// means any group (core first); a group without an exact match is a prefix.
    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType>;

    /// Whether all kinds of the cluster can be looked up, and not only those that every cluster has.
    fn is_discovered(&self) -> bool {
        true
    }

    /// Tells which kinds of objects requests will select from; the source starts to watch
    /// those it does not watch yet. Kinds that drop out may stay watched.
    fn watch(&self, kinds: &[ResourceType]);

    /// Names of the objects of `kind` in `namespace` whose labels match, sorted.
    ///
    /// # Errors
    /// See [`ObjectSourceError`]; an empty list is not an error.
    fn select(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError>;

    /// Nodes or running pods in `namespace` whose labels match, by namespace, then by name.
    ///
    /// # Errors
    /// See [`ObjectSourceError`]; an empty list is not an error.
    fn consumers(
        &self,
        consumer: Consumer,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError>;
}
