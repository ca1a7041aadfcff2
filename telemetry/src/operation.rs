//! The three metrics that server and client share by name, per process (and so per pod):
//! `travelaudience_gserver_operations_ops`, `…_ops_duration_sum` and `…_ops_duration_count`.
//!
//! They carry no labels: pod, namespace and app come from the scrape. Law: both are observed
//! together, once per operation, whether it succeeded or not, so `ops` always equals
//! `ops_duration_count`.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The counter of operations.
pub const OPS: &str = "travelaudience_gserver_operations_ops";

/// The histogram of their durations in seconds; its `_sum` and `_count` are part of the contract.
pub const OPS_DURATION: &str = "travelaudience_gserver_operations_ops_duration";

/// Bucket bounds in seconds: Prometheus' defaults, with more of them around 0.1, where the goal
/// (mean below 100 ms) is decided.
pub const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts and times operations; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Operations {
    ops: Counter,
    duration: Histogram,
}

impl Operations {
    /// Registers the metrics; call it once per registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            ops: Counter::default(),
            duration: Histogram::new(BUCKETS),
        };
        registry.register(OPS, "Operations, failed ones included", metrics.ops.clone());
        registry.register(
            OPS_DURATION,
            "Duration of operations in seconds: handler time on a server, round trip on a client",
            metrics.duration.clone(),
        );
        metrics
    }

    /// Records one finished operation.
    pub fn observe(&self, duration: Duration) {
        self.ops.inc();
        self.duration.observe(duration.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_exactly_the_contracted_ones() {
        let mut registry = Registry::default();
        let operations = Operations::register(&mut registry);
        operations.observe(Duration::from_millis(50));
        operations.observe(Duration::from_millis(150));
        let text = crate::text::encode(&registry);
        for line in [
            "# TYPE travelaudience_gserver_operations_ops counter",
            "travelaudience_gserver_operations_ops 2",
            "# TYPE travelaudience_gserver_operations_ops_duration histogram",
            "travelaudience_gserver_operations_ops_duration_bucket{le=\"0.1\"} 1",
            "travelaudience_gserver_operations_ops_duration_sum 0.2",
            "travelaudience_gserver_operations_ops_duration_count 2",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} not in\n{text}"
            );
        }
    }
}
