//! Black-box tests: the adapter's rooms together, against a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod adapter;
mod cluster;
mod command_line;
mod corners;
mod discovery;
mod document;
mod encoding;
mod external;
mod guide;
mod kinds;
mod kubernetes;
mod metrics;
mod option;
mod own_metrics;
mod prometheus;
mod reload;
mod resource;
mod separable;
mod usage;

// The cluster is shared with the unit tests.
use metrics_adapter::model;
