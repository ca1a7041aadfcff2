//! The protobuf messages of Kubernetes, as far as they are answered here: field numbers from the
//! `generated.proto` of k8s.io/apimachinery, k8s.io/api and k8s.io/metrics (v0.36).
//!
//! Law: the bytes are those of Go's generated marshallers. They write every field that is no
//! pointer, empty or not, so such fields are `required` here; and both halves of a map's entry, so
//! maps are lists of entries, sorted by key.

use std::fmt::Debug;

use prost::Message;
use prost::encoding::message;

/// What the generic messages are made of.
pub(in crate::api) trait Object: Message + Default + Debug {}

impl<M: Message + Default + Debug> Object for M {}

/// In front of every object.
const MAGIC: &[u8] = b"k8s\0";

/// `runtime.Unknown`.
#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, required, tag = "1")]
    type_meta: TypeMeta,
    #[prost(bytes = "vec", required, tag = "2")]
    raw: Vec<u8>,
    #[prost(string, required, tag = "3")]
    content_encoding: String,
    #[prost(string, required, tag = "4")]
    content_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, required, tag = "1")]
    api_version: String,
    #[prost(string, required, tag = "2")]
    kind: String,
}

/// The bytes of `application/vnd.kubernetes.protobuf`.
pub(in crate::api) fn envelope<M: Object>(api_version: &str, kind: &str, object: &M) -> Vec<u8> {
    wrap(api_version, kind, object.encode_to_vec())
}

fn wrap(api_version: &str, kind: &str, raw: Vec<u8>) -> Vec<u8> {
    let unknown = Unknown {
        type_meta: TypeMeta {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        },
        raw,
        content_encoding: String::new(),
        content_type: String::new(),
    };
    let mut bytes = Vec::with_capacity(MAGIC.len() + unknown.encoded_len());
    bytes.extend_from_slice(MAGIC);
    unknown.encode_raw(&mut bytes);
    bytes
}

/// Any list that has its metadata (number 1) in front of its items (number 2), item by item.
#[derive(Debug)]
pub(in crate::api) struct ListWriter {
    raw: Vec<u8>,
}

impl Default for ListWriter {
    fn default() -> Self {
        let mut raw = Vec::new();
        message::encode(1, &ListMeta::default(), &mut raw);
        Self { raw }
    }
}

impl ListWriter {
    /// The next item.
    pub(in crate::api) fn push<M: Object>(&mut self, item: &M) {
        message::encode(2, item, &mut self.raw);
    }

    /// The bytes of `application/vnd.kubernetes.protobuf`.
    pub(in crate::api) fn finish(self, api_version: &str, kind: &str) -> Vec<u8> {
        wrap(api_version, kind, self.raw)
    }
}

/// `PartialObjectMetadataList` of meta.k8s.io/v1beta1: the other way round.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct PartialListV1Beta1 {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::api) items: Vec<PartialObjectMetadata>,
    #[prost(message, required, tag = "2")]
    pub(in crate::api) metadata: ListMeta,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ListMeta {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) self_link: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) resource_version: String,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) r#continue: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ObjectMeta {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) generate_name: String,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) namespace: String,
    #[prost(string, required, tag = "4")]
    pub(in crate::api) self_link: String,
    #[prost(string, required, tag = "5")]
    pub(in crate::api) uid: String,
    #[prost(string, required, tag = "6")]
    pub(in crate::api) resource_version: String,
    #[prost(int64, required, tag = "7")]
    pub(in crate::api) generation: i64,
    #[prost(message, required, tag = "8")]
    pub(in crate::api) creation_timestamp: Time,
    #[prost(message, repeated, tag = "11")]
    pub(in crate::api) labels: Vec<Entry>,
}

/// An entry of a `map<string, string>`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Entry {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) key: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) value: String,
}

/// An entry of a `map<string, Quantity>`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct QuantityEntry {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) key: String,
    #[prost(message, required, tag = "2")]
    pub(in crate::api) value: Quantity,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Quantity {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) string: String,
}

/// Go's zero time has neither field; any other one has both.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Time {
    #[prost(int64, optional, tag = "1")]
    pub(in crate::api) seconds: Option<i64>,
    #[prost(int32, optional, tag = "2")]
    pub(in crate::api) nanos: Option<i32>,
}

