//! One look at everything: from the answers of kube-apiserver and Prometheus to a sample. Law:
//! pure; an answer that is missing or strange is a value that is missing.

use serde_json::Value;

use super::plan::WINDOW;
use crate::{
    report::{Event, Sample},
    stack::{CLIENT, NAMESPACE, REQUESTS_METRIC, SERVER},
};

/// The answers of one look; what did not answer in time is null.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    /// The HPA.
    pub(super) hpa: Value,
    /// The namespace's Deployments.
    pub(super) deployments: Value,
    /// The metric that the adapter serves.
    pub(super) metric: Value,
    /// Prometheus' answer to [`query`].
    pub(super) prometheus: Value,
    /// The HPA's events.
    pub(super) events: Value,
}

/// The label that tells the answers to [`query`] apart.
const OF: &str = "of";

/// One question for everything that Prometheus is asked.
pub(super) fn query() -> String {
    let window = WINDOW.as_secs();
    let server = format!("app=\"server\",namespace=\"{NAMESPACE}\"");
    let client = format!("app=\"client\",namespace=\"{NAMESPACE}\"");
    let ops = "travelaudience_gserver_operations_ops";
    let rate = |suffix: &str| format!("sum(rate({ops}{suffix}{{{server}}}[{window}s]))");
    [
        ("rps", rate("")),
        (
            "mean",
            format!("{} / {}", rate("_duration_sum"), rate("_duration_count")),
        ),
        (
            "failed",
            format!("sum(loadclient_errors_total{{{client}}})"),
        ),
        (
            "missed",
            format!("sum(loadclient_missed_total{{{client}}})"),
        ),
    ]
    .map(|(name, expression)| {
        format!("label_replace({expression}, \"{OF}\", \"{name}\", \"\", \"\")")
    })
    .join(" or ")
}

/// What the answers say.
pub(super) fn sample(t: f64, offered: f64, answers: &Answers) -> Sample {
    let status = &answers.hpa["status"];
    Sample {
        t: rounded(t, 10.0),
        offered,
        rps: measured(&answers.prometheus, "rps", 100.0),
        mean: measured(&answers.prometheus, "mean", 1e5),
        metric: average(&answers.metric).map(|it| rounded(it, 100.0)),
        seen: seen(status).map(|it| rounded(it, 100.0)),
        desired: count(&status["desiredReplicas"]),
        current: count(&status["currentReplicas"]),
        ready: ready(&answers.deployments, SERVER),
        clients: ready(&answers.deployments, CLIENT),
        failed: measured(&answers.prometheus, "failed", 1.0),
        missed: measured(&answers.prometheus, "missed", 1.0),
    }
}

/// Events with the names that tell them apart: an event that happens again keeps its object, and
/// counts. `started` is the moment of `t == 0`.
pub(super) fn events(answers: &Answers, started: jiff::Timestamp) -> Vec<(String, Event)> {
    let items = answers.events["items"].as_array();
    let mut events: Vec<_> = items
        .into_iter()
        .flatten()
        .filter_map(|item| {
            let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
            let time = ["lastTimestamp", "eventTime"]
                .into_iter()
                .find_map(|field| item[field].as_str()?.parse::<jiff::Timestamp>().ok())?;
            let name = format!("{} {}", item["metadata"]["uid"], item["count"]);
            let event = Event {
                t: rounded((time - started).total(jiff::Unit::Second).ok()?, 10.0),
                reason: text("reason"),
                message: text("message"),
                warning: item["type"] == "Warning",
            };
            Some((name, event))
        })
        .collect();
    events.sort_by(|(_, a), (_, b)| a.t.total_cmp(&b.t));
    events
}

/// The value of a Kubernetes quantity in decimal notation, such as `35` or `33250m`.
pub(super) fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|it: char| !matches!(it, '0'..='9' | '.' | '-' | '+'))
        .unwrap_or(text.len());
    let factor = match &text[end..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        _ => return None,
    };
    Some(text[..end].parse::<f64>().ok()? * factor)
}

/// The mean over all pods of what the adapter serves.
fn average(list: &Value) -> Option<f64> {
    let values: Vec<f64> = list["items"]
        .as_array()?
        .iter()
        .filter_map(|item| quantity(item["value"].as_str()?))
        .collect();
    let count = u32::try_from(values.len())
        .ok()
        .filter(|count| *count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count))
}

