//! A custom-metrics API server for Kubernetes, backed by Prometheus.
//!
//! See ARCHITECTURE.md for the flow and for what each module owns.

pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod discovery;
pub mod evaluation;
pub mod explain;
mod markup;
pub mod model;
mod nearest;
pub mod prometheus;
pub mod reload;
mod rhythm;
pub mod rules;
pub mod serving;
mod token;
mod trace;
