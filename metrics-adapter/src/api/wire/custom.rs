//! custom.metrics.k8s.io. The two versions name things differently.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Amount, List, Part, Time, entries, list, proto, seconds};
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
    value: Amount,
    /// Null when there is none, as upstream writes it.
    selector: Option<LabelSelector<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ItemV1Beta2<'a> {
    described_object: DescribedObject<'a>,
    metric: Identifier<'a>,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<i64>,
    value: Amount,
}

#[derive(Serialize)]
struct Identifier<'a> {
    name: &'a str,
    selector: Option<LabelSelector<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedObject<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
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
            value: self.value.into(),
            selector: self.selector.as_ref().map(Part::message),
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
                selector: self.metric.selector.as_ref().map(Part::message),
            },
            timestamp: self.timestamp.into(),
            window_seconds: self.window_seconds,
            value: self.value.into(),
        }
    }
}

impl Part for DescribedObject<'_> {
    type Message = proto::ObjectReference;

    fn message(&self) -> proto::ObjectReference {
        proto::ObjectReference {
            kind: self.kind.to_owned(),
            namespace: self.namespace.unwrap_or_default().to_owned(),
            name: self.name.to_owned(),
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

/// `custom.metrics.k8s.io/v1beta1`.
pub(in crate::api) fn v1beta1<'a>(
    metric: &'a str,
    selector: &'a Selector,
    values: &'a [MetricValue],
) -> List<ItemV1Beta1<'a>> {
    let item = |value: &'a MetricValue| ItemV1Beta1 {
        described_object: described(&value.object),
        metric_name: metric,
        timestamp: Time(value.timestamp),
        window: seconds(value.window),
        value: Amount(value.value),
        selector: label_selector(selector),
    };
    list(
        KIND,
        GroupVersion::CustomV1Beta1.api_version(),
        values.iter().map(item),
    )
}

/// `custom.metrics.k8s.io/v1beta2`.
pub(in crate::api) fn v1beta2<'a>(
    metric: &'a str,
    selector: &'a Selector,
    values: &'a [MetricValue],
) -> List<ItemV1Beta2<'a>> {
    let item = |value: &'a MetricValue| ItemV1Beta2 {
        described_object: described(&value.object),
        metric: Identifier {
            name: metric,
            selector: label_selector(selector),
        },
        timestamp: Time(value.timestamp),
        window_seconds: seconds(value.window),
        value: Amount(value.value),
    };
    list(
        KIND,
        GroupVersion::CustomV1Beta2.api_version(),
        values.iter().map(item),
    )
}

fn described(object: &ObjectRef) -> DescribedObject<'_> {
    DescribedObject {
        kind: &object.kind,
        namespace: object.namespace.as_deref(),
        name: &object.name,
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
