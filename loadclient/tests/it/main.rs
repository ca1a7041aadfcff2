//! The client from outside, against the real server and a real Prometheus, over loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod goal;
mod http;
mod load;
mod process;
mod retry;
mod rotation;
mod usage;
