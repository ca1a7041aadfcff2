//! Black-box tests: the adapter's rooms together, against a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod adapter;
mod cluster;
mod command_line;
mod external;
mod metrics;
mod own_metrics;
mod prometheus;
mod resource;
mod usage;
