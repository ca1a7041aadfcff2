//! What becomes of log lines and spans: lines go to standard error; spans are sent by OTLP, with the
//! feature `otel` and `--otlp-endpoint`, and are not even made without both.

#[cfg(feature = "otel")]
use std::time::Duration;

use anyhow::Result;
#[cfg(feature = "otel")]
use http::Request;
#[cfg(feature = "otel")]
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use telemetry::log;
#[cfg(feature = "otel")]
use telemetry::trace::{self, Pipeline, server};
use tower::layer::util::Identity;
#[cfg(feature = "otel")]
use tower::util::{Either, option_layer};

#[cfg(feature = "otel")]
use crate::api;
use crate::cli::Config;

/// How long the last spans may take to be sent, after all requests have ended.
#[cfg(feature = "otel")]
const SEND_LIMIT: Duration = Duration::from_secs(3);

#[cfg(feature = "otel")]
type Spans = Either<server::Layer<fn(&Request<Incoming>) -> Option<String>>, Identity>;
#[cfg(not(feature = "otel"))]
type Spans = Identity;

/// The log, and what sends spans.
#[derive(Default)]
pub(super) struct Recording {
    #[cfg(feature = "otel")]
    traces: Option<Pipeline>,
}

impl Recording {
    /// Starts both, and tells what changes the filter of the log; not on a runtime, which
    /// [`Self::end`] would block.
    pub(super) fn start(config: &Config) -> Result<(Self, log::Handle)> {
        #[cfg(feature = "otel")]
        if config.trace.receiver.is_some() {
            let traces = Pipeline::start(&config.trace)?;
            let handle = log::init_traced(config.log_format, &config.log_filter, &traces)?;
            let traces = Some(traces);
            return Ok((Self { traces }, handle));
        }
        let handle = log::init(config.log_format, &config.log_filter)?;
        Ok((Self::default(), handle))
    }

    /// Sends what is still waiting.
    pub(super) fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.shutdown(SEND_LIMIT);
        }
    }
}

/// Puts a span around every request, if spans are sent.
#[cfg(feature = "otel")]
pub(super) fn spans(config: &Config, registry: &mut Registry) -> Spans {
    trace::register(registry);
    let layer = server::Layer {
        scheme: "https",
        route: route as fn(&_) -> _,
    };
    option_layer(config.trace.receiver.is_some().then_some(layer))
}

#[cfg(not(feature = "otel"))]
pub(super) fn spans(_: &Config, _: &mut Registry) -> Spans {
    Identity::new()
}

#[cfg(feature = "otel")]
fn route(request: &Request<Incoming>) -> Option<String> {
    api::route(request.uri().path())
}