/// Nanoseconds.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Duration {
    #[prost(int64, required, tag = "1")]
    pub(in crate::api) duration: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ObjectReference {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) kind: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) namespace: String,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) name: String,
    #[prost(string, required, tag = "4")]
    pub(in crate::api) uid: String,
    #[prost(string, required, tag = "5")]
    pub(in crate::api) api_version: String,
    #[prost(string, required, tag = "6")]
    pub(in crate::api) resource_version: String,
    #[prost(string, required, tag = "7")]
    pub(in crate::api) field_path: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct LabelSelector {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::api) match_labels: Vec<Entry>,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::api) match_expressions: Vec<LabelSelectorRequirement>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct LabelSelectorRequirement {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) key: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) operator: String,
    #[prost(string, repeated, tag = "3")]
    pub(in crate::api) values: Vec<String>,
}

/// `MetricValue` of custom.metrics.k8s.io/v1beta1.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct CustomV1Beta1 {
    #[prost(message, required, tag = "1")]
    pub(in crate::api) described_object: ObjectReference,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) metric_name: String,
    #[prost(message, required, tag = "3")]
    pub(in crate::api) timestamp: Time,
    #[prost(int64, optional, tag = "4")]
    pub(in crate::api) window: Option<i64>,
    #[prost(message, required, tag = "5")]
    pub(in crate::api) value: Quantity,
    #[prost(message, optional, tag = "6")]
    pub(in crate::api) selector: Option<LabelSelector>,
}

/// `MetricValue` of custom.metrics.k8s.io/v1beta2.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct CustomV1Beta2 {
    #[prost(message, required, tag = "1")]
    pub(in crate::api) described_object: ObjectReference,
    #[prost(message, required, tag = "2")]
    pub(in crate::api) metric: MetricIdentifier,
    #[prost(message, required, tag = "3")]
    pub(in crate::api) timestamp: Time,
    #[prost(int64, optional, tag = "4")]
    pub(in crate::api) window_seconds: Option<i64>,
    #[prost(message, required, tag = "5")]
    pub(in crate::api) value: Quantity,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct MetricIdentifier {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::api) selector: Option<LabelSelector>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ExternalMetricValue {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) metric_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::api) metric_labels: Vec<Entry>,
    #[prost(message, required, tag = "3")]
    pub(in crate::api) timestamp: Time,
    #[prost(int64, optional, tag = "4")]
    pub(in crate::api) window: Option<i64>,
    #[prost(message, required, tag = "5")]
    pub(in crate::api) value: Quantity,
}

/// `NodeMetrics` (with `usage`) and `PodMetrics` (with `containers`): both have number 4, so
/// which one it is tells the type parameter.
#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ResourceMetrics<F: Object> {
    #[prost(message, required, tag = "1")]
    pub(in crate::api) metadata: ObjectMeta,
    #[prost(message, required, tag = "2")]
    pub(in crate::api) timestamp: Time,
    #[prost(message, required, tag = "3")]
    pub(in crate::api) window: Duration,
    #[prost(message, repeated, tag = "4")]
    pub(in crate::api) used: Vec<F>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct ContainerMetrics {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::api) usage: Vec<QuantityEntry>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct PartialObjectMetadata {
    #[prost(message, required, tag = "1")]
    pub(in crate::api) metadata: ObjectMeta,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct Status {
    #[prost(message, required, tag = "1")]
    pub(in crate::api) metadata: ListMeta,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) status: String,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) message: String,
    #[prost(string, required, tag = "4")]
    pub(in crate::api) reason: String,
    #[prost(message, optional, tag = "5")]
    pub(in crate::api) details: Option<StatusDetails>,
    #[prost(int32, required, tag = "6")]
    pub(in crate::api) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::api) struct StatusDetails {
    #[prost(string, required, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(string, required, tag = "2")]
    pub(in crate::api) group: String,
    #[prost(string, required, tag = "3")]
    pub(in crate::api) kind: String,
    #[prost(int32, required, tag = "5")]
    pub(in crate::api) retry_after_seconds: i32,
    #[prost(string, required, tag = "6")]
    pub(in crate::api) uid: String,
}
