//! Asking kube-apiserver what it serves.
//!
//! Law: a group that is broken (an APIService without its server, which may be our own) costs
//! that group only, and what was known of it stays.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::client::{APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery, Body};

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
    /// Tells this answer from others; for the next question.
    pub(super) etag: Option<String>,
}

/// Loads everything, in two calls where kube-apiserver knows aggregated discovery (1.26 and
/// newer), or else in one per group version. `None` when nothing has changed since the answer
/// with the given ETag.
pub(super) async fn load(
    client: &Client,
    known: &Table,
    etag: Option<&str>,
) -> Result<Option<Discovered>, String> {
    let Some((groups, etag)) = ask(groups(client, etag)).await? else {
        return Ok(None);
    };
    let core = ask(client.list_core_api_versions_aggregated()).await?.items;
    // A server that does not know the form answers with the old one, which has no items.
    if core.is_empty() || groups.is_empty() {
        return load_each(client, known).await.map(Some);
    }
    let mut discovered = Discovered {
        table: Table::default(),
        broken: BTreeSet::new(),
        etag,
    };
    for group in core.into_iter().chain(groups) {
        discovered.add_group(group, known);
    }
    Ok(Some(discovered))
}

/// The forms of the aggregated document, as kube's own client asks for them.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;\
                          as=APIGroupDiscoveryList,application/json";

/// All groups but the core group, and the answer's ETag; `None` for "as before".
async fn groups(
    client: &Client,
    etag: Option<&str>,
) -> kube::Result<Option<(Vec<APIGroupDiscovery>, Option<String>)>> {
    let mut request = Request::get("/apis").header(header::ACCEPT, AGGREGATED);
    if let Some(etag) = etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let request = request
        .body(Body::empty())
        .map_err(kube::Error::HttpError)?;
    let response = client.send(request).await?;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let etag = response.headers().get(header::ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let body = response.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let refusal = serde_json::from_slice(&body)
            .unwrap_or_else(|_| kube::core::Status::failure(&text, "").with_code(status.as_u16()));
        return Err(kube::Error::Api(Box::new(refusal)));
    }
    let list: APIGroupDiscoveryList =
        serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
    Ok(Some((list.items, etag)))
}

async fn load_each(client: &Client, known: &Table) -> Result<Discovered, String> {
    let mut discovered = Discovered {
        table: Table::default(),
        broken: BTreeSet::new(),
        etag: None,
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
                singular: singular(resource.singular_name, &resource.kind).into(),
                id: GroupResource::new(group, resource.name),
                version: version.into(),
                kind: resource.kind.into(),
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
        version: version.into(),
        singular: singular(resource.singular_resource.unwrap_or_default(), &kind).into(),
        kind: kind.into(),
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
