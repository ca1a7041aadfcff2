//! The client from outside, against the real server and a real Prometheus, over loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod collector;
mod goal;
mod http;
mod load;
mod probe;
mod process;
mod prometheus;
mod retry;
mod rotation;
mod trace;
mod usage;
