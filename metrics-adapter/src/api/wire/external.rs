//! external.metrics.k8s.io.

use serde::Serialize;

use super::{List, list, seconds, timestamp};
use crate::api::group::GroupVersion;
use crate::model::ExternalValue;
use crate::model::sample::Labels;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Item<'a> {
    metric_name: &'a str,
    /// Null for a scalar.
    metric_labels: Option<LabelMap<'a>>,
    timestamp: String,
    #[serde(rename = "window", skip_serializing_if = "Option::is_none")]
    window_seconds: Option<u64>,
    value: String,
}

/// The domain knows nothing of serde.
struct LabelMap<'a>(&'a Labels);

impl Serialize for LabelMap<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref())))
    }
}

/// `ExternalMetricValueList`.
pub(in crate::api) fn values<'a>(metric: &'a str, values: &'a [ExternalValue]) -> List<Item<'a>> {
    let item = |value: &'a ExternalValue| Item {
        metric_name: metric,
        metric_labels: value.labels.as_ref().map(LabelMap),
        timestamp: timestamp(value.timestamp),
        window_seconds: seconds(value.window),
        value: value.value.to_string(),
    };
    list(
        "ExternalMetricValueList",
        GroupVersion::ExternalV1Beta1.api_version(),
        values.iter().map(item),
    )
}
