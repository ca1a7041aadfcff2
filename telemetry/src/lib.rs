//! What every process of this project needs to be run and watched: logs, metrics as Prometheus
//! text, traces (with the feature `otel`), listeners and what they bear, health conditions, reloads
//! and the reaction to signals.
//!
//! It owns no state of any program: programs hand in a registry and their conditions. It knows
//! nothing of gRPC, of Kubernetes or of what is measured, with one exception: [`operation`] holds
//! the three `travelaudience_*` metrics, which server and client must name alike.

pub mod address;
pub mod admin;
pub mod backoff;
pub mod duration;
pub mod health;
pub mod healthcheck;
pub mod host;
pub mod http;
pub mod label;
pub mod listener;
pub mod liveness;
pub mod log;
pub mod operation;
pub mod reload;
pub mod request;
pub mod shutdown;
pub mod text;
#[cfg(feature = "otel")]
pub mod trace;
pub mod usage;
