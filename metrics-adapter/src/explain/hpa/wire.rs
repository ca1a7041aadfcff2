//! What of kube-apiserver's documents is looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::Condition;

#[derive(Deserialize)]
pub(super) struct Hpa {
    pub(super) spec: HpaSpec,
    #[serde(default)]
    pub(super) status: HpaStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HpaSpec {
    pub(super) scale_target_ref: Reference,
    #[serde(default)]
    pub(super) metrics: Vec<SpecMetric>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// Only what says which kind a described object is of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpecMetric {
    #[serde(default)]
    pub(super) object: Option<DescribedObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribedObject {
    pub(super) described_object: Reference,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HpaStatus {
    pub(super) current_replicas: i32,
    pub(super) desired_replicas: i32,
    pub(super) last_scale_time: Option<String>,
    pub(super) conditions: Vec<Condition>,
    /// `null` as long as there are none.
    pub(super) current_metrics: Option<Vec<CurrentMetric>>,
}

/// A metric in the status; all kinds have the same fields, where they have them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CurrentMetric {
    pub(super) r#type: String,
    pub(super) pods: Option<CurrentSource>,
    pub(super) object: Option<CurrentSource>,
    pub(super) external: Option<CurrentSource>,
    pub(super) resource: Option<CurrentSource>,
    pub(super) container_resource: Option<CurrentSource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CurrentSource {
    /// Of a resource.
    pub(super) name: String,
    pub(super) metric: Identifier,
    pub(super) current: Current,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Identifier {
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Current {
    pub(super) value: Option<String>,
    pub(super) average_value: Option<String>,
    pub(super) average_utilization: Option<i32>,
}

#[derive(Deserialize)]
pub(super) struct ResourceList {
    pub(super) resources: Vec<Resource>,
}

#[derive(Deserialize)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) kind: String,
}

#[derive(Deserialize)]
pub(super) struct Scale {
    #[serde(default)]
    pub(super) spec: ScaleSpec,
    #[serde(default)]
    pub(super) status: ScaleStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ScaleSpec {
    pub(super) replicas: i32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ScaleStatus {
    pub(super) replicas: i32,
    pub(super) selector: String,
}

/// Pods, values and usage all come as lists.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: PodSpec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) containers: Vec<Container>,
    pub(super) init_containers: Vec<Container>,
    /// Of the whole pod, where they are set there.
    pub(super) resources: Requirements,
    pub(super) overhead: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    #[serde(default)]
    pub(super) resources: Requirements,
    /// Of init containers: `Always` for sidecars.
    #[serde(default)]
    pub(super) restart_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Requirements {
    pub(super) requests: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: String,
    pub(super) start_time: Option<Timestamp>,
    pub(super) conditions: Vec<PodCondition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodCondition {
    pub(super) r#type: String,
    pub(super) status: String,
    pub(super) last_transition_time: Option<Timestamp>,
}

/// An item of `MetricValueList` or `ExternalMetricValueList`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricValue {
    #[serde(default)]
    pub(super) described_object: Reference,
    pub(super) value: String,
    pub(super) timestamp: Timestamp,
}

/// An item of `PodMetricsList`.
#[derive(Deserialize)]
pub(super) struct PodMetrics {
    pub(super) metadata: Metadata,
    pub(super) timestamp: Timestamp,
    pub(super) window: String,
    pub(super) containers: Vec<Usage>,
}

#[derive(Deserialize)]
pub(super) struct Usage {
    pub(super) name: String,
    pub(super) usage: BTreeMap<String, String>,
}
