//! Names of resource types, looked up as a RESTMapper does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::model::{GroupResource, ResourceType};

/// Resource types in order of preference: core first, then kube-apiserver's order of groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    types: Vec<ResourceType>,
    /// Positions by plural and by singular name, in order.
    by_name: HashMap<Arc<str>, Vec<usize>, RandomState>,
}

impl Table {
    /// Adds a type, unless its group has one of that name in a version that it prefers.
    pub(super) fn add(&mut self, resource: ResourceType) {
        let plural = Arc::clone(&resource.id.resource);
        if self
            .candidates(&plural)
            .any(|known| known.id == resource.id)
        {
            return;
        }
        let position = self.types.len();
        if resource.singular != plural && !resource.singular.is_empty() {
            self.by_name
                .entry(Arc::clone(&resource.singular))
                .or_default()
                .push(position);
        }
        self.by_name.entry(plural).or_default().push(position);
        self.types.push(resource);
    }

    /// apimachinery's `DefaultRESTMapper.ResourcesFor` with a group and no version, the first
    /// of several: the resource in lower case, plural or singular; an empty group is any group,
    /// and a group that does not exist is a prefix.
    pub(super) fn resolve(&self, group: &str, resource: &str) -> Option<&ResourceType> {
        let resource = lowercase(resource);
        if group.is_empty() {
            return self.candidates(&resource).next();
        }
        self.candidates(&resource)
            .find(|known| *known.id.group == *group)
            .or_else(|| {
                self.candidates(&resource)
                    .find(|known| known.id.group.starts_with(group))
            })
    }

    /// Types of one group version.
    pub(super) fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a ResourceType> {
        self.types
            .iter()
            .filter(move |known| *known.id.group == *group && *known.version == *version)
    }

    fn candidates(&self, name: &str) -> impl Iterator<Item = &ResourceType> {
        self.by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|&at| self.types.get(at))
    }

    /// What every cluster has, for the time before kube-apiserver was asked.
    pub(super) fn builtin() -> Self {
        let mut table = Self::default();
        for &(group, version, plural, kind, namespaced) in BUILTIN {
            table.add(ResourceType {
                id: GroupResource::new(group, plural),
                version: version.into(),
                kind: kind.into(),
                singular: kind.to_lowercase().into(),
                namespaced,
            });
        }
        table
    }
}

/// Most callers spell resources as they are listed.
fn lowercase(name: &str) -> Cow<'_, str> {
    let is_lowercase = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if name.bytes().all(is_lowercase) {
        name.into()
    } else {
        name.to_lowercase().into()
    }
}

/// Group, version, plural, kind, namespaced. The singular is the kind in lower case.
const BUILTIN: &[(&str, &str, &str, &str, bool)] = &[
    ("", "v1", "pods", "Pod", true),
    ("", "v1", "nodes", "Node", false),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "services", "Service", true),
    ("", "v1", "endpoints", "Endpoints", true),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
    ),
    ("", "v1", "persistentvolumes", "PersistentVolume", false),
    ("", "v1", "configmaps", "ConfigMap", true),
    ("", "v1", "secrets", "Secret", true),
    ("", "v1", "serviceaccounts", "ServiceAccount", true),
    (
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        true,
    ),
    ("", "v1", "resourcequotas", "ResourceQuota", true),
    ("apps", "v1", "deployments", "Deployment", true),
    ("apps", "v1", "replicasets", "ReplicaSet", true),
    ("apps", "v1", "statefulsets", "StatefulSet", true),
    ("apps", "v1", "daemonsets", "DaemonSet", true),
    (
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        true,
    ),
    ("batch", "v1", "jobs", "Job", true),
    ("batch", "v1", "cronjobs", "CronJob", true),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true),
    (
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    (
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        true,
    ),
    (
        "storage.k8s.io",
        "v1",
        "storageclasses",
        "StorageClass",
        false,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(table: &Table, group: &str, resource: &str) -> Option<String> {
        table
            .resolve(group, resource)
            .map(|found| format!("{} {}", found.id, found.version))
    }

    #[test]
    fn looks_up_as_a_rest_mapper_does() {
        let mut table = Table::builtin();
        // A second "pods", as metrics.k8s.io has it, and an older version of a known one.
        for (group, version, plural) in [
            ("metrics.k8s.io", "v1beta1", "pods"),
            ("autoscaling", "v1", "horizontalpodautoscalers"),
            ("extensions", "v1beta1", "ingresses"),
        ] {
            table.add(ResourceType {
                id: GroupResource::new(group, plural),
                version: version.into(),
                kind: "X".into(),
                singular: plural.trim_end_matches('s').into(),
                namespaced: true,
            });
        }
        for (group, resource, expected) in [
            ("", "pods", Some("pods v1")),
            ("", "pod", Some("pods v1")),
            ("", "PODS", Some("pods v1")),
            ("", "deployment", Some("deployments.apps v1")),
            ("apps", "deployments", Some("deployments.apps v1")),
            ("a", "deployments", Some("deployments.apps v1")),
            (
                "networking",
                "ingress",
                Some("ingresses.networking.k8s.io v1"),
            ),
            ("", "ingresses", Some("ingresses.networking.k8s.io v1")),
            ("ext", "ingresses", Some("ingresses.extensions v1beta1")),
            (
                "metrics.k8s.io",
                "pods",
                Some("pods.metrics.k8s.io v1beta1"),
            ),
            (
                "autoscaling",
                "horizontalpodautoscalers",
                Some("horizontalpodautoscalers.autoscaling v2"),
            ),
            ("", "po", None),
            ("core", "pods", None),
            ("apps/v1", "deployments", None),
            ("v1", "pods", None),
            ("APPS", "deployments", None),
            ("", "", None),
        ] {
            assert_eq!(
                resolved(&table, group, resource).as_deref(),
                expected,
                "{resource}.{group}"
            );
        }
    }
}
