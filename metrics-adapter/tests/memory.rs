//! What kept answers take. Alone in its program, for everything that is allocated counts.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../benches/world/mod.rs"]
mod world;

use futures::FutureExt as _;
use metrics_adapter::model::Provider as _;
use peak_alloc::PeakAlloc;
use prometheus_client::registry::Registry;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ELEMENTS: usize = 10_000;

/// Bytes that were allocated and stay, and what the evaluator says of them.
fn kept(registry: &Registry, ask: impl FnOnce()) -> (usize, usize) {
    let told = || {
        let text = telemetry::text::encode(registry);
        let mut lines = text.lines();
        let told = lines.find_map(|line| line.strip_prefix("kept_answer_bytes "));
        told.unwrap().parse::<usize>().unwrap()
    };
    let (told_before, before) = (told(), MEMORY.current_usage());
    ask();
    let after = MEMORY.current_usage();
    (after - before, told() - told_before)
}

#[test]
fn a_kept_value_takes_its_name_and_little_more() {
    let mut registry = Registry::default();
    let evaluator = world::evaluator(1, ELEMENTS, &mut registry);
    let custom = kept(&registry, || {
        let values = evaluator.custom(world::custom_query()).now_or_never();
        assert_eq!(values.unwrap().unwrap().len(), 1);
    });
    let external = kept(&registry, || {
        let values = evaluator.external(world::external_query()).now_or_never();
        assert_eq!(values.unwrap().unwrap().len(), ELEMENTS);
    });
    // The name has 33 bytes.
    for ((allocated, told), bytes) in [(custom, 51), (external, 145)] {
        assert!(allocated <= bytes * ELEMENTS, "{allocated} bytes");
        // The query, its place, and who polls are not the answer's.
        assert!(
            told <= allocated && allocated <= told + (16 << 10),
            "{told} of {allocated} bytes"
        );
    }
}
