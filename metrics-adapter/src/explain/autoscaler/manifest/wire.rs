//! The manifest, field by field.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::quantity::Milli;

/// What every manifest says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    #[serde(default)]
    pub(super) api_version: String,
    #[serde(default)]
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

/// Whatever else a cluster adds to it is of no interest.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) scale_target_ref: Reference,
    pub(super) min_replicas: Option<i32>,
    pub(super) max_replicas: i32,
    pub(super) metrics: Option<Vec<Metric>>,
    pub(super) behavior: Option<Behavior>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<IgnoredAny>,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metric {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) pods: Option<Pods>,
    pub(super) object: Option<Object>,
    pub(super) external: Option<Pods>,
    pub(super) resource: Option<Resource>,
    pub(super) container_resource: Option<Resource>,
}

/// `External` has the same fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pods {
    pub(super) metric: Identifier,
    pub(super) target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Object {
    pub(super) described_object: Reference,
    pub(super) metric: Identifier,
    pub(super) target: Target,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) name: String,
    #[serde(default)]
    pub(super) container: Option<String>,
    pub(super) target: Target,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identifier {
    pub(super) name: String,
    #[serde(default)]
    pub(super) selector: Option<LabelSelector>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LabelSelector {
    pub(super) match_labels: Option<BTreeMap<String, String>>,
    pub(super) match_expressions: Option<Vec<Expression>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expression {
    pub(super) key: String,
    pub(super) operator: String,
    pub(super) values: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Target {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: Option<Milli>,
    pub(super) average_value: Option<Milli>,
    pub(super) average_utilization: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Behavior {
    pub(super) scale_up: Option<Rules>,
    pub(super) scale_down: Option<Rules>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) stabilization_window_seconds: Option<u32>,
    pub(super) select_policy: Option<String>,
    pub(super) policies: Option<Vec<Policy>>,
    pub(super) tolerance: Option<Milli>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: i32,
    pub(super) period_seconds: u32,
}
