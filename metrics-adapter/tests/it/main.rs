//! Black-box tests: the adapter's rooms together, against a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod access;
mod adapter;
mod api_server;
mod authority;
mod broken;
mod broken_cluster;
mod check;
mod cluster;
#[cfg(feature = "otel")]
#[path = "../../../loadclient/tests/it/collector.rs"]
mod collector;
mod command_line;
mod corners;
mod discovery;
mod document;
mod encoding;
mod external;
mod guide;
mod history;
mod kinds;
mod kubernetes;
mod log_level;
mod long_query;
mod metrics;
mod option;
mod own_metrics;
mod prometheus;
mod reload;
mod resource;
mod rotation;
mod separable;
mod simulate;
mod status_page;
mod tls;
#[cfg(feature = "otel")]
mod trace;
mod usage;

// The cluster is shared with the unit tests.
use metrics_adapter::model;
