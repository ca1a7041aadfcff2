//! A cluster in memory: two nodes, and three running pods, of which two are `app=web`.

use std::sync::Arc;

use metrics_adapter::model::{
    Consumer, GroupResource, IndexedObject, ObjectSource, ObjectSourceError, ResourceType, Selector,
};

/// The pods of the namespace `shop`, and their `app` label.
const PODS: [(&str, &str); 3] = [("db-0", "db"), ("web-0", "web"), ("web-1", "web")];

const NODES: [&str; 2] = ["n1", "n2"];

pub(crate) struct Cluster;

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
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            singular: kind.to_lowercase(),
            namespaced: kind == "Pod",
        })
    }

    fn watch(&self, _: &[ResourceType]) {}

    fn select(
        &self,
        _: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        let matches = |app: &'static str| selector.matches(|key| (key == "app").then_some(app));
        let pods = PODS
            .iter()
            .filter(|(_, app)| namespace == Some("shop") && matches(app));
        Ok(pods.map(|(name, _)| Arc::from(*name)).collect())
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
            Consumer::Pod => PODS
                .iter()
                .map(|(name, app)| mk_object(Some("shop"), name, &[("app", app)]))
                .collect(),
        };
        let matches = |object: &IndexedObject| {
            let label = |key: &str| {
                let found = object.labels.iter().find(|(name, _)| name.as_ref() == key);
                found.map(|(_, value)| value.as_ref())
            };
            let inside = namespace.is_none() || object.namespace.as_deref() == namespace;
            inside && selector.matches(label)
        };
        Ok(objects.into_iter().filter(matches).collect())
    }
}

fn mk_object(namespace: Option<&str>, name: &str, labels: &[(&str, &str)]) -> IndexedObject {
    let labels = labels.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
    IndexedObject {
        namespace: namespace.map(Arc::from),
        name: name.into(),
        labels: labels.collect(),
    }
}
