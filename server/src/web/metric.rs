//! What the role web measures. Law: every request is counted exactly once, when its answer is
//! ready or when its caller left.

use std::fmt;

use axum::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::burn::Burner;

type Labels = [(&'static str, String); 2];

/// The code of a request whose caller did not wait for the answer.
const LEFT: &str = "left";

/// The web role's metrics; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Labels, Counter>,
    inflight: Gauge,
}

/// One request, from its head to its answer.
#[derive(Debug)]
pub struct Counted {
    metrics: Metrics,
    path: String,
    code: Option<StatusCode>,
}

/// Reads the burner's state when somebody scrapes.
#[derive(Debug)]
struct Burns(Burner);

impl Metrics {
    /// Registers everything; `burner` is asked for its state at every scrape.
    #[must_use]
    pub fn register(registry: &mut Registry, burner: Burner) -> Self {
        let metrics = Self {
            requests: Family::default(),
            inflight: Gauge::default(),
        };
        // There from the start, so that a first one is an increase and not a new series.
        for (path, code) in [
            ("/", "200"),
            ("/load", "200"),
            ("/load", "503"),
            ("/health", "200"),
        ] {
            drop(
                metrics
                    .requests
                    .get_or_create(&labels(path.to_owned(), code)),
            );
        }
        let help = "Requests to the web role, by path and status code (left: nobody waited)";
        let requests = metrics.requests.clone();
        registry.register("server_web_requests_total", help, requests);
        let help = "Requests to the web role that are under way";
        registry.register("server_web_inflight", help, metrics.inflight.clone());
        registry.register_collector(Box::new(Burns(burner)));
        metrics
    }

    /// A request came.
    #[must_use]
    pub fn request(&self, path: String) -> Counted {
        self.inflight.inc();
        Counted {
            metrics: self.clone(),
            path,
            code: None,
        }
    }
}

fn labels(path: String, code: &str) -> Labels {
    [("path", path), ("code", code.to_owned())]
}

impl Counted {
    /// Its answer is ready.
    pub fn end(mut self, code: StatusCode) {
        self.code = Some(code);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.inflight.dec();
        let code = self.code.as_ref().map_or(LEFT, StatusCode::as_str);
        let labels = labels(std::mem::take(&mut self.path), code);
        self.metrics.requests.get_or_create(&labels).inc();
    }
}

impl Collector for Burns {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            ("server_burns", "Burns under way.", self.0.burns()),
            (
                "server_burn_threads_busy",
                "Threads that burn CPU now.",
                self.0.busy(),
            ),
        ] {
            let gauge = ConstGauge::new(i64::from(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
