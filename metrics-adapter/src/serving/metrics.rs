//! What serving counts. Label values come from the enums below, so their number is fixed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use telemetry::reload::Reloads;

/// Why a TLS handshake did not end in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HandshakeFailure {
    /// The peer took longer than the handshake timeout.
    Timeout,
    /// The peer spoke no TLS, or none that is acceptable.
    Protocol,
    /// Newer connections needed its place.
    Displaced,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HandshakeLabels {
    pub(super) reason: HandshakeFailure,
}

telemetry::snake_case_labels!(HandshakeFailure);

/// Counters and gauges of the HTTPS front. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) connections: Gauge,
    pub(super) accepted: Counter,
    pub(super) handshake_failures: Family<HandshakeLabels, Counter>,
    pub(super) panics: Counter,
    pub(super) connection_panics: Counter,
    pub(super) timeouts: Counter,
    pub(super) certificate_reloads: Reloads,
    pub(super) certificate_expiry_seconds: Gauge,
}

impl Metrics {
    /// Registers all of them; the caller chooses the prefix (`registry.sub_registry_with_prefix`).
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            certificate_reloads: Reloads::register(
                registry,
                "certificate",
                "the serving certificates' files",
            ),
            ..Self::default()
        };
        for reason in [
            HandshakeFailure::Timeout,
            HandshakeFailure::Protocol,
            HandshakeFailure::Displaced,
        ] {
            drop(
                metrics
                    .handshake_failures
                    .get_or_create(&HandshakeLabels { reason }),
            );
        }
        registry.register(
            "connections",
            "Open connections of the HTTPS listener, handshakes included",
            metrics.connections.clone(),
        );
        registry.register(
            "connections_accepted_total",
            "Connections that the HTTPS listener accepted",
            metrics.accepted.clone(),
        );
        registry.register(
            "tls_handshake_failures_total",
            "TLS handshakes that did not succeed",
            metrics.handshake_failures.clone(),
        );
        registry.register(
            "handler_panics_total",
            "Requests answered with 500 because their handler panicked",
            metrics.panics.clone(),
        );
        registry.register(
            "connection_panics_total",
            "Connections and HTTP/2 streams that were cut because something else than a handler panicked",
            metrics.connection_panics.clone(),
        );
        registry.register(
            "request_timeouts_total",
            "Requests answered with 504 because their handler took too long",
            metrics.timeouts.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "End of validity of the certificate being served, in seconds since the epoch",
            metrics.certificate_expiry_seconds.clone(),
        );
        metrics
    }
}
