//! metrics.k8s.io: nodes and pods, their lists, and their metadata alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Answer, List, Part, Time, entries, list, proto};
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
    type Fields<'a>: Fields
    where
        Self: 'a;

    /// The amounts, as fields of the object.
    fn fields(&self) -> Self::Fields<'_>;

    /// All of them added up.
    fn total(&self) -> Amount;
}

/// What stands behind the window of an object.
pub(in crate::api) trait Fields: Serialize {
    /// One of them.
    type Message: proto::Object;

    /// All of them.
    fn messages(&self) -> Vec<Self::Message>;
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
    timestamp: Time,
    #[serde(serialize_with = "write_duration")]
    window: Duration,
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
    creation_timestamp: Time,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels<'a>,
}

struct Labels<'a>(&'a ObjectLabels);

impl Labels<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// `PartialObjectMetadata`.
#[derive(Serialize)]
pub(in crate::api) struct Partial<'a> {
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Quantities {
    cpu: super::Amount,
    memory: super::Amount,
}

impl Quantities {
    fn messages(&self) -> Vec<proto::QuantityEntry> {
        let entry = |key: &str, amount: super::Amount| proto::QuantityEntry {
            key: key.to_owned(),
            value: amount.into(),
        };
        vec![entry("cpu", self.cpu), entry("memory", self.memory)]
    }
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

impl Fields for NodeFields {
    type Message = proto::QuantityEntry;

    fn messages(&self) -> Vec<proto::QuantityEntry> {
        self.usage.messages()
    }
}

impl Fields for PodFields<'_> {
    type Message = proto::ContainerMetrics;

    fn messages(&self) -> Vec<proto::ContainerMetrics> {
        let container = |container: &Container<'_>| proto::ContainerMetrics {
            name: container.name.to_owned(),
            usage: container.usage.messages(),
        };
        self.containers.iter().map(container).collect()
    }
}

impl<F: Fields> Part for Item<'_, F> {
    type Message = proto::ResourceMetrics<F::Message>;

    fn message(&self) -> Self::Message {
        proto::ResourceMetrics {
            metadata: self.metadata.message(),
            timestamp: self.timestamp.into(),
            window: proto::Duration {
                // 292 years fit.
                duration: i64::try_from(self.window.as_nanos()).unwrap_or(i64::MAX),
            },
            used: self.fields.messages(),
        }
    }
}

impl Part for Metadata<'_> {
    type Message = proto::ObjectMeta;

    fn message(&self) -> proto::ObjectMeta {
        proto::ObjectMeta {
            name: self.name.to_owned(),
            namespace: self.namespace.unwrap_or_default().to_owned(),
            creation_timestamp: self.creation_timestamp.into(),
            labels: entries(self.labels.iter()),
            ..proto::ObjectMeta::default()
        }
    }
}

impl Part for Partial<'_> {
    type Message = proto::PartialObjectMetadata;

    fn message(&self) -> proto::PartialObjectMetadata {
        proto::PartialObjectMetadata {
            metadata: self.metadata.message(),
        }
    }
}

impl<T: Part> Answer for Typed<T> {
    fn protobuf(&self) -> Vec<u8> {
        proto::envelope(self.api_version, self.kind, &self.object.message())
    }
}

/// `PartialObjectMetadataList`; in protobuf its two versions differ.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::api) struct Partials<'a> {
    list: List<Typed<Partial<'a>>>,
    #[serde(skip)]
    version: MetaVersion,
}

impl Answer for Partials<'_> {
    fn protobuf(&self) -> Vec<u8> {
        let List {
            api_version, kind, ..
        } = self.list;
        let items = self.list.items.iter().map(|item| item.object.message());
        match self.version {
            MetaVersion::V1 => {
                let mut list = proto::ListWriter::default();
                items.for_each(|item| list.push(&item));
                list.finish(api_version, kind)
            }
            MetaVersion::V1Beta1 => {
                let metadata = proto::ListMeta::default();
                let items = items.collect();
                let list = proto::PartialListV1Beta1 { items, metadata };
                proto::envelope(api_version, kind, &list)
            }
        }
    }
}

impl From<&Amount> for Quantities {
    fn from(amount: &Amount) -> Self {
        Self {
            cpu: super::Amount(amount.cpu),
            memory: super::Amount(amount.memory),
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
pub(in crate::api) fn partials<A>(version: MetaVersion, usages: &[Usage<A>]) -> Partials<'_> {
    let list = list(
        "PartialObjectMetadataList",
        version.api_version(),
        usages.iter().map(|usage| partial(version, usage)),
    );
    Partials { list, version }
}

fn item<A: Used>(usage: &Usage<A>) -> Item<'_, A::Fields<'_>> {
    Item {
        metadata: metadata(usage),
        timestamp: Time(usage.timestamp),
        window: usage.window,
        fields: usage.amount.fields(),
    }
}

fn metadata<A>(usage: &Usage<A>) -> Metadata<'_> {
    Metadata {
        name: &usage.object.name,
        namespace: usage.object.namespace.as_deref(),
        creation_timestamp: Time(usage.timestamp),
        labels: Labels(&usage.object.labels),
    }
}

fn write_duration<S: Serializer>(window: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration(*window))
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
