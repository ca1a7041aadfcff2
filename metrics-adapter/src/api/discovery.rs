//! Discovery documents, legacy and aggregated, from one catalogue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::{JoinError, spawn_blocking};

use super::accept::{AggregatedVersion, Encoding};
use super::group::{self, GROUPS, GroupVersion};
use super::respond::Written;
use super::wire::discovery::{self as message, Document};
use super::wire::{Answer, proto};
use crate::model::{MetricInfo, MetricsApi, Provider};

/// A document of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/apis`.
    Groups,
    /// `/apis` in the aggregated form.
    Aggregated(AggregatedVersion),
    /// `/apis/<group>`.
    Group(MetricsApi),
    /// `/apis/<group>/<version>`.
    Version(GroupVersion),
}

/// Every document, written once for each list of metrics: with thousands of metrics that costs
/// more than everything else that the aggregator asks for, so it is no work for a thread that answers
/// requests. The lock is held to look, never to write.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<Shelf>);

/// A document, once it is written.
type Sheet = Arc<OnceCell<Arc<Written>>>;

/// What was written for one state of the provider.
#[derive(Debug, Default)]
struct Shelf {
    documents: Documents,
    pages: Vec<((Page, Encoding), Sheet)>,
}

impl Pages {
    /// The document as it is now; waits while it is written.
    pub(super) async fn get(
        &self,
        provider: &impl Provider,
        page: Page,
        encoding: Encoding,
    ) -> Arc<Written> {
        let documents = Documents::of(provider);
        let sheet = self.sheet(&documents, (page, encoding));
        let write = async {
            let written = spawn_blocking(move || documents.write(page, encoding)).await;
            match written.map_err(JoinError::try_into_panic) {
                Ok(written) => Arc::new(written),
                // A panic there is one here.
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // At the end of the process, whose last answers these would be.
                Err(Err(_cancelled)) => std::future::pending().await,
            }
        };
        Arc::clone(sheet.get_or_init(|| write).await)
    }

    /// Where the document is, or will be.
    fn sheet(&self, documents: &Documents, wanted: (Page, Encoding)) -> Sheet {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !shelf.documents.is_as(documents) {
            *shelf = Shelf {
                documents: documents.clone(),
                pages: Vec::new(),
            };
        }
        if let Some((_, sheet)) = shelf.pages.iter().find(|(known, _)| *known == wanted) {
            return Arc::clone(sheet);
        }
        let sheet = Sheet::default();
        shelf.pages.push((wanted, Arc::clone(&sheet)));
        sheet
    }
}

/// What the documents of one moment are made of.
#[derive(Clone, Debug, Default)]
struct Documents {
    custom: Arc<[MetricInfo]>,
    external: Arc<[Arc<str>]>,
    /// The groups that have rules.
    served: Vec<MetricsApi>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResourceList {
    kind: &'static str,
    api_version: &'static str,
    group_version: &'static str,
    resources: Vec<ApiResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource {
    name: String,
    singular_name: &'static str,
    namespaced: bool,
    kind: &'static str,
    verbs: &'static [&'static str],
}

impl Documents {
    fn of(provider: &impl Provider) -> Self {
        let served = GROUPS.into_iter().filter(|api| provider.serves(*api));
        Self {
            custom: provider.list(),
            external: provider.list_external(),
            served: served.collect(),
        }
    }

    /// Whether it is the same. Lists are compared by their identity, which holds: as long as one of
    /// them has them nothing else can be in their place.
    fn is_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.custom, &other.custom)
            && Arc::ptr_eq(&self.external, &other.external)
            && self.served == other.served
    }

    fn write(&self, page: Page, encoding: Encoding) -> Written {
        match page {
            Page::Groups => Written::new(encoding, "", &Document(self.groups())),
            Page::Aggregated(version) => {
                let document = Document(self.aggregated(version));
                Written::new(encoding, version.parameters(), &document)
            }
            Page::Group(api) => Written::new(encoding, "", &Document(self.group(api))),
            Page::Version(version) => Written::new(encoding, "", &self.resources(version)),
        }
    }

    /// `/apis`.
    fn groups(&self) -> Value {
        let groups: Vec<Value> = self.served().map(group_entry).collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    /// `/apis/<group>`.
    fn group(&self, api: MetricsApi) -> Value {
        let mut group = group_entry(api);
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        group
    }

    /// `/apis/<group>/<version>`.
    fn resources(&self, version: GroupVersion) -> ApiResourceList {
        ApiResourceList {
            kind: "APIResourceList",
            api_version: "v1",
            group_version: version.api_version(),
            resources: self.resources_of(version.api()),
        }
    }

    /// `/apis` in the aggregated form. The aggregator caches it per Service and takes a group
    /// that is missing here for one without resources, so every group version is in it.
    fn aggregated(&self, version: AggregatedVersion) -> Value {
        let group = |api: MetricsApi| {
            let resources = aggregated(&self.resources_of(api));
            let versions: Vec<Value> = group::versions(api)
                .iter()
                .map(|version| {
                    json!({
                        "version": version.version(),
                        "resources": resources,
                        "freshness": "Current",
                    })
                })
                .collect();
            json!({"metadata": {"name": group::name(api)}, "versions": versions})
        };
        let items: Vec<Value> = self.served().map(group).collect();
        json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": format!("apidiscovery.k8s.io/{}", version.name()),
            "metadata": {},
            "items": items,
        })
    }

    fn served(&self) -> impl Iterator<Item = MetricsApi> {
        self.served.iter().copied()
    }

    /// The resources of a group; all its versions have the same.
    fn resources_of(&self, api: MetricsApi) -> Vec<ApiResource> {
        match api {
            MetricsApi::Custom => {
                let metrics = self.custom.iter().map(custom).collect();
                or_placeholder(metrics, "custommetrics", CUSTOM_KIND)
            }
            MetricsApi::External => {
                let metrics = self.external.iter().map(external).collect();
                or_placeholder(metrics, "externalmetrics", EXTERNAL_KIND)
            }
            MetricsApi::Resource => vec![
                resource("nodes", false, "NodeMetrics"),
                resource("pods", true, "PodMetrics"),
            ],
        }
    }
}

