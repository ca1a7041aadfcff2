//! `explain hpa/NAME`: what an HPA's metrics are now, what the controller's arithmetic makes of
//! them, and whether the HPA's status says the same.
//!
//! Law: everything is read with the user's own rights, through kube-apiserver, and once.

mod gather;
mod measure;
mod text;
mod verdict;
mod wire;

use serde::Serialize;

pub use gather::explain;
pub use text::text;
pub use verdict::{Verdict, Word};

use super::document::Document;

/// What is known of an HPA.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it scales, such as `Deployment/web`.
    pub workload: String,
    /// Whether its status says what its metrics ask for, and why not.
    pub verdict: Verdict,
    /// `minReplicas` and `maxReplicas`.
    pub bounds: [i32; 2],
    /// Replicas now, by the target's scale.
    pub replicas: i32,
    /// What the metrics ask for now, before bounds, policies and stabilization; `None` where too
    /// little is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<i32>,
    /// What the HPA's status says.
    pub status: Status,
    /// The target's pods.
    pub pods: usize,
    /// Each metric of the HPA.
    pub metrics: Vec<MetricReport>,
}

/// The HPA's status, as far as it is compared.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `currentReplicas`.
    pub current_replicas: i32,
    /// `desiredReplicas`.
    pub desired_replicas: i32,
    /// `lastScaleTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<String>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// A condition of the HPA.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct Condition {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

/// One metric of the HPA.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// Such as `pods/http_requests`.
    pub name: String,
    /// What it should be.
    pub target: String,
    /// What it is, as the HPA's status tells such a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// What the HPA's status says that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The usage as parts of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Whether the ratio is so near to 1 that nothing changes.
    pub is_tolerated: bool,
    /// The replicas that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods without a value, which are taken so that they speak against a change.
    pub missing: Vec<String>,
    /// Pods that are not ready.
    pub unready: Vec<String>,
    /// Why it asks for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What helps then, or against being unexplained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
    /// What the adapter tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Document>>,
    /// Why it tells nothing, although there are values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<String>,
}

#[cfg(test)]
mod tests;
