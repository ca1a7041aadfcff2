//! The kinds of objects that every cluster has: names of resources without a cluster.

use std::sync::Arc;

use crate::model::object::{Consumer, IndexedObject, ObjectSourceError};
use crate::model::{GroupResource, ObjectSource, ResourceType, Selector};

/// Group, version, plural, kind, whether in a namespace.
const KINDS: [(&str, &str, &str, &str, bool); 14] = [
    ("", "v1", "pods", "Pod", true),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "nodes", "Node", false),
    ("", "v1", "services", "Service", true),
    ("", "v1", "persistentvolumes", "PersistentVolume", false),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
    ),
    (
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        true,
    ),
    ("apps", "v1", "deployments", "Deployment", true),
    ("apps", "v1", "replicasets", "ReplicaSet", true),
    ("apps", "v1", "statefulsets", "StatefulSet", true),
    ("apps", "v1", "daemonsets", "DaemonSet", true),
    ("batch", "v1", "jobs", "Job", true),
    ("batch", "v1", "cronjobs", "CronJob", true),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true),
];

/// Knows the names of the kinds, and no object.
#[derive(Debug)]
pub struct CommonKinds;

impl CommonKinds {
    fn all() -> impl Iterator<Item = ResourceType> {
        KINDS
            .into_iter()
            .map(|(group, version, plural, kind, namespaced)| ResourceType {
                id: GroupResource::new(group, plural),
                version: version.into(),
                kind: kind.into(),
                singular: kind.to_lowercase().into(),
                namespaced,
            })
    }

    /// By the kind that a manifest names.
    pub fn of_kind(kind: &str) -> Option<ResourceType> {
        Self::all().find(|known| *known.kind == *kind)
    }
}

impl ObjectSource for CommonKinds {
    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        let resource = resource.to_lowercase();
        Self::all().find(|known| {
            known.id.group.starts_with(group)
                && (*known.id.resource == *resource || *known.singular == *resource)
        })
    }

    fn watch(&self, _kinds: &[ResourceType]) {}

    fn select(
        &self,
        _kind: &ResourceType,
        _namespace: Option<&str>,
        _selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        Ok(Vec::new())
    }

    fn consumers(
        &self,
        _consumer: Consumer,
        _namespace: Option<&str>,
        _selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        Ok(Vec::new())
    }
}
