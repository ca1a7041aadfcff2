//! Asking kube-apiserver what it serves.
//!
//! Law: a group that is broken (an APIService without its server, which may be our own) costs
//! that group only, and what was known of it stays.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::client::{APIGroupDiscovery, APIResourceDiscovery};

use super::table::Table;
use crate::cluster::failure;
use crate::model::{GroupResource, ResourceType};

/// Time for one document; aggregated ones of large clusters are some megabytes.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// What kube-apiserver serves.
pub(super) struct Discovered {
    pub(super) table: Table,
    /// Group versions whose resources could not be told.
    pub(super) broken: BTreeSet<String>,
}

/// Loads everything, in two calls where kube-apiserver knows aggregated discovery (1.26 and
/// newer), or else in one per group version.
pub(super) async fn load(client: &Client, known: &Table) -> Result<Discovered, String> {
    let core = ask(client.list_core_api_versions_aggregated()).await?.items;
    let groups = ask(client.list_api_groups_aggregated()).await?.items;
    // A server that does not know the form answers with the old one, which has no items.
    if core.is_empty() || groups.is_empty() {
        return load_each(client, known).await;
    }
    let mut discovered = Discovered {
        table: Table::default(),
        broken: BTreeSet::new(),
    };
    for group in core.into_iter().chain(groups) {
        discovered.add_group(group, known);
    }
    Ok(discovered)
}

async fn load_each(client: &Client, known: &Table) -> Result<Discovered, String> {
    let mut discovered = Discovered {
        table: Table::default(),
        broken: BTreeSet::new(),
    };
    for version in ask(client.list_core_api_versions()).await?.versions {
        let list = ask(client.list_core_api_resources(&version)).await;
        discovered.add_list("", &version, list, known);
    }
    for group in ask(client.list_api_groups()).await?.groups {
        let preferred = group
            .preferred_version
            .as_ref()
            .map(|version| version.version.clone());
        let (first, rest): (Vec<_>, Vec<_>) = group
            .versions
            .into_iter()
            .partition(|version| Some(&version.version) == preferred.as_ref());
        for version in first.into_iter().chain(rest) {
            let list = ask(client.list_api_group_resources(&version.group_version)).await;
            discovered.add_list(&group.name, &version.version, list, known);
        }
    }
    Ok(discovered)
}

async fn ask<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(DOCUMENT_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| failure::describe(&error)),
        Err(_elapsed) => Err(format!("no answer within {DOCUMENT_TIMEOUT:?}")),
    }
}

impl Discovered {
    fn add_group(&mut self, group: APIGroupDiscovery, known: &Table) {
        let name = group
            .metadata
            .and_then(|metadata| metadata.name)
            .unwrap_or_default();
        for version in group.versions {
            let number = version.version.unwrap_or_default();
            if version.freshness.as_deref() == Some("Stale") {
                self.keep(&name, &number, known);
            }
            for resource in version.resources {
                self.table.extend(aggregated(&name, &number, resource));
            }
        }
    }

    fn add_list(
        &mut self,
        group: &str,
        version: &str,
        list: Result<APIResourceList, String>,
        known: &Table,
    ) {
        let list = match list {
            Ok(list) => list,
            Err(problem) => {
                tracing::debug!(group, version, problem, "API discovery of a group failed");
                return self.keep(group, version, known);
            }
        };
        for resource in list.resources {
            if resource.name.contains('/') {
                continue;
            }
            self.table.add(ResourceType {
                singular: singular(resource.singular_name, &resource.kind),
                id: GroupResource::new(group, resource.name),
                version: version.to_owned(),
                kind: resource.kind,
                namespaced: resource.namespaced,
            });
        }
    }

    fn keep(&mut self, group: &str, version: &str, known: &Table) {
        self.broken.insert(format!("{group}/{version}"));
        self.table.extend(known.of_version(group, version).cloned());
    }
}

impl Extend<ResourceType> for Table {
    fn extend<T: IntoIterator<Item = ResourceType>>(&mut self, types: T) {
        types.into_iter().for_each(|resource| self.add(resource));
    }
}

fn aggregated(group: &str, version: &str, resource: APIResourceDiscovery) -> Option<ResourceType> {
    // A resource without kind stands for subresources only (as in custom.metrics.k8s.io).
    let kind = resource
        .response_kind?
        .kind
        .filter(|kind| !kind.is_empty())?;
    Some(ResourceType {
        id: GroupResource::new(group, resource.resource?),
        version: version.to_owned(),
        singular: singular(resource.singular_resource.unwrap_or_default(), &kind),
        kind,
        namespaced: resource.scope.as_deref() == Some("Namespaced"),
    })
}

/// Servers before 1.27 leave it out for built-in types (kubernetes#115638).
fn singular(singular: String, kind: &str) -> String {
    if singular.is_empty() {
        kind.to_lowercase()
    } else {
        singular
    }
}