/// The kind of every answer about custom metrics.
const CUSTOM_KIND: &str = "MetricValueList";
/// The kind of every answer about external metrics.
const EXTERNAL_KIND: &str = "ExternalMetricValueList";

fn custom(info: &MetricInfo) -> ApiResource {
    ApiResource {
        name: format!("{}/{}", info.resource, info.metric),
        singular_name: "",
        namespaced: info.namespaced,
        kind: CUSTOM_KIND,
        verbs: &["get"],
    }
}

fn external(metric: &Arc<str>) -> ApiResource {
    ApiResource {
        name: metric.to_string(),
        singular_name: "",
        namespaced: true,
        kind: EXTERNAL_KIND,
        verbs: &["get"],
    }
}

fn resource(name: &str, namespaced: bool, kind: &'static str) -> ApiResource {
    ApiResource {
        name: name.to_owned(),
        singular_name: "",
        namespaced,
        kind,
        verbs: &["get", "list"],
    }
}

/// Something is listed while there is no metric, or where none shall be named. The adapters of
/// KEDA and Google have such entries too. It can only be got, so nobody who deletes or collects
/// everything that can be listed takes it for objects; and without a slash, so that `kubectl
/// api-resources` shows the group. Clients report an empty list as an error on
/// every command of theirs (kubectl: "Got empty response").
fn or_placeholder(
    mut metrics: Vec<ApiResource>,
    name: &str,
    kind: &'static str,
) -> Vec<ApiResource> {
    if metrics.is_empty() {
        metrics.push(ApiResource {
            name: name.to_owned(),
            singular_name: "",
            namespaced: true,
            kind,
            verbs: &["get"],
        });
    }
    metrics
}

/// `pods/m` is a subresource here; its parent is a stub with an empty kind, as k8s.io/apiserver
/// writes parents that are not served themselves.
fn aggregated(resources: &[ApiResource]) -> Vec<Value> {
    let kind = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let entry = |name: &str, resource: &ApiResource, of: &str, verbs: &[&str]| {
        json!({
            "resource": name,
            "responseKind": kind(of),
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": "",
            "verbs": verbs,
        })
    };
    let mut entries: BTreeMap<String, Value> = BTreeMap::new();
    for resource in resources {
        let Some((parent, subresource)) = resource.name.split_once('/') else {
            // In front of its subresources, since the list is sorted.
            let whole = entry(&resource.name, resource, resource.kind, resource.verbs);
            entries.insert(resource.name.clone(), whole);
            continue;
        };
        let parent = entries
            .entry(parent.to_owned())
            .or_insert_with(|| entry(parent, resource, "", &[]));
        let subresource = json!({
            "subresource": subresource,
            "responseKind": kind(resource.kind),
            "verbs": resource.verbs,
        });
        match parent["subresources"].as_array_mut() {
            Some(known) => known.push(subresource),
            None => parent["subresources"] = json!([subresource]),
        }
    }
    entries.into_values().collect()
}

fn group_entry(api: MetricsApi) -> Value {
    let version = |version: &GroupVersion| {
        json!({
            "groupVersion": version.api_version(),
            "version": version.version(),
        })
    };
    let versions: Vec<Value> = group::versions(api).iter().map(version).collect();
    json!({
        "name": group::name(api),
        "preferredVersion": versions.first(),
        "versions": versions,
    })
}

impl Answer for ApiResourceList {
    fn protobuf(&self) -> Vec<u8> {
        let resource = |resource: &ApiResource| message::ApiResource {
            name: resource.name.clone(),
            namespaced: resource.namespaced,
            kind: resource.kind.to_owned(),
            verbs: message::Verbs {
                items: resource.verbs.iter().map(|v| (*v).to_owned()).collect(),
            },
            singular_name: resource.singular_name.to_owned(),
            ..message::ApiResource::default()
        };
        let list = message::ApiResourceList {
            group_version: self.group_version.to_owned(),
            resources: self.resources.iter().map(resource).collect(),
        };
        proto::envelope(self.api_version, self.kind, &list)
    }
}
