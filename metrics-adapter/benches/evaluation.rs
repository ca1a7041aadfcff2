//! A warm request inside the evaluator: from the parsed request to its values, with the answer of
//! Prometheus in memory. Time and allocations, by pods that the request selects and pods of the
//! namespace.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

mod world;

use divan::{AllocProfiler, Bencher};
use futures::FutureExt as _;
use metrics_adapter::model::Provider as _;
use prometheus_client::registry::Registry;
use world::{custom_query, evaluator, external_query};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = [(20, 400), (100, 400), (100, 10_000), (1_000, 10_000)])]
fn custom(bencher: Bencher<'_, '_>, (selected, pods): (usize, usize)) {
    let evaluator = evaluator(selected, pods, &mut Registry::default());
    let query = custom_query();
    let ask = || {
        let answer = evaluator.custom(query.clone()).now_or_never();
        answer.expect("nothing to wait for").unwrap()
    };
    assert_eq!(ask().len(), selected);
    bencher.bench(ask);
}

#[divan::bench(args = [1, 100])]
fn external(bencher: Bencher<'_, '_>, elements: usize) {
    let evaluator = evaluator(1, elements, &mut Registry::default());
    let query = external_query();
    let ask = || {
        let answer = evaluator.external(query.clone()).now_or_never();
        answer.expect("nothing to wait for").unwrap()
    };
    assert_eq!(ask().len(), elements);
    bencher.bench(ask);
}
