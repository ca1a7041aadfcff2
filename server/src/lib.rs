//! What there is to scale: a gRPC server with a finite capacity, a web application that burns CPU,
//! and a request counter that shares its count through Redis. One binary, several roles, each with
//! its own listener.
//!
//! Of the role grpc each process has a number of workers and a service time, and so a rate it can
//! sustain (workers / service time); beyond it calls queue, and beyond the queue they are refused.
//! What it measures is what the autoscaling reads. The parts that decide ([`pool`], [`work`],
//! [`burn`], [`background`], [`flaky`], [`counter`], the connection's [`age`]) know nothing of the
//! network.

pub mod age;
pub mod app;
pub mod background;
pub mod burn;
pub mod cli;
pub mod connection;
pub mod counter;
pub mod deadline;
pub mod flaky;
pub mod grpc;
pub mod metric;
pub mod pool;
pub mod priority;
pub mod role;
pub mod service;
pub mod usage;
pub mod web;
pub mod work;
