//! What the server measures.
//!
//! The three `travelaudience_*` metrics are the contract with the autoscaling; what else there is
//! carries the prefix `server_`. Law: every call is observed exactly once, when its handler ends,
//! however it ends; a handler that is dropped was cancelled.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use proto::code_name;
use telemetry::operation::Operations;
use tokio::time::Instant;
use tonic::Code;

use crate::pool::Pool;

type CodeLabel = [(&'static str, &'static str); 1];

/// Codes that the handler itself answers with, or that a caller causes by leaving: there from the
/// start, so that a first error is an increase and not a new series.
const CODES: [Code; 4] = [
    Code::Cancelled,
    Code::DeadlineExceeded,
    Code::InvalidArgument,
    Code::ResourceExhausted,
];

/// The server's metrics; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    operations: Operations,
    errors: Family<CodeLabel, Counter>,
    inflight: Gauge,
    connections: Gauge,
}

/// One call, from its handler's start to its end.
#[derive(Debug)]
pub struct Call {
    metrics: Metrics,
    start: Instant,
    code: Code,
}

/// One open connection, as long as this lives.
#[derive(Debug)]
pub struct Connection(Gauge);

/// Reads the queue's length when somebody scrapes.
#[derive(Debug)]
struct QueueLength(Pool);

impl Metrics {
    /// Registers everything; `pool` is asked for the length of its queue at every scrape.
    #[must_use]
    pub fn register(registry: &mut Registry, pool: Pool) -> Self {
        let operations = Operations::register(registry);
        let errors = Family::<CodeLabel, Counter>::default();
        for code in CODES {
            let _ = errors.get_or_create(&[("code", code_name(code))]);
        }
        let metrics = Self {
            operations,
            errors,
            inflight: Gauge::default(),
            connections: Gauge::default(),
        };
        let help = "Calls that did not end with OK, by gRPC status code";
        registry.register("server_errors_total", help, metrics.errors.clone());
        let help = "Calls inside the handler, waiting or working";
        registry.register("server_inflight", help, metrics.inflight.clone());
        registry.register(
            "server_connections",
            "Open connections",
            metrics.connections.clone(),
        );
        registry.register_collector(Box::new(QueueLength(pool)));
        metrics
    }

    /// A call's handler starts.
    #[must_use]
    pub fn call(&self) -> Call {
        self.inflight.inc();
        Call {
            metrics: self.clone(),
            start: Instant::now(),
            code: Code::Cancelled,
        }
    }

    /// A connection was accepted.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connections.inc();
        Connection(self.connections.clone())
    }
}

impl Call {
    /// Time since the handler started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The handler ends with `code`.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.metrics.inflight.dec();
        self.metrics.operations.observe(self.start.elapsed());
        if self.code != Code::Ok {
            self.metrics
                .errors
                .get_or_create(&[("code", code_name(self.code))])
                .inc();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Collector for QueueLength {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let length = ConstGauge::new(i64::from(self.0.waiting()));
        let (name, help) = ("server_queue_length", "Calls waiting for a worker.");
        length.encode(encoder.encode_descriptor(name, help, None, length.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use crate::pool::Limits;

    use super::*;

    fn mk_metrics() -> (Registry, Metrics, Pool) {
        let mut registry = Registry::default();
        let pool = Pool::new(Limits {
            workers: NonZeroU16::MIN,
            queue_length: 1,
        });
        let metrics = Metrics::register(&mut registry, pool.clone());
        (registry, metrics, pool)
    }

    fn assert_line(registry: &Registry, line: &str) {
        let text = telemetry::text::encode(registry);
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} not in\n{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failed_and_dropped_calls_count_too() {
        let (registry, metrics, _) = mk_metrics();
        let call = metrics.call();
        assert_line(&registry, "server_inflight 1");
        tokio::time::advance(Duration::from_millis(500)).await;
        call.end(Code::Ok);
        metrics.call().end(Code::ResourceExhausted);
        drop(metrics.call());
        assert_line(&registry, "travelaudience_gserver_operations_ops 3");
        assert_line(
            &registry,
            "travelaudience_gserver_operations_ops_duration_count 3",
        );
        assert_line(
            &registry,
            "travelaudience_gserver_operations_ops_duration_sum 0.5",
        );
        assert_line(
            &registry,
            "server_errors_total{code=\"RESOURCE_EXHAUSTED\"} 1",
        );
        assert_line(&registry, "server_errors_total{code=\"CANCELLED\"} 1");
        assert_line(
            &registry,
            "server_errors_total{code=\"INVALID_ARGUMENT\"} 0",
        );
        assert_line(&registry, "server_inflight 0");
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_read_at_the_scrape() {
        let (registry, _metrics, pool) = mk_metrics();
        let _worker = pool.admit().await.unwrap();
        assert_line(&registry, "server_queue_length 0");
        let mut waiting = std::pin::pin!(pool.admit());
        let _ = tokio::time::timeout(Duration::ZERO, waiting.as_mut()).await;
        assert_line(&registry, "server_queue_length 1");
    }

    #[test]
    fn exactly_the_contracted_names_have_the_company_prefix() {
        let (registry, _metrics, _) = mk_metrics();
        let text = telemetry::text::encode(&registry);
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let (ours, others): (Vec<&str>, Vec<&str>) =
            types.partition(|line| line.starts_with("travelaudience_"));
        let prefix = "travelaudience_gserver_operations_ops";
        assert_eq!(
            ours,
            [
                format!("{prefix} counter"),
                format!("{prefix}_duration histogram")
            ]
        );
        assert!(
            others.iter().all(|line| line.starts_with("server_")),
            "{others:?}"
        );
    }
}
