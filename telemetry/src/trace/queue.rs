//! What becomes of what was recorded: counted, bounded, and told when it cannot be sent.
//!
//! Law: whoever records never waits. What finds the queue full is dropped and counted; what the
//! receiver does not take in time is lost and counted. The log tells when sending starts to fail
//! and when it works again, not every failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::logs::Severity;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

use crate::snake_case_labels;

/// Spans (or log lines) that may wait to be sent: OpenTelemetry's default. Of the usual size, half
/// a kilobyte, they are a megabyte.
pub(super) const CAPACITY: usize = 2048;

/// How long one batch may take, connecting and repetitions included: OpenTelemetry's default.
pub(super) const EXPORT_LIMIT: Duration = Duration::from_secs(10);

/// Counts what was recorded, per signal; clones share the numbers.
#[derive(Clone, Debug)]
pub(super) struct Counts(Family<Labels, Counter>);

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Signal {
    /// Spans.
    Traces,
    /// Log lines.
    Logs,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    /// The receiver has it.
    Sent,
    /// The receiver did not take it.
    Failed,
    /// The queue was full.
    Dropped,
}
snake_case_labels!(Signal, Outcome);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    signal: Signal,
    outcome: Outcome,
}

/// One signal's way to the receiver: shared by its processor, which fills the queue, and its
/// exporter, which empties it.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    signal: Signal,
    counts: Counts,
    waiting: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
}

/// A processor that admits what the queue has a place for.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    pub(super) queue: Queue,
    pub(super) processor: P,
}

/// An exporter that has a deadline, and runs on a runtime of its own: the thread that calls it
/// belongs to none, and those of the program have other things to do.
#[derive(Debug)]
pub(super) struct Limited<E> {
    pub(super) queue: Queue,
    pub(super) exporter: E,
    pub(super) runtime: Handle,
}

impl Default for Counts {
    fn default() -> Self {
        let counts = Self(Family::default());
        for signal in [Signal::Traces, Signal::Logs] {
            for outcome in [Outcome::Sent, Outcome::Failed, Outcome::Dropped] {
                counts.add(signal, outcome, 0);
            }
        }
        counts
    }
}

impl Counts {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "otlp_items_total",
            "Spans and log lines for the OTLP receiver: sent, failed (not taken), dropped (queue full)",
            self.0.clone(),
        );
    }

    fn add(&self, signal: Signal, outcome: Outcome, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let labels = Labels { signal, outcome };
        self.0.get_or_create(&labels).inc_by(count);
    }
}

impl Queue {
    pub(super) fn new(signal: Signal, counts: Counts) -> Self {
        Self {
            signal,
            counts,
            waiting: Arc::default(),
            failing: Arc::default(),
        }
    }

    /// Takes a place, if there is one.
    fn admit(&self) -> bool {
        let more = |waiting| (waiting < CAPACITY).then_some(waiting + 1);
        let admitted = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok();
        if !admitted {
            self.counts.add(self.signal, Outcome::Dropped, 1);
        }
        admitted
    }

    /// A batch has left, one way or the other.
    fn leave(&self, count: usize, result: &OTelSdkResult) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let outcome = if result.is_ok() {
            Outcome::Sent
        } else {
            Outcome::Failed
        };
        self.counts.add(self.signal, outcome, count);
        let failed = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(reason) if !failed => tracing::warn!(
                signal = ?self.signal, %reason,
                "cannot send to the OTLP receiver; what is recorded meanwhile is lost"
            ),
            Ok(()) if failed => {
                tracing::info!(signal = ?self.signal, "sending to the OTLP receiver works again");
            }
            _ => {}
        }
    }

    /// Waits for `export` on `runtime`, and counts the batch.
    fn drain(
        &self,
        runtime: &Handle,
        count: usize,
        export: impl Future<Output = OTelSdkResult>,
    ) -> OTelSdkResult {
        let limited = async { tokio::time::timeout(EXPORT_LIMIT, export).await };
        let result = runtime
            .block_on(limited)
            .unwrap_or(Err(OTelSdkError::Timeout(EXPORT_LIMIT)));
        self.leave(count, &result);
        result
    }
}

impl<E: SpanExporter> SpanExporter for Limited<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queue
            .drain(&self.runtime, count, self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Limited<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        self.queue
            .drain(&self.runtime, count, self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.admit() {
            self.processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

impl<P: LogProcessor> LogProcessor for Bounded<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.queue.admit() {
            self.processor.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.processor.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}
