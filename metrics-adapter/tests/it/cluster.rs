//! A cluster in memory: three pods, of which two are `app=web`.

use std::sync::Arc;

use metrics_adapter::model::{
    GroupResource, ObjectSource, ObjectSourceError, ResourceType, Selector,
};

/// The pods and their `app` label.
const PODS: [(&str, &str); 3] = [("db-0", "db"), ("web-0", "web"), ("web-1", "web")];

pub(crate) struct Cluster;

impl ObjectSource for Cluster {
    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        let (plural, kind) = match (group, resource) {
            ("", "pod" | "pods") => ("pods", "Pod"),
            ("", "namespace" | "namespaces") => ("namespaces", "Namespace"),
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
}
