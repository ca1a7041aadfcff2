//! Traces: spans of OpenTelemetry around requests, W3C context from caller to callee, and both
//! spans and log lines sent to a receiver by OTLP.
//!
//! Spans are `tracing`'s; those of level info and above are traces' too. A server puts
//! [`server::Layer`] around its routes, a client makes a [`client::Call`]; what happens between
//! belongs to the trace, log lines included ([`crate::log`] writes `traceID` and `spanID`).
//!
//! Law: without a receiver nothing is sent, but trace ids are made, passed on and logged all the
//! same; a receiver that does not answer costs spans, never a request. A process starts one
//! [`Pipeline`], before its log, and ends it last.

pub mod client;
mod config;
mod queue;
pub mod server;

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{
    self as sdk, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

pub use self::config::{Args, Config, Error as ConfigError, Protocol, Receiver, Sampling};
use self::queue::{Bounded, CAPACITY, Counts, EXPORT_LIMIT, Limited, Queue, Signal};
use crate::{host, request};

/// How long recorded spans wait for others to be sent with.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// How many characters of a path or a header stand in a span.
const TEXT_LIMIT: usize = 512;

/// Of the one pipeline of this process, as its log is one.
static COUNTS: LazyLock<Counts> = LazyLock::new(Counts::default);

/// A histogram whose buckets remember a trace that fell into them.
pub type Histogram = HistogramWithExemplars<[(&'static str, String); 1]>;

/// Why traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The receiver's URL, or one of OpenTelemetry's variables.
    #[error("--otlp-endpoint")]
    Exporter(#[from] ExporterBuildError),
    /// No HTTP client.
    #[error("--otlp-endpoint: cannot set up the HTTP client")]
    Client(#[from] reqwest::Error),
    /// No thread to send from.
    #[error("cannot start the thread that sends traces")]
    Thread(#[from] std::io::Error),
}

/// What records, and what sends.
#[derive(Debug)]
pub struct Pipeline {
    tracer: SdkTracer,
    traces: SdkTracerProvider,
    logs: Option<SdkLoggerProvider>,
    /// Where exporters run; exists exactly when there is a receiver.
    runtime: Option<Runtime>,
}

impl Pipeline {
    /// Sets everything up; connects to nobody yet.
    ///
    /// # Errors
    ///
    /// If a variable of OpenTelemetry's has no sense, or the system has no thread left.
    pub fn start(config: &Config) -> Result<Self, Error> {
        Self::start_counted(config, &COUNTS)
    }

    fn start_counted(config: &Config, counts: &Counts) -> Result<Self, Error> {
        let resource = Resource::builder()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", host::name()))
            .build();
        let mut traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(sampler(config.sampling));
        let (mut logs, mut runtime) = (None, None);
        if let Some(receiver) = &config.receiver {
            let sender = sender()?;
            // gRPC channels are made on the runtime that drives them.
            let entered = sender.enter();
            traces = traces.with_span_processor(span_processor(receiver, &sender, counts)?);
            if receiver.logs {
                let provider = SdkLoggerProvider::builder()
                    .with_resource(resource)
                    .with_log_processor(log_processor(receiver, &sender, counts)?);
                logs = Some(provider.build());
            }
            drop(entered);
            runtime = Some(sender);
        }
        let traces = traces.build();
        Ok(Self {
            tracer: traces.tracer("telemetry"),
            traces,
            logs,
            runtime,
        })
    }

    /// Sends what is still waiting, for as long as `limit` (10 s at most), and records nothing any
    /// more. Blocks: not for the threads of a runtime.
    pub fn shutdown(self, limit: Duration) {
        let start = Instant::now();
        let mut ended = self.traces.shutdown_with_timeout(limit);
        if let Some(logs) = self.logs {
            let left = limit.saturating_sub(start.elapsed());
            ended = ended.and(logs.shutdown_with_timeout(left));
        }
        if let Err(error) = ended {
            tracing::warn!(%error, "the last spans or log lines may not have been sent");
        }
        if let Some(runtime) = self.runtime {
            runtime.shutdown_background();
        }
    }

    /// Turns spans of level info and above into OpenTelemetry's.
    pub(crate) fn spans<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            // A span says itself how it ended; what was logged meanwhile has no say.
            .with_error_events_to_status(false)
            .with_filter(LevelFilter::INFO)
    }

    /// Sends log lines, if the receiver is to get them.
    pub(crate) fn lines<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.logs.as_ref().map(OpenTelemetryTracingBridge::new)
    }
}

/// Registers what is counted of sending; call it once per registry.
pub fn register(registry: &mut Registry) {
    COUNTS.register(registry);
}

/// The trace that the current span belongs to, as 32 hexadecimal digits.
#[must_use]
pub fn id() -> Option<String> {
    current().map(|span| span.trace_id().to_string())
}

/// Observes `value`, and remembers the current trace with it if that is recorded.
pub fn observe(histogram: &Histogram, value: f64) {
    let trace = current().filter(SpanContext::is_sampled);
    let exemplar = trace.map(|span| [("trace_id", span.trace_id().to_string())]);
    let time = exemplar.is_some().then(opentelemetry::time::now);
    histogram.observe(value, exemplar, time);
}

/// The current span, if it has valid ids.
pub(crate) fn current() -> Option<SpanContext> {
    let span = Context::map_current(|context| context.span().span_context().clone());
    span.is_valid().then_some(span)
}

/// The caller's context: W3C `traceparent`, `tracestate` and `baggage`. Malformed headers count
/// as none.
fn extract(headers: &http::HeaderMap) -> Context {
    let headers = HeaderExtractor(headers);
    let context = TraceContextPropagator::new().extract(&headers);
    BaggagePropagator::new().extract_with_context(&context, &headers)
}

/// Writes `context` into a request's headers.
fn inject(context: &Context, headers: &mut http::HeaderMap) {
    let mut injector = HeaderInjector(headers);
    TraceContextPropagator::new().inject_context(context, &mut injector);
    if !context.baggage().is_empty() {
        BaggagePropagator::new().inject_context(context, &mut injector);
    }
}

/// Tells a callee which trace and span its caller works for, without the caller's baggage: for a
/// callee whom the caller's own callers do not know.
pub fn hand_on(headers: &mut http::HeaderMap) {
    let mut injector = HeaderInjector(headers);
    TraceContextPropagator::new().inject_context(&Context::current(), &mut injector);
}

/// A method's name, and what was sent in its place if it is none of HTTP's.
fn method(method: &http::Method) -> (&'static str, Option<&str>) {
    match request::method(method) {
        Some(known) => (known, None),
        None => (request::OTHER_METHOD, Some(method.as_str())),
    }
}

/// What a stranger wrote, cut to a size that one can keep many of.
fn bounded(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).collect()
}

fn sampler(sampling: Sampling) -> Sampler {
    let root = Sampler::TraceIdRatioBased(sampling.ratio);
    if sampling.parent_based {
        Sampler::ParentBased(Box::new(root))
    } else {
        root
    }
}

/// A runtime for the exporters alone: they work whatever the program's own does, and when it has
/// ended. Nothing on it is recorded, or sending would make something to send.
fn sender() -> Result<Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .enable_all()
        .build()?;
    Ok(runtime)
}

fn span_processor(
    receiver: &Receiver,
    runtime: &Runtime,
    counts: &Counts,
) -> Result<impl sdk::SpanProcessor + use<>, Error> {
    let exporter = match receiver.protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_tls_config(tls(receiver))
            .with_endpoint(&receiver.endpoint)
            .with_timeout(EXPORT_LIMIT)
            .build()?,
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_http_client(http_client(receiver)?)
            .with_endpoint(format!("{}/v1/traces", receiver.endpoint))
            .with_timeout(EXPORT_LIMIT)
            .build()?,
    };
    let queue = Queue::new(Signal::Traces, counts.clone());
    let exporter = Limited {
        queue: queue.clone(),
        exporter,
        runtime: runtime.handle().clone(),
    };
    let batches = sdk::BatchConfigBuilder::default()
        .with_max_queue_size(CAPACITY)
        .with_scheduled_delay(BATCH_DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    Ok(Bounded { queue, processor })
}

fn log_processor(
    receiver: &Receiver,
    runtime: &Runtime,
    counts: &Counts,
) -> Result<impl logs::LogProcessor + use<>, Error> {
    let exporter = match receiver.protocol {
        Protocol::Grpc => LogExporter::builder()
            .with_tonic()
            .with_tls_config(tls(receiver))
            .with_endpoint(&receiver.endpoint)
            .with_timeout(EXPORT_LIMIT)
            .build()?,
        Protocol::HttpProtobuf => LogExporter::builder()
            .with_http()
            .with_http_client(http_client(receiver)?)
            .with_endpoint(format!("{}/v1/logs", receiver.endpoint))
            .with_timeout(EXPORT_LIMIT)
            .build()?,
    };
    let queue = Queue::new(Signal::Logs, counts.clone());
    let exporter = Limited {
        queue: queue.clone(),
        exporter,
        runtime: runtime.handle().clone(),
    };
    let batches = logs::BatchConfigBuilder::default()
        .with_max_queue_size(CAPACITY)
        .with_scheduled_delay(BATCH_DELAY)
        .build();
    let processor = BatchLogProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    Ok(Bounded { queue, processor })
}

/// Trusts whom the system trusts. Plain HTTP needs nobody's trust: our images have no certificates,
/// and to look for some would fail.
fn tls(receiver: &Receiver) -> ClientTlsConfig {
    let tls = ClientTlsConfig::new();
    if receiver.is_encrypted() {
        tls.with_enabled_roots()
    } else {
        tls
    }
}

/// As [`tls`].
fn http_client(receiver: &Receiver) -> Result<reqwest::Client, Error> {
    // reqwest wants a provider of TLS even for plain HTTP; one that is chosen already stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if !receiver.is_encrypted() {
        builder = builder.tls_certs_only([]);
    }
    Ok(builder.build()?)
}

#[cfg(test)]
mod tests;
