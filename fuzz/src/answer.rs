//! What Prometheus, or whatever is in its place, answers.

use metrics_adapter::model::QueryValue;
use metrics_adapter::prometheus::{PrometheusError, decode};

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "answer",
    run,
    seeds,
    words: WORDS,
    cases: 4000,
};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "NaN",
    "\"NaN\"",
    "\"+Inf\"",
    "1e999",
    "-1",
    "1e308",
    "99999999999999999999999",
    "0.0000000001",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "\"status\":\"success\"",
    "\"data\":",
    "\"resultType\":\"vector\"",
    "\"resultType\":\"scalar\"",
    "\"resultType\":\"matrix\"",
    "\"result\":",
    "\"metric\":",
    "\"value\":",
    "\"__name__\":",
    "\"errorType\":\"x\"",
    "\"error\":\"y\"",
    "\"infos\":[]",
    "é",
    "\"histogram\":[1,{}]",
    "<html>",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::all(&[
        r#"{"status":"success","data":[{"__name__":"up","pod":"a","ns":"x"},{"ns":"y","__name__":"up","pod":"b"}]}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1700000000.5,"NaN"]},{"metric":{},"value":[1700000000,"+Inf"]}]}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]},"warnings":["w"]}"#,
        r#"{"data":{"result":[{"value":[-62135596800.001,"1e308"],"metric":{"a\u00e9":"\n"}}],"resultType":"vector"},"status":"success"}"#,
        r#"{"status":"success","data":["up","x"]}"#,
        r#"{"status":"success","data":{"up":[{"type":"gauge","help":"h","unit":""}]}}"#,
        r#"{"status":"success","data":{"activeTargets":[{"labels":{"job":"a"},"scrapeInterval":"15s"}]}}"#,
        r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}]}}"#,
        "<html><body>502</body></html>",
        "",
    ]);
    seeds.push(b"{\"status\":\"success\",\"data\":[{\"__name__\":\"\xff\"}]}".to_vec());
    // Deeper than any stack.
    seeds.push("[".repeat(200_000).into_bytes());
    let deep = format!(
        "{{\"status\":\"success\",\"data\":{}",
        "{\"a\":".repeat(100_000)
    );
    seeds.push(deep.into_bytes());
    seeds
}

fn run(input: &[u8]) {
    for status in [200, 503] {
        match decode::query(status, input) {
            Ok(value) => {
                assert_eq!(status, 200, "a refusal is taken for an answer");
                sound(&value, input);
            }
            Err(error) => tells(&error),
        }
        match decode::series(status, input) {
            Ok(set) => {
                assert_eq!(status, 200, "a refusal is taken for an answer");
                assert!(set.shapes.len() <= set.count && set.count <= input.len());
                assert!(
                    set.shapes
                        .iter()
                        .all(|shape| !shape.labels.contains("__name__"))
                );
            }
            Err(error) => tells(&error),
        }
        let names = decode::names(status, input).map(|names| names.len());
        let types = decode::types(status, input).map(|types| types.len());
        let targets = decode::targets(status, input).map(|targets| targets.len());
        for told in [names, types, targets] {
            match told {
                Ok(count) => assert!(status == 200 && count <= input.len()),
                Err(error) => tells(&error),
            }
        }
    }
}

/// Every sample takes some bytes of the body.
fn sound(value: &QueryValue, input: &[u8]) {
    if let QueryValue::Vector(samples) = value {
        let labels: usize = samples
            .iter()
            .map(|sample| sample.labels.iter().len())
            .sum();
        assert!(samples.len() + labels <= input.len());
    }
}

/// A line for the log, and no copy of the whole body.
fn tells(error: &PrometheusError) {
    let text = error.to_string();
    assert!(!text.is_empty());
    if matches!(error, PrometheusError::Decode(_)) {
        assert!(text.len() < 4096, "{} bytes of error", text.len());
    }
}
