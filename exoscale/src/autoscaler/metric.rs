//! What the autoscaler counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::scaler::Direction;

/// Requests, steps, and the pool as it was last read; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) requests: Family<Outcome, Counter>,
    pub(super) actions: Family<Outcome, Counter>,
    pub(super) pending: Family<Way, Gauge>,
    pub(super) size: Gauge<f64, AtomicU64>,
    pub(super) last_read: Gauge<f64, AtomicU64>,
}

/// Both come from code, so the cardinality is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    pub(super) direction: Direction,
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Way {
    pub(super) direction: Direction,
}

impl Metrics {
    /// Registers the metrics; call it once per registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            actions: Family::default(),
            pending: Family::default(),
            // Not a number until the pool was read: no data is never 0.
            size: Gauge::default(),
            last_read: Gauge::default(),
        };
        metrics.size.set(f64::NAN);
        for direction in [Direction::Up, Direction::Down] {
            metrics.pending.get_or_create(&Way { direction }).set(0);
            for result in ["accepted", "resolved", "no_statement"] {
                let labels = Outcome { direction, result };
                drop(metrics.requests.get_or_create(&labels));
            }
            for result in ["scaled", "at_bound", "refused", "postponed", "unknown"] {
                let labels = Outcome { direction, result };
                drop(metrics.actions.get_or_create(&labels));
            }
        }
        registry.register(
            "exoscale_autoscaler_scale_requests_total",
            "Webhooks received, by direction and by what became of them",
            metrics.requests.clone(),
        );
        registry.register(
            "exoscale_autoscaler_scale_actions_total",
            "Steps tried, by direction and result",
            metrics.actions.clone(),
        );
        registry.register(
            "exoscale_autoscaler_pending",
            "1 while a request in this direction waits for its step",
            metrics.pending.clone(),
        );
        registry.register(
            "exoscale_autoscaler_pool_size",
            "Size of the instance pool when it was last read",
            metrics.size.clone(),
        );
        registry.register(
            "exoscale_autoscaler_pool_last_read_timestamp_seconds",
            "When the instance pool was last read",
            metrics.last_read.clone(),
        );
        metrics
    }
}
