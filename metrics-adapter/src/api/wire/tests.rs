//! Values with a window against Go's vectors; what the model has is compared in `tests/golden`.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::model::{ExternalValue, MetricValue, ObjectRef, Selector};

const VECTORS: &str = include_str!("../../../tests/golden/wire.json");

fn case(answer: &str) -> Value {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut cases = vectors["cases"].as_array().unwrap().iter();
    let has_window = |case: &&Value| case["answer"] == answer && case["items"][0]["window"] == 0;
    cases.find(has_window).unwrap().clone()
}

fn windows(case: &Value) -> Vec<Option<i64>> {
    let items = case["items"].as_array().unwrap().iter();
    let windows = items.map(|item| item["window"].as_u64().map(Duration::from_millis));
    windows.map(seconds).collect()
}

fn timestamp(item: &Value) -> Timestamp {
    Timestamp::from_second(item["seconds"].as_i64().unwrap()).unwrap()
}

fn quantity(item: &Value) -> Quantity {
    Quantity::from_milli(item["milli"].as_i64().unwrap())
}

fn values(case: &Value) -> Vec<MetricValue> {
    let text = |value: &Value| value.as_str().unwrap().into();
    let value = |item: &Value| MetricValue {
        object: ObjectRef {
            api_version: text(&item["apiVersion"]),
            kind: text(&item["kind"]),
            namespace: item.get("namespace").map(text),
            name: text(&item["name"]),
        },
        value: quantity(item),
        timestamp: timestamp(item),
    };
    case["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(value)
        .collect()
}

fn compare(case: &Value, answer: &impl Answer) {
    let bytes = answer.protobuf();
    let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes, case["protobuf"].as_str().unwrap());
    let expected: Value = serde_json::from_str(case["json"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
}

#[test]
fn custom_values_tell_their_window() {
    let case = case("custom/v1beta1");
    let (metric, values) = (case["metric"].as_str().unwrap(), values(&case));
    let selector = Selector::parse(case["selector"].as_str().unwrap()).unwrap();
    let mut list = custom::v1beta1(metric, &selector, &values);
    for (item, window) in list.items.iter_mut().zip(windows(&case)) {
        item.window = window;
    }
    compare(&case, &list);

    let case = self::case("custom/v1beta2");
    let mut list = custom::v1beta2(metric, &selector, &values);
    for (item, window) in list.items.iter_mut().zip(windows(&case)) {
        item.window_seconds = window;
    }
    compare(&case, &list);
}

#[test]
fn external_values_tell_their_window() {
    let case = case("external");
    let value = |item: &Value| ExternalValue {
        labels: item["labels"].as_object().map(|labels| {
            let label = |(key, value): (&String, &Value)| {
                (key.as_str().into(), value.as_str().unwrap().into())
            };
            labels.iter().map(label).collect()
        }),
        value: quantity(item),
        timestamp: timestamp(item),
    };
    let values: Vec<_> = case["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(value)
        .collect();
    let mut list = external::values(case["metric"].as_str().unwrap(), &values);
    for (item, window) in list.items.iter_mut().zip(windows(&case)) {
        item.window = window;
    }
    compare(&case, &list);
}
