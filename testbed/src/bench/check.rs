//! Whether an answer is the right one: every pod of the app, nothing else, with its value, and none
//! of it old. Law: pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;

use super::plan::{self, Question, Shape};

/// How old an answer of the adapter may be: what it is told (`--metrics-max-staleness`).
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(5);

/// Seconds more than that, for the way here and for rounding to seconds; and as many that a time may
/// be ahead.
const SLACK: i64 = 2;

/// The encoding of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// The media type, as asked for and as answered.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

#[derive(Deserialize)]
struct List {
    kind: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    described_object: Object,
    metric_name: String,
    timestamp: String,
    value: String,
}

#[derive(Deserialize)]
struct Object {
    kind: String,
    namespace: String,
    name: String,
}

/// Fails with what is wrong about the answer to a question. Of protobuf only the envelope and the
/// names are looked at; golden tests elsewhere have its bytes.
pub(crate) fn answer(
    shape: Shape,
    question: Question,
    encoding: Encoding,
    body: &[u8],
    now: Timestamp,
) -> Result<(), String> {
    let expected: BTreeMap<String, i64> = shape
        .members(question.app)
        .map(|pod| {
            let whole = plan::whole_value(question.namespace, pod, question.metric);
            (plan::pod(question.namespace, pod), whole as i64)
        })
        .collect();
    match encoding {
        Encoding::Json => json(shape, question, &expected, body, now),
        Encoding::Protobuf => protobuf(&expected, body),
    }
}

fn json(
    shape: Shape,
    question: Question,
    expected: &BTreeMap<String, i64>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), String> {
    let list: List = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if list.kind != "MetricValueList" {
        return Err(format!("kind {}", list.kind));
    }
    let namespace = plan::namespace(question.namespace);
    let metric = plan::metric(question.metric);
    for item in &list.items {
        let object = &item.described_object;
        if (object.kind.as_str(), &object.namespace) != ("Pod", &namespace) {
            return Err(format!(
                "an item about {} in {}",
                object.kind, object.namespace
            ));
        }
        if item.metric_name != metric {
            return Err(format!("metric {} instead of {metric}", item.metric_name));
        }
        let timestamp: Timestamp = item
            .timestamp
            .parse()
            .map_err(|error: jiff::Error| format!("timestamp {}: {error}", item.timestamp))?;
        let age = now.as_second() - timestamp.as_second();
        if !(-SLACK..=MAX_STALENESS.as_secs() as i64 + SLACK).contains(&age) {
            return Err(format!("an answer that is {age} s old"));
        }
    }
    let count = list.items.len();
    let mut found = BTreeMap::new();
    for item in list.items {
        let milli = plan::milli(&item.value);
        let milli = milli.ok_or_else(|| format!("value {:?}", item.value))?;
        // A little ahead of this clock is as good as now.
        let age = plan::age(milli % 1000 - SLACK, now) - SLACK;
        if age > oldest_value(shape) {
            return Err(format!("value {:?}, scraped {age} s ago", item.value));
        }
        found.insert(item.described_object.name, milli / 1000);
    }
    if count == found.len() && found == *expected {
        Ok(())
    } else {
        Err(format!("{found:?} instead of {expected:?}"))
    }
}

/// The oldest that a scraped value may be, in seconds: one scrape may have failed before the query.
fn oldest_value(shape: Shape) -> i64 {
    let oldest = MAX_STALENESS + 2 * shape.scrape_interval();
    oldest.as_secs() as i64 + SLACK
}

fn protobuf(expected: &BTreeMap<String, i64>, body: &[u8]) -> Result<(), String> {
    if !body.starts_with(b"k8s\0") {
        return Err("not Kubernetes' protobuf".to_owned());
    }
    let missing = expected.keys().find(|name| {
        !body
            .windows(name.len())
            .any(|window| window == name.as_bytes())
    });
    missing.map_or(Ok(()), |name| Err(format!("without {name}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bench::plan::Size;

    const QUESTION: Question = Question {
        namespace: 1,
        app: 2,
        metric: 3,
    };

    fn scraped() -> Timestamp {
        "2025-12-31T23:59:58Z".parse().expect("a time")
    }

    fn list(shape: Shape, change: impl Fn(&mut Vec<Value>)) -> Vec<u8> {
        let mut items: Vec<Value> = shape
            .members(QUESTION.app)
            .map(|pod| {
                json!({
                    "describedObject": {"kind": "Pod", "namespace": "team-001", "name": plan::pod(1, pod)},
                    "metricName": plan::metric(3),
                    "timestamp": "2026-01-01T00:00:00Z",
                    "value": format!("{}{}m", plan::whole_value(1, pod, 3), plan::fraction(scraped())),
                })
            })
            .collect();
        change(&mut items);
        json!({"kind": "MetricValueList", "items": items})
            .to_string()
            .into_bytes()
    }

    fn checked(change: impl Fn(&mut Vec<Value>)) -> Result<(), String> {
        let shape = Size::Small.shape();
        let now = "2026-01-01T00:00:04Z".parse().expect("a time");
        answer(shape, QUESTION, Encoding::Json, &list(shape, change), now)
    }

    #[test]
    fn the_right_answer_is_right() {
        assert_eq!(checked(|_| ()), Ok(()));
    }

    #[test]
    fn everything_else_is_wrong() {
        let changes: [fn(&mut Vec<Value>); 8] = [
            |items| drop(items.pop()),
            |items| items.push(items[0].clone()),
            |items| items[0]["value"] = "1".into(),
            |items| items[0]["metricName"] = "another".into(),
            |items| items[0]["describedObject"]["namespace"] = "team-002".into(),
            |items| items[0]["timestamp"] = "2025-12-31T23:59:56Z".into(),
            |items| items[0]["timestamp"] = "2026-01-01T00:00:07Z".into(),
            // Scraped half a minute before the others.
            |items| {
                let milli = items[0]["value"].as_str().and_then(plan::milli);
                items[0]["value"] = format!("{}m", milli.expect("a value") - 30).into();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            checked(change).expect_err(&format!("change {number}"));
        }
    }

    #[test]
    fn protobuf_must_name_every_pod() {
        let shape = Size::Small.shape();
        let mut body = b"k8s\0".to_vec();
        for pod in shape.members(2) {
            body.extend(plan::pod(1, pod).bytes());
        }
        let checked = |body: &[u8]| {
            answer(
                shape,
                QUESTION,
                Encoding::Protobuf,
                body,
                Timestamp::UNIX_EPOCH,
            )
        };
        assert_eq!(checked(&body), Ok(()));
        checked(&body[..body.len() - 1]).expect_err("a pod is missing");
        checked(&body[1..]).expect_err("no envelope");
    }
}
