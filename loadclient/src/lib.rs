//! The client that raises the load, and the judge of whether the goal was held.
//!
//! `grpc` is single-threaded and has one request in flight, never two: its rate is set by its
//! pacing and by the number of replicas, and one replica can never exceed 1 / latency. `verify`
//! reads Prometheus. [`http`] makes load on a web application, with so many requests in flight.
//! [`probe`] watches a flaky server. The parts that decide ([`check`], [`plan`], [`rotation`], [`verdict`]) know
//! nothing of the network.

pub mod app;
pub mod check;
pub mod cli;
pub mod connection;
pub mod drive;
pub mod endpoint;
pub mod http;
pub mod plan;
pub mod probe;
pub mod prometheus;
pub mod record;
pub mod resolve;
pub mod rotation;
pub mod target;
pub mod verdict;
