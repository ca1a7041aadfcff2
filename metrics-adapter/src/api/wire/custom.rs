//! custom.metrics.k8s.io. The two versions name things differently.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};

use super::draft::{Draft, Slot};
use super::{Amount, Answer, List, Part, Time, entries, list, proto, seconds};
use crate::api::group::GroupVersion;
use crate::model::{MetricValue, ObjectRef, Operator, Requirement, Selector};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ItemV1Beta1<'a> {
    described_object: DescribedObject<'a>,
    metric_name: &'a str,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<i64>,
    value: Slot<'a, Amount>,
    /// Null when there is none, as upstream writes it.
    selector: Option<&'a LabelSelector<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ItemV1Beta2<'a> {
    described_object: DescribedObject<'a>,
    metric: Identifier<'a>,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<i64>,
    value: Slot<'a, Amount>,
}

#[derive(Serialize)]
struct Identifier<'a> {
    name: &'a str,
    selector: Option<&'a LabelSelector<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedObject<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: Slot<'a, &'a str>,
    api_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LabelSelector<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    match_labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_expressions: Vec<Expression<'a>>,
}

#[derive(Serialize)]
struct Expression<'a> {
    key: &'a str,
    operator: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'a str>,
}

impl Part for ItemV1Beta1<'_> {
    type Message = proto::CustomV1Beta1;

    fn message(&self) -> proto::CustomV1Beta1 {
        proto::CustomV1Beta1 {
            described_object: self.described_object.message(),
            metric_name: self.metric_name.to_owned(),
            timestamp: self.timestamp.into(),
            window: self.window,
            value: self.value.get().map(Into::into).unwrap_or_default(),
            selector: self.selector.map(Part::message),
        }
    }
}

impl Part for ItemV1Beta2<'_> {
    type Message = proto::CustomV1Beta2;

    fn message(&self) -> proto::CustomV1Beta2 {
        proto::CustomV1Beta2 {
            described_object: self.described_object.message(),
            metric: proto::MetricIdentifier {
                name: self.metric.name.to_owned(),
                selector: self.metric.selector.map(Part::message),
            },
            timestamp: self.timestamp.into(),
            window_seconds: self.window_seconds,
            value: self.value.get().map(Into::into).unwrap_or_default(),
        }
    }
}

impl Part for DescribedObject<'_> {
    type Message = proto::ObjectReference;

    fn message(&self) -> proto::ObjectReference {
        proto::ObjectReference {
            kind: self.kind.to_owned(),
            namespace: self.namespace.unwrap_or_default().to_owned(),
            name: self.name.get().unwrap_or_default().to_owned(),
            api_version: self.api_version.to_owned(),
            ..proto::ObjectReference::default()
        }
    }
}

impl Part for LabelSelector<'_> {
    type Message = proto::LabelSelector;

    fn message(&self) -> proto::LabelSelector {
        let expression = |expression: &Expression<'_>| proto::LabelSelectorRequirement {
            key: expression.key.to_owned(),
            operator: expression.operator.to_owned(),
            values: expression.values.iter().map(|v| (*v).to_owned()).collect(),
        };
        proto::LabelSelector {
            match_labels: entries(self.match_labels.iter().map(|(k, v)| (*k, *v))),
            match_expressions: self.match_expressions.iter().map(expression).collect(),
        }
    }
}

const KIND: &str = "MetricValueList";

/// `MetricValueList` in one of its versions.
pub(in crate::api) struct Values<'a, V> {
    metric: &'a str,
    selector: Option<LabelSelector<'a>>,
    values: &'a [MetricValue],
    version: PhantomData<V>,
}

/// `custom.metrics.k8s.io/v1beta1`.
pub(in crate::api) struct V1Beta1;
/// `custom.metrics.k8s.io/v1beta2`.
pub(in crate::api) struct V1Beta2;

/// What a version names, and how.
pub(in crate::api) trait Version: Sized {
    /// One value.
    type Item<'a>: Part<Message: Gaps>
    where
        Self: 'a;
    /// Which version it is.
    const VERSION: GroupVersion;

