//! Values of our choosing in Prometheus, told by its OTLP receiver: what an HPA does with a value can
//! only be known when the value is.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Failure, ensure, world::World};

/// One series with its value now. Prometheus takes it for current for 5 minutes.
pub(super) struct Signal<'a> {
    /// The series' name.
    pub(super) name: &'a str,
    /// Its labels.
    pub(super) labels: &'a [(&'a str, &'a str)],
    /// Its value.
    pub(super) value: f64,
}

/// Tells Prometheus some values.
pub(super) fn tell(world: &World, signals: &[Signal<'_>]) -> Result<(), Failure> {
    let body = document(signals, jiff::Timestamp::now());
    let answer = world.prometheus()?.write(
        Method::POST,
        "/api/v1/otlp/v1/metrics",
        "application/json",
        &body,
    )?;
    ensure!(answer.status == 200, "{answer}");
    Ok(())
}

fn document(signals: &[Signal<'_>], at: jiff::Timestamp) -> Value {
    let metrics: Vec<Value> = signals
        .iter()
        .map(|signal| {
            let attributes: Vec<Value> = signal
                .labels
                .iter()
                .map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } }))
                .collect();
            let point = json!({
                "timeUnixNano": at.as_nanosecond().to_string(),
                "asDouble": signal.value,
                "attributes": attributes,
            });
            json!({ "name": signal.name, "gauge": { "dataPoints": [point] } })
        })
        .collect();
    json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": metrics }] }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_gauge_with_its_labels() {
        let signal = Signal {
            name: "m",
            labels: &[("namespace", "n")],
            value: 2.5,
        };
        let document = document(&[signal], jiff::Timestamp::from_second(3).unwrap());
        let metric = &document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        assert_eq!(metric["name"], "m");
        assert_eq!(
            metric["gauge"]["dataPoints"][0],
            json!({
                "timeUnixNano": "3000000000",
                "asDouble": 2.5,
                "attributes": [{ "key": "namespace", "value": { "stringValue": "n" } }],
            })
        );
    }
}
