//! Requests as OpenTelemetry's conventions measure them: the stable one, which is canonical here,
//! and the one before it, for dashboards made for Go programs with otelhttp up to 0.57.
//!
//! `http_server_request_duration_seconds` follows the semantic conventions for HTTP metrics 1.23
//! and later. The older names are what otelhttp and OpenTelemetry's Prometheus exporter made
//! together, without suffixes of counters. Law: no text of callers becomes a label value: their hosts
//! are told only by the names that the server knows as its own; a request whose caller left before
//! its answer is not measured.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use telemetry::request::{self, OTHER_METHOD};
use telemetry::trace;
use tokio::time::Instant;

use crate::flaky::Code;

/// The bounds that the stable convention advises, in seconds.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// OpenTelemetry's default bounds, read as milliseconds.
const MILLISECONDS: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0,
    7_500.0, 10_000.0,
];

/// What every host is called that is not the server's own.
const OTHER_HOST: &str = "other";

type Histograms<L, H> = Family<L, H, fn() -> H>;

/// The metrics of both conventions; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Conventions {
    /// Its buckets remember traces.
    duration: Histograms<Labels, trace::Histogram>,
    legacy_duration: Histograms<LegacyLabels, Histogram>,
    request_size: Family<LegacyLabels, Counter>,
    response_size: Family<LegacyLabels, Counter>,
    hosts: Arc<Hosts>,
}

/// The server's own hosts, which requests are told by.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// Names and addresses; callers may write them in any case.
    pub names: Vec<String>,
    /// The listener's port.
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    http_request_method: &'static str,
    http_response_status_code: u16,
    http_route: String,
    network_protocol_name: &'static str,
    network_protocol_version: &'static str,
    url_scheme: &'static str,
    /// The status code of a server error, as the convention wants it; else empty.
    error_type: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LegacyLabels {
    http_method: &'static str,
    http_route: String,
    http_scheme: &'static str,
    http_status_code: u16,
    net_host_name: String,
    net_host_port: Option<u16>,
    net_protocol_name: &'static str,
    net_protocol_version: &'static str,
}

/// Whom a caller asked for, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
}

impl Conventions {
    /// Registers the metrics.
    #[must_use]
    pub fn register(registry: &mut Registry, hosts: Hosts) -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| trace::Histogram::new(SECONDS.into_iter())),
            legacy_duration: Family::new_with_constructor(|| Histogram::new(MILLISECONDS)),
            request_size: Family::default(),
            response_size: Family::default(),
            hosts: Arc::new(hosts),
        };
        registry.register(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests",
            metrics.duration.clone(),
        );
        registry.register(
            "http_server_duration_milliseconds",
            "Duration of HTTP server requests, by its older name",
            metrics.legacy_duration.clone(),
        );
        registry.register(
            "http_server_request_size_bytes",
            "Bytes of request bodies that handlers read, which read none",
            metrics.request_size.clone(),
        );
        registry.register(
            "http_server_response_size_bytes",
            "Bytes of response bodies",
            metrics.response_size.clone(),
        );
        metrics
    }
}

impl Hosts {
    /// Whom this request asked for: by our own spelling, or `other`, and the port only if it is
    /// the listener's, without the scheme's own, as otelhttp does.
    fn tell(&self, asked: Option<&Authority>) -> Host {
        let known = |asked: &Authority| {
            let mut names = self.names.iter();
            let name = names.find(|name| name.eq_ignore_ascii_case(asked.host()))?;
            let port = asked.port_u16();
            Some(Host {
                name: name.clone(),
                port: port.filter(|port| *port == self.port && *port != 80),
            })
        };
        asked.and_then(known).unwrap_or_else(|| Host {
            name: OTHER_HOST.to_owned(),
            port: None,
        })
    }
}

/// Measures a request, as a layer around all routes.
pub(super) async fn observe(
    State(metrics): State<Conventions>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let http_route = route.map_or_else(String::new, |route| route.as_str().to_owned());
    let method = request::method(request.method()).unwrap_or(OTHER_METHOD);
    let version = request::version(request.version());
    let host = metrics.hosts.tell(request::host(&request).as_ref());
    let response = next.run(request).await;
    let stored = response.extensions().get::<Code>();
    // An interim code is told as what was stored, although 200 follows it: otelhttp does so.
    let status = stored.map_or_else(|| response.status().as_u16(), |code| code.number());
    let elapsed = start.elapsed().as_secs_f64();
    let labels = Labels {
        http_request_method: method,
        http_response_status_code: status,
        http_route: http_route.clone(),
        network_protocol_name: "http",
        network_protocol_version: version,
        url_scheme: "http",
        error_type: (status >= 500).then_some(status),
    };
    trace::observe(&metrics.duration.get_or_create(&labels), elapsed);
    let labels = LegacyLabels {
        http_method: method,
        http_route,
        http_scheme: "http",
        http_status_code: status,
        net_host_name: host.name,
        net_host_port: host.port,
        net_protocol_name: "http",
        net_protocol_version: version,
    };
    let legacy = metrics.legacy_duration.get_or_create(&labels);
    legacy.observe(elapsed * 1e3);
    // The series exists; it is 0 as long as no route reads a body.
    drop(metrics.request_size.get_or_create(&labels));
    let bytes = response.body().size_hint().lower();
    metrics.response_size.get_or_create(&labels).inc_by(bytes);
    response
}

#[cfg(test)]
mod tests;