    /// One value, or a draft of it, without the object's name and the amount.
    fn item<'a>(
        list: &'a Values<'a, Self>,
        value: &'a MetricValue,
        draft: Option<&'a Draft>,
    ) -> Self::Item<'a>;
}

/// A message whose gaps are filled again for the next object.
pub(in crate::api) trait Gaps: proto::Object {
    /// The object's name, and the amount.
    fn gaps(&mut self) -> (&mut String, &mut String);
}

impl Gaps for proto::CustomV1Beta1 {
    fn gaps(&mut self) -> (&mut String, &mut String) {
        (&mut self.described_object.name, &mut self.value.string)
    }
}

impl Gaps for proto::CustomV1Beta2 {
    fn gaps(&mut self) -> (&mut String, &mut String) {
        (&mut self.described_object.name, &mut self.value.string)
    }
}

impl Version for V1Beta1 {
    type Item<'a> = ItemV1Beta1<'a>;
    const VERSION: GroupVersion = GroupVersion::CustomV1Beta1;

    fn item<'a>(
        list: &'a Values<'a, Self>,
        value: &'a MetricValue,
        draft: Option<&'a Draft>,
    ) -> ItemV1Beta1<'a> {
        ItemV1Beta1 {
            described_object: described(&value.object, draft),
            metric_name: list.metric,
            timestamp: Time(value.timestamp),
            window: seconds(value.window),
            value: slot(Amount(value.value), draft),
            selector: list.selector.as_ref(),
        }
    }
}

impl Version for V1Beta2 {
    type Item<'a> = ItemV1Beta2<'a>;
    const VERSION: GroupVersion = GroupVersion::CustomV1Beta2;

    fn item<'a>(
        list: &'a Values<'a, Self>,
        value: &'a MetricValue,
        draft: Option<&'a Draft>,
    ) -> ItemV1Beta2<'a> {
        ItemV1Beta2 {
            described_object: described(&value.object, draft),
            metric: Identifier {
                name: list.metric,
                selector: list.selector.as_ref(),
            },
            timestamp: Time(value.timestamp),
            window_seconds: seconds(value.window),
            value: slot(Amount(value.value), draft),
        }
    }
}

impl<'a, V: Version> Values<'a, V> {
    /// The values of a metric, and the selector that was asked with.
    pub(in crate::api) fn new(
        metric: &'a str,
        selector: &'a Selector,
        values: &'a [MetricValue],
    ) -> Self {
        Self {
            metric,
            selector: label_selector(selector),
            values,
            version: PhantomData,
        }
    }

    fn list<'b>(&'b self, values: &'b [MetricValue]) -> List<V::Item<'b>> {
        list(
            KIND,
            V::VERSION.api_version(),
            values.iter().map(|value| V::item(self, value, None)),
        )
    }
}

impl<V: Version> Serialize for Values<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list(self.values).serialize(serializer)
    }
}

impl<V: Version> Answer for Values<'_, V> {
    /// What serde would write, whose last bytes close the list.
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        const END: &[u8] = b"]}";
        let mut out = serde_json::to_vec(&self.list(&[]))?;
        out.truncate(out.len() - END.len());
        for run in self.values.chunk_by(is_alike) {
            let draft = Draft::default();
            draft.write(&V::item(self, &run[0], Some(&draft)))?;
            let template = draft.finish();
            let gaps: usize = run.iter().map(|value| value.object.name.len()).sum();
            out.reserve(gaps + run.len() * (template.len() + AMOUNT) + END.len());
            for value in run {
                if !out.ends_with(b"[") {
                    out.push(b',');
                }
                template.fill(&mut out, |gap, out| match gap {
                    0 => serde_json::to_writer(out, &value.object.name),
                    _ => serde_json::to_writer(out, &Amount(value.value)),
                })?;
            }
        }
        out.extend_from_slice(END);
        Ok(out)
    }

    fn protobuf(&self) -> Vec<u8> {
        let mut list = proto::ListWriter::default();
        for run in self.values.chunk_by(is_alike) {
            let mut message = V::item(self, &run[0], None).message();
            for value in run {
                let (name, amount) = message.gaps();
                value.object.name.as_ref().clone_into(name);
                amount.clear();
                // A string takes everything.
                let _ = write!(amount, "{}", value.value);
                list.push(&message);
            }
        }
        list.finish(V::VERSION.api_version(), KIND)
    }
}

