//! A warm request inside the evaluator: from the parsed request to its values, with the answer of
//! Prometheus in memory. Time and allocations, by pods that the request selects and pods of the
//! namespace.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

mod world;

use std::array;
use std::sync::OnceLock;
use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use futures::FutureExt as _;
use metrics_adapter::discovery::{Meter, Outcome};
use metrics_adapter::model::Provider as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
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

/// What is counted of a request whose metric was asked for before: a part of those above.
#[divan::bench]
fn metering(bencher: Bencher<'_, '_>) {
    let meter: OnceLock<Meter> = OnceLock::new();
    let first = || {
        let ages = Histogram::new([1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0]);
        Meter::new(array::from_fn(|_| Counter::default()), ages)
    };
    meter.get_or_init(first);
    bencher.bench(|| {
        let meter = black_box(&meter).get_or_init(first);
        meter.aged(black_box(Duration::from_secs(3)));
        meter.count(black_box(Outcome::Ok));
    });
}
