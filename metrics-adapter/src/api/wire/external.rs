//! external.metrics.k8s.io.

use serde::Serialize;

use super::{Amount, List, Part, Time, entries, list, proto, seconds};
use crate::api::group::GroupVersion;
use crate::model::ExternalValue;
use crate::model::sample::Labels;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Item<'a> {
    metric_name: &'a str,
    /// Null for a scalar.
    metric_labels: Option<LabelMap<'a>>,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<i64>,
    value: Amount,
}

/// The domain knows nothing of serde.
struct LabelMap<'a>(&'a Labels);

impl LabelMap<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))
    }
}

impl Serialize for LabelMap<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Part for Item<'_> {
    type Message = proto::ExternalMetricValue;

    fn message(&self) -> proto::ExternalMetricValue {
        let labels = self.metric_labels.as_ref();
        proto::ExternalMetricValue {
            metric_name: self.metric_name.to_owned(),
            metric_labels: labels.map_or_else(Vec::new, |labels| entries(labels.iter())),
            timestamp: self.timestamp.into(),
            window: self.window,
            value: self.value.into(),
        }
    }
}

/// `ExternalMetricValueList`.
pub(in crate::api) fn values<'a>(metric: &'a str, values: &'a [ExternalValue]) -> List<Item<'a>> {
    let item = |value: &'a ExternalValue| Item {
        metric_name: metric,
        metric_labels: value.labels.as_ref().map(LabelMap),
        timestamp: Time(value.timestamp),
        window: seconds(value.window),
        value: Amount(value.value),
    };
    list(
        "ExternalMetricValueList",
        GroupVersion::ExternalV1Beta1.api_version(),
        values.iter().map(item),
    )
}