/// Bytes of the longest quantity, its quotes and the name's, and a comma.
const AMOUNT: usize = 26;

/// Whether two values differ in nothing but the object's name and the amount.
fn is_alike(one: &MetricValue, other: &MetricValue) -> bool {
    let shared = |value: &MetricValue| (value.timestamp.as_second(), seconds(value.window));
    let (object, another) = (&one.object, &other.object);
    shared(one) == shared(other)
        && object.namespace == another.namespace
        && object.kind == another.kind
        && object.api_version == another.api_version
}

/// A field, or its slot in a draft.
fn slot<T>(value: T, draft: Option<&Draft>) -> Slot<'_, T> {
    match draft {
        None => Slot::Filled(value),
        Some(draft) => Slot::Open(draft),
    }
}

fn described<'a>(object: &'a ObjectRef, draft: Option<&'a Draft>) -> DescribedObject<'a> {
    DescribedObject {
        kind: &object.kind,
        namespace: object.namespace.as_deref(),
        name: slot(&object.name, draft),
        api_version: &object.api_version,
    }
}

/// The selector told back: `=` as a label, everything else as an expression, `!=` as `NotIn`.
/// `>` and `<` were refused before.
fn label_selector(selector: &Selector) -> Option<LabelSelector<'_>> {
    if selector.is_everything() {
        return None;
    }
    let mut told = LabelSelector {
        match_labels: BTreeMap::new(),
        match_expressions: Vec::new(),
    };
    for Requirement {
        key,
        operator,
        values,
    } in selector.requirements()
    {
        let operator = match operator {
            Operator::Equals => {
                let value = values.first().map(String::as_str).unwrap_or_default();
                told.match_labels.insert(key, value);
                continue;
            }
            Operator::In => "In",
            Operator::NotIn | Operator::NotEquals => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            Operator::GreaterThan => "Gt",
            Operator::LessThan => "Lt",
        };
        let values = values.iter().map(String::as_str).collect();
        told.match_expressions.push(Expression {
            key,
            operator,
            values,
        });
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::model::Quantity;

    fn mk_value(kind: u8, place: u8, name: &str, milli: i64, time: u8) -> MetricValue {
        MetricValue {
            object: ObjectRef {
                api_version: "v1".into(),
                kind: format!("Kind\"{kind}").into(),
                namespace: (place > 0).then(|| format!("shop-{place}").into()),
                name: name.into(),
            },
            value: Quantity::from_milli(milli),
            timestamp: Timestamp::from_millisecond(i64::from(time) * 700).unwrap(),
            window: (time > 2).then(|| std::time::Duration::from_secs(u64::from(time))),
        }
    }

    /// Every object by a message of its own.
    fn by_messages<V: Version>(values: &Values<'_, V>) -> Vec<u8> {
        values.list(values.values).protobuf()
    }

    proptest! {
        #[test]
        fn runs_are_written_as_each_object_alone(
            values in vec((0..2_u8, 0..3_u8, "\\PC{0,8}", any::<i64>(), 0..4_u8), 0..12),
            metric in "\\PC{0,8}",
            selector in prop::sample::select(std::vec!["", "a=b", "a in (b,c),d!=e,f,!g"]),
        ) {
            let mk = |(kind, place, name, milli, time): (u8, u8, String, i64, u8)| {
                mk_value(kind, place, &name, milli, time)
            };
            let values: Vec<MetricValue> = values.into_iter().map(mk).collect();
            let selector = Selector::parse(selector).unwrap();
            let old = Values::<V1Beta1>::new(&metric, &selector, &values);
            prop_assert_eq!(old.json().unwrap(), serde_json::to_vec(&old).unwrap());
            prop_assert_eq!(old.protobuf(), by_messages(&old));
            let new = Values::<V1Beta2>::new(&metric, &selector, &values);
            prop_assert_eq!(new.json().unwrap(), serde_json::to_vec(&new).unwrap());
            prop_assert_eq!(new.protobuf(), by_messages(&new));
        }
    }
}
