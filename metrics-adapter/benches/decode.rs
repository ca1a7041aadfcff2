//! Decoding an answer of Prometheus: time and allocations, by elements.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher};
use metrics_adapter::prometheus::decode;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn joined(elements: impl Iterator<Item = String>) -> String {
    elements.collect::<Vec<_>>().join(",")
}

/// What a rule for pods is answered.
#[divan::bench(args = [100, 10_000])]
fn vector(bencher: Bencher<'_, '_>, elements: usize) {
    let element = |number| {
        format!(
            r#"{{"metric":{{"pod":"checkout-frontend-7d9f8c6b5-{number:05}"}},"value":[1700000000.123,"{number}.5"]}}"#
        )
    };
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        joined((0..elements).map(element))
    );
    bencher
        .counter(BytesCount::of_str(&body))
        .bench(|| decode::query(200, body.as_bytes()).unwrap());
}

/// What an external metric without an aggregation is answered.
#[divan::bench(args = [100, 10_000])]
fn wide_vector(bencher: Bencher<'_, '_>, elements: usize) {
    let element = |number| {
        format!(
            r#"{{"metric":{{"__name__":"queue_length","container":"broker","instance":"10.0.0.{}:9090","job":"rabbitmq","namespace":"shop","pod":"rabbitmq-{number}","queue":"orders-{number}"}},"value":[1700000000.123,"{number}"]}}"#,
            number % 250
        )
    };
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        joined((0..elements).map(element))
    );
    bencher
        .counter(BytesCount::of_str(&body))
        .bench(|| decode::query(200, body.as_bytes()).unwrap());
}

/// What a series query is answered.
#[divan::bench(args = [10_000])]
fn series(bencher: Bencher<'_, '_>, count: usize) {
    let one = |number| {
        format!(
            r#"{{"__name__":"http_requests_total","code":"200","instance":"10.0.0.1:8080","job":"web","namespace":"shop","pod":"web-{number}"}}"#
        )
    };
    let body = format!(
        r#"{{"status":"success","data":[{}]}}"#,
        joined((0..count).map(one))
    );
    bencher
        .counter(BytesCount::of_str(&body))
        .bench(|| decode::series(200, body.as_bytes()).unwrap());
}
