//! metrics.k8s.io: nodes and pods, their lists, and their metadata alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{List, list, timestamp};
use crate::api::accept::MetaVersion;
use crate::api::group::GroupVersion;
use crate::model::{Amount, ObjectLabels, Quantity, Usage};

/// What is used, and how it is written.
pub(in crate::api) trait Used {
    /// Kind of one object; a list has `List` behind it.
    const KIND: &'static str;
    /// Kind of a list.
    const LIST_KIND: &'static str;
    /// The fields that hold the amounts.
    type Fields<'a>: Serialize
    where
        Self: 'a;

    /// The amounts, as fields of the object.
    fn fields(&self) -> Self::Fields<'_>;

    /// All of them added up.
    fn total(&self) -> Amount;
}

/// `apiVersion` and `kind`, in front of what stands alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Typed<T> {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    object: T,
}

/// `NodeMetrics` or `PodMetrics`, as it stands in a list.
#[derive(Serialize)]
pub(in crate::api) struct Item<'a, F> {
    metadata: Metadata<'a>,
    timestamp: String,
    window: String,
    #[serde(flatten)]
    fields: F,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    /// Upstream writes its present here; the metrics are as old as their samples.
    creation_timestamp: String,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels<'a>,
}

struct Labels<'a>(&'a ObjectLabels);

impl Labels<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref())))
    }
}

/// `PartialObjectMetadata`.
#[derive(Serialize)]
pub(in crate::api) struct Partial<'a> {
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Quantities {
    cpu: String,
    memory: String,
}

#[derive(Serialize)]
pub(in crate::api) struct NodeFields {
    usage: Quantities,
}

#[derive(Serialize)]
pub(in crate::api) struct PodFields<'a> {
    containers: Vec<Container<'a>>,
}

#[derive(Serialize)]
struct Container<'a> {
    name: &'a str,
    usage: Quantities,
}

impl From<&Amount> for Quantities {
    fn from(amount: &Amount) -> Self {
        Self {
            cpu: amount.cpu.to_string(),
            memory: amount.memory.to_string(),
        }
    }
}

impl Used for Amount {
    const KIND: &'static str = "NodeMetrics";
    const LIST_KIND: &'static str = "NodeMetricsList";
    type Fields<'a> = NodeFields;

    fn fields(&self) -> NodeFields {
        NodeFields { usage: self.into() }
    }

    fn total(&self) -> Self {
        *self
    }
}

impl Used for BTreeMap<Arc<str>, Amount> {
    const KIND: &'static str = "PodMetrics";
    const LIST_KIND: &'static str = "PodMetricsList";
    type Fields<'a> = PodFields<'a>;

    fn fields(&self) -> PodFields<'_> {
        let containers = self.iter().map(|(name, amount)| Container {
            name,
            usage: amount.into(),
        });
        PodFields {
            containers: containers.collect(),
        }
    }

    fn total(&self) -> Amount {
        self.values().fold(Amount::ZERO, |sum, amount| Amount {
            cpu: add(sum.cpu, amount.cpu),
            memory: add(sum.memory, amount.memory),
        })
    }
}

/// In the format of the second one: the first one is a sum that began as a plain zero.
fn add(sum: Quantity, amount: Quantity) -> Quantity {
    let milli = sum.milli().saturating_add(amount.milli());
    Quantity::from_milli(milli).with_format(amount.format())
}

/// One object on its own.
pub(in crate::api) fn object<A: Used>(usage: &Usage<A>) -> Typed<Item<'_, A::Fields<'_>>> {
    Typed {
        kind: A::KIND,
        api_version: GroupVersion::ResourceV1Beta1.api_version(),
        object: item(usage),
    }
}

/// `NodeMetricsList` or `PodMetricsList`.
pub(in crate::api) fn objects<A: Used>(usages: &[Usage<A>]) -> List<Item<'_, A::Fields<'_>>> {
    list(
        A::LIST_KIND,
        GroupVersion::ResourceV1Beta1.api_version(),
        usages.iter().map(item),
    )
}

/// The metadata of one object.
pub(in crate::api) fn partial<A>(version: MetaVersion, usage: &Usage<A>) -> Typed<Partial<'_>> {
    Typed {
        kind: "PartialObjectMetadata",
        api_version: version.api_version(),
        object: Partial {
            metadata: metadata(usage),
        },
    }
}

/// The metadata of many.
pub(in crate::api) fn partials<A>(
    version: MetaVersion,
    usages: &[Usage<A>],
) -> List<Typed<Partial<'_>>> {
    list(
        "PartialObjectMetadataList",
        version.api_version(),
        usages.iter().map(|usage| partial(version, usage)),
    )
}

fn item<A: Used>(usage: &Usage<A>) -> Item<'_, A::Fields<'_>> {
    Item {
        metadata: metadata(usage),
        timestamp: timestamp(usage.timestamp),
        window: duration(usage.window),
        fields: usage.amount.fields(),
    }
}

fn metadata<A>(usage: &Usage<A>) -> Metadata<'_> {
    Metadata {
        name: &usage.object.name,
        namespace: usage.object.namespace.as_deref(),
        creation_timestamp: timestamp(usage.timestamp),
        labels: Labels(&usage.object.labels),
    }
}

/// Go's `Duration.String()`, as metav1.Duration is written: `1m0s`, `1.5s`, `250ms`. Prometheus'
/// durations have whole milliseconds, so smaller units never occur.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    let (minutes, milliseconds) = (milliseconds / 60_000, milliseconds % 60_000);
    let seconds = match (milliseconds / 1000, milliseconds % 1000) {
        (whole, 0) => format!("{whole}s"),
        (whole, part) => format!("{whole}.{}s", format!("{part:03}").trim_end_matches('0')),
    };
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (milliseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (250, "250ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (30_010, "30.01s"),
            (60_000, "1m0s"),
            (90_000, "1m30s"),
            (300_000, "5m0s"),
            (3_600_000, "1h0m0s"),
            (5_400_001, "1h30m0.001s"),
            (90_000_000, "25h0m0s"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
