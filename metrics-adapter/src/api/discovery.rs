//! Discovery documents, legacy and aggregated, from one catalogue.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::Served;
use super::accept::AggregatedVersion;
use super::path::{CUSTOM_GROUP, Version};
use crate::model::{MetricInfo, Provider};

/// The kind of every custom metrics answer.
const KIND: &str = "MetricValueList";

/// What is listed while there is no metric: clients report an empty list as an error on every
/// command of theirs (kubectl: "Got empty response").
const PLACEHOLDER: &str = "custommetrics";

/// Writes the documents of one moment.
pub(super) struct Documents<'a, P> {
    pub(super) provider: &'a P,
    pub(super) served: Served,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiResourceList {
    kind: &'static str,
    api_version: &'static str,
    group_version: String,
    resources: Vec<ApiResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource {
    name: String,
    singular_name: &'static str,
    namespaced: bool,
    kind: &'static str,
    verbs: [&'static str; 1],
}

impl<P: Provider> Documents<'_, P> {
    /// `/apis`.
    pub(super) fn groups(&self) -> Value {
        let groups: Vec<Value> = if self.served.custom {
            vec![group_entry()]
        } else {
            Vec::new()
        };
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    /// `/apis/custom.metrics.k8s.io`.
    pub(super) fn group(&self) -> Value {
        let mut group = group_entry();
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        group
    }

    /// `/apis/custom.metrics.k8s.io/<version>`.
    pub(super) fn resources(&self, version: Version) -> ApiResourceList {
        let entry = |info: &MetricInfo| ApiResource {
            name: format!("{}/{}", info.resource, info.metric),
            singular_name: "",
            namespaced: info.namespaced,
            kind: KIND,
            verbs: ["get"],
        };
        let mut resources: Vec<ApiResource> = self.provider.list().iter().map(entry).collect();
        if resources.is_empty() {
            resources.push(ApiResource {
                name: PLACEHOLDER.to_owned(),
                singular_name: "",
                namespaced: true,
                kind: KIND,
                verbs: ["get"],
            });
        }
        ApiResourceList {
            kind: "APIResourceList",
            api_version: "v1",
            group_version: format!("{CUSTOM_GROUP}/{}", version.name()),
            resources,
        }
    }

    /// `/apis` in the aggregated form. The aggregator caches it per Service and takes a group
    /// that is missing here for one without resources, so every group version is in it.
    pub(super) fn aggregated(&self, version: AggregatedVersion) -> Value {
        let group = || {
            let resources = self.aggregated_resources();
            let versions: Vec<Value> = Version::ALL
                .into_iter()
                .map(|version| {
                    json!({
                        "version": version.name(),
                        "resources": resources,
                        "freshness": "Current",
                    })
                })
                .collect();
            json!({"metadata": {"name": CUSTOM_GROUP}, "versions": versions})
        };
        let items: Vec<Value> = if self.served.custom {
            vec![group()]
        } else {
            Vec::new()
        };
        json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": format!("apidiscovery.k8s.io/{}", version.name()),
            "metadata": {},
            "items": items,
        })
    }

    /// `pods/m` is a subresource here; its parent is a stub with an empty kind, as
    /// k8s.io/apiserver writes parents that are not served themselves.
    fn aggregated_resources(&self) -> Vec<Value> {
        let kind = json!({"group": "", "version": "", "kind": KIND});
        let scope = |namespaced| if namespaced { "Namespaced" } else { "Cluster" };
        let mut parents: BTreeMap<String, (bool, Vec<Value>)> = BTreeMap::new();
        for info in self.provider.list().iter() {
            let parent = parents
                .entry(info.resource.to_string())
                .or_insert_with(|| (info.namespaced, Vec::new()));
            parent.1.push(json!({
                "subresource": info.metric.as_ref(),
                "responseKind": kind,
                "verbs": ["get"],
            }));
        }
        let mut resources: Vec<Value> = parents
            .into_iter()
            .map(|(name, (namespaced, subresources))| {
                json!({
                    "resource": name,
                    "responseKind": {"group": "", "version": "", "kind": ""},
                    "scope": scope(namespaced),
                    "singularResource": "",
                    "verbs": [],
                    "subresources": subresources,
                })
            })
            .collect();
        if resources.is_empty() {
            resources.push(json!({
                "resource": PLACEHOLDER,
                "responseKind": kind,
                "scope": "Namespaced",
                "singularResource": "",
                "verbs": ["get"],
            }));
        }
        resources
    }
}

fn group_entry() -> Value {
    let version = |version: Version| {
        json!({
            "groupVersion": format!("{CUSTOM_GROUP}/{}", version.name()),
            "version": version.name(),
        })
    };
    json!({
        "name": CUSTOM_GROUP,
        "versions": Version::ALL.map(version),
        "preferredVersion": version(Version::V1Beta1),
    })
}