/// What the HPA has read.
fn seen(status: &Value) -> Option<f64> {
    let metrics = status["currentMetrics"].as_array()?;
    let pods = metrics
        .iter()
        .map(|metric| &metric["pods"])
        .find(|pods| pods["metric"]["name"] == REQUESTS_METRIC)?;
    quantity(pods["current"]["averageValue"].as_str()?)
}

/// Ready pods; a Deployment without any leaves the field out.
fn ready(deployments: &Value, name: &str) -> Option<u32> {
    let items = deployments["items"].as_array()?;
    let deployment = items.iter().find(|it| it["metadata"]["name"] == name)?;
    let status = deployment["status"].as_object()?;
    status.get("readyReplicas").map_or(Some(0), count)
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

/// One of the answers to [`query`].
fn measured(answer: &Value, name: &str, precision: f64) -> Option<f64> {
    let result = answer["data"]["result"].as_array()?;
    let series = result.iter().find(|it| it["metric"][OF] == name)?;
    let value: f64 = series["value"][1].as_str()?.parse().ok()?;
    value.is_finite().then(|| rounded(value, precision))
}

/// Digits beyond what is known only make the files large.
fn rounded(value: f64, precision: f64) -> f64 {
    (value * precision).round() / precision
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_as_the_api_writes_them() {
        let cases = [("35", 35.0), ("33250m", 33.25), ("0", 0.0), ("1k", 1000.0)];
        for (text, value) in cases {
            assert_eq!(quantity(text), Some(value), "{text}");
        }
        for text in ["", "m", "1x", "1Ki", "--1"] {
            assert_eq!(quantity(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sample_holds_what_was_answered() {
        let answers = Answers {
            hpa: json!({ "status": {
                "desiredReplicas": 4, "currentReplicas": 3,
                "currentMetrics": [
                    { "type": "Pods", "pods": {
                        "metric": { "name": "other" }, "current": { "averageValue": "1" } } },
                    { "type": "Pods", "pods": {
                        "metric": { "name": REQUESTS_METRIC },
                        "current": { "averageValue": "36667m" } } },
                ],
            } }),
            deployments: json!({ "items": [
                { "metadata": { "name": CLIENT }, "status": { "replicas": 2 } },
                { "metadata": { "name": SERVER }, "status": { "readyReplicas": 3 } },
            ] }),
            metric: json!({ "items": [{ "value": "30" }, { "value": "35500m" }] }),
            prometheus: json!({ "data": { "result": [
                { "metric": { "of": "rps" }, "value": [1, "108.456"] },
                { "metric": { "of": "mean" }, "value": [1, "NaN"] },
            ] } }),
            events: Value::Null,
        };
        let expected = Sample {
            t: 12.3,
            offered: 110.0,
            rps: Some(108.46),
            mean: None,
            metric: Some(32.75),
            seen: Some(36.67),
            desired: Some(4),
            current: Some(3),
            ready: Some(3),
            clients: Some(0),
            failed: None,
            missed: None,
        };
        assert_eq!(sample(12.34, 110.0, &answers), expected);
    }

    #[test]
    fn without_answers_nothing_is_known() {
        let empty = sample(1.0, 10.0, &Answers::default());
        let nothing = Sample {
            t: 1.0,
            offered: 10.0,
            ..Sample::default()
        };
        assert_eq!(empty, nothing);
        assert!(events(&Answers::default(), jiff::Timestamp::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn events_come_in_the_order_of_time() {
        let item = |uid: &str, time: &str| {
            json!({
                "metadata": { "uid": uid }, "count": 1, "lastTimestamp": time, "type": "Normal",
                "reason": "SuccessfulRescale", "message": "New size: 2",
            })
        };
        let answers = Answers {
            events: json!({ "items": [
                item("b", "1970-01-01T00:01:10Z"),
                item("a", "1970-01-01T00:00:59Z"),
                { "metadata": { "uid": "without a time" } },
            ] }),
            ..Answers::default()
        };
        let started = jiff::Timestamp::from_second(60).unwrap();
        let events = events(&answers, started);
        let times: Vec<f64> = events.iter().map(|(_, event)| event.t).collect();
        assert_eq!(times, [-1.0, 10.0]);
        assert_eq!(events[0].0, "\"a\" 1");
    }
}
