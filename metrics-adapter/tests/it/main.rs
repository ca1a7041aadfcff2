//! Black-box tests: the adapter's rooms together, against a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod adapter;
mod cluster;
mod corners;
mod discovery;
mod external;
mod kinds;
mod kubernetes;
mod metrics;
mod own_metrics;
mod prometheus;
mod resource;
mod usage;
