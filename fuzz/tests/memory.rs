//! What is kept of an answer of Prometheus is no more than a small multiple of its size, whatever
//! the answer says. Alone in its program, for everything that is allocated counts.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use metrics_adapter::prometheus::decode;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes of memory for a byte of the body. The worst are digits in a result that stands before its
/// type, where Prometheus never puts it: serde keeps 32 bytes of each, and for a moment half as
/// many again when the list grows. Samples take a tenth of that.
const FACTOR: usize = 50;
/// For messages of errors.
const SLACK: usize = 64 << 10;

fn body(result: &str, piece: &str, count: usize) -> String {
    let list = vec![piece; count].join(",");
    match result {
        "series" => format!(r#"{{"status":"success","data":[{list}]}}"#),
        kind => {
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{list}]}}}}"#)
        }
    }
}

#[test]
fn answers_cost_a_multiple_of_their_size() {
    let labels: Vec<String> = (0..20_000).map(|i| format!(r#""l{i}":"""#)).collect();
    let labels = format!("{{{}}}", labels.join(","));
    let names: Vec<String> = (0..20_000)
        .map(|i| format!(r#"{{"__name__":"m{i}","a":""}}"#))
        .collect();
    let bodies = [
        body("vector", r#"{"metric":{},"value":[1,"1"]}"#, 20_000),
        body("vector", r#"{"metric":{"a":""},"value":[1,"1"]}"#, 20_000),
        body(
            "vector",
            &format!(r#"{{"metric":{labels},"value":[1,"1"]}}"#),
            1,
        ),
        // What comes before the type has to wait for it.
        format!(
            r#"{{"status":"success","data":{{"result":[{}],"resultType":"vector"}}}}"#,
            vec!["0"; 200_000].join(",")
        ),
        format!(
            r#"{{"status":"success","data":{{"result":{},"resultType":"vector"}}}}"#,
            "[".repeat(200_000)
        ),
        body("scalar", &"1".repeat(500_000), 1),
        body("series", r#"{"__name__":"up","a":"","b":""}"#, 20_000),
        body("series", "{}", 100_000),
        body("series", &labels, 1),
        body("series", &names.join(","), 1),
        body("series", "[[[[", 50_000),
        "[".repeat(500_000),
        "\\".repeat(500_000),
        format!("\"{}\"", "\\u0000".repeat(100_000)),
    ];
    for body in bodies {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let query = decode::query(200, body.as_bytes());
        drop(query);
        let series = decode::series(200, body.as_bytes());
        drop(series);
        let used = MEMORY.peak_usage() - before;
        let factor = used / body.len();
        assert!(
            used <= FACTOR * body.len() + SLACK,
            "{used} bytes, {factor} for each of {:?}...",
            &body[..body.len().min(120)]
        );
    }
}
