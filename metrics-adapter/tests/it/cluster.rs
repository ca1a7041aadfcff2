//! A cluster in memory: two nodes, and the running pods that a test names. The unit tests of
//! `evaluation` use it as well.

use std::sync::Arc;

use crate::model::{
    Consumer, GroupResource, IndexedObject, ObjectSource, ObjectSourceError, ResourceType, Selector,
};

const NODES: [&str; 2] = ["n1", "n2"];

/// Namespace, name, and the label `app` of each pod, sorted.
pub(crate) struct Cluster(pub(crate) &'static [(&'static str, &'static str, &'static str)]);

impl Cluster {
    fn pods(&self) -> impl Iterator<Item = IndexedObject> {
        let pod = |(namespace, name, app): &(&str, &str, &str)| {
            mk_object(Some(namespace), name, &[("app", app)])
        };
        self.0.iter().map(pod)
    }
}

impl ObjectSource for Cluster {
    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        let (plural, kind) = match (group, resource) {
            ("", "pod" | "pods") => ("pods", "Pod"),
            ("", "namespace" | "namespaces") => ("namespaces", "Namespace"),
            ("", "node" | "nodes") => ("nodes", "Node"),
            _ => return None,
        };
        Some(ResourceType {
            id: GroupResource::new("", plural),
            version: "v1".into(),
            kind: kind.into(),
            singular: kind.to_lowercase().into(),
            namespaced: kind == "Pod",
        })
    }

    fn watch(&self, _: &[ResourceType]) {}

    fn select(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        if *kind.id.resource != *"pods" {
            return Err(ObjectSourceError::NotSynced(kind.id.clone()));
        }
        let pods = self.pods().filter(|pod| selects(namespace, selector, pod));
        Ok(pods.map(|pod| pod.name).collect())
    }

    fn consumers(
        &self,
        consumer: Consumer,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        let objects: Vec<IndexedObject> = match consumer {
            Consumer::Node => NODES
                .iter()
                .map(|name| mk_object(None, name, &[]))
                .collect(),
            Consumer::Pod => self.pods().collect(),
        };
        let selected = objects.into_iter();
        Ok(selected
            .filter(|object| selects(namespace, selector, object))
            .collect())
    }
}

fn selects(namespace: Option<&str>, selector: &Selector, object: &IndexedObject) -> bool {
    let label = |key: &str| {
        let found = object.labels.iter().find(|(name, _)| name.as_ref() == key);
        found.map(|(_, value)| value.as_ref())
    };
    let inside = namespace.is_none() || object.namespace.as_deref() == namespace;
    inside && selector.matches(label)
}

fn mk_object(namespace: Option<&str>, name: &str, labels: &[(&str, &str)]) -> IndexedObject {
    let labels = labels.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
    IndexedObject {
        namespace: namespace.map(Arc::from),
        name: name.into(),
        labels: labels.collect(),
    }
}
