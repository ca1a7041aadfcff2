//! The protobuf messages of discovery: field numbers from meta/v1 and apidiscovery/v2 (v2beta1
//! has the same ones). The small documents are JSON values, so their messages are read from them.

use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;
use super::proto::{ListMeta, ObjectMeta, envelope};

/// A document as it is in JSON.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::api) struct Document(pub(in crate::api) Value);

impl Answer for Document {
    fn protobuf(&self) -> Vec<u8> {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        match kind {
            "APIGroupList" => envelope(api_version, kind, &self.read::<ApiGroupList>()),
            "APIGroup" => envelope(api_version, kind, &self.read::<ApiGroup>()),
            _ => envelope(api_version, kind, &self.read::<ApiGroupDiscoveryList>()),
        }
    }
}

impl Document {
    /// The documents are ours: they are what is expected.
    fn read<'a, M: Deserialize<'a> + Default>(&'a self) -> M {
        M::deserialize(&self.0).unwrap_or_default()
    }
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::api) struct ApiGroupList {
    #[prost(message, repeated, tag = "1")]
    groups: Vec<ApiGroup>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::api) struct ApiGroup {
    #[prost(string, required, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    versions: Vec<GroupVersionForDiscovery>,
    #[prost(message, required, tag = "3")]
    preferred_version: GroupVersionForDiscovery,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupVersionForDiscovery {
    #[prost(string, required, tag = "1")]
    group_version: String,
    #[prost(string, required, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ApiResourceList {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) group_version: String,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::api) resources: Vec<ApiResource>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ApiResource {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(bool, required, tag = "2")]
    pub(in crate::api) namespaced: bool,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) kind: String,
    #[prost(message, required, tag = "4")]
    pub(in crate::api) verbs: Verbs,
    #[prost(string, required, tag = "6")]
    pub(in crate::api) singular_name: String,
    #[prost(string, required, tag = "8")]
    pub(in crate::api) group: String,
    #[prost(string, required, tag = "9")]
    pub(in crate::api) version: String,
    #[prost(string, required, tag = "10")]
    pub(in crate::api) storage_version_hash: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Verbs {
    #[prost(string, repeated, tag = "1")]
    pub(in crate::api) items: Vec<String>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiGroupDiscoveryList {
    #[serde(skip)]
    #[prost(message, required, tag = "1")]
    metadata: ListMeta,
    #[prost(message, repeated, tag = "2")]
    items: Vec<ApiGroupDiscovery>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiGroupDiscovery {
    #[serde(deserialize_with = "name_of")]
    #[prost(message, required, tag = "1")]
    metadata: ObjectMeta,
    #[prost(message, repeated, tag = "2")]
    versions: Vec<ApiVersionDiscovery>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiVersionDiscovery {
    #[prost(string, required, tag = "1")]
    version: String,
    #[prost(message, repeated, tag = "2")]
    resources: Vec<ApiResourceDiscovery>,
    #[prost(string, required, tag = "3")]
    freshness: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiResourceDiscovery {
    #[prost(string, required, tag = "1")]
    resource: String,
    #[prost(message, optional, tag = "2")]
    response_kind: Option<GroupVersionKind>,
    #[prost(string, required, tag = "3")]
    scope: String,
    #[prost(string, required, tag = "4")]
    singular_resource: String,
    #[prost(string, repeated, tag = "5")]
    verbs: Vec<String>,
    #[prost(message, repeated, tag = "8")]
    subresources: Vec<ApiSubresourceDiscovery>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiSubresourceDiscovery {
    #[prost(string, required, tag = "1")]
    subresource: String,
    #[prost(message, optional, tag = "2")]
    response_kind: Option<GroupVersionKind>,
    #[prost(string, repeated, tag = "4")]
    verbs: Vec<String>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupVersionKind {
    #[prost(string, required, tag = "1")]
    group: String,
    #[prost(string, required, tag = "2")]
    version: String,
    #[prost(string, required, tag = "3")]
    kind: String,
}

fn name_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let Named { name } = Named::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name,
        ..ObjectMeta::default()
    })
}
