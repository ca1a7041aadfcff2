//! The two programs from outside, against a cloud of this machine: the course's own scenarios,
//! and an API at its worst.

#![allow(clippy::unwrap_used, reason = "tests")]

mod autoscaler;
mod body;
mod course;
mod outage;
mod usage;
mod world;
