//! `http`: load on a web application, for a time, by so many threads.
//!
//! A thread here is what other load tools call so: one request in flight, then the next. Without
//! a rate each asks again as soon as it has its answer; with one, all together ask at that rate,
//! and a latency counts from when its request was due, so that a server that stalls cannot hide
//! it. Law: never more requests in flight than threads, never another host than the one that was
//! named (redirects are answers), and an end.

pub mod app;
pub mod cli;
pub mod drive;
pub mod record;
pub mod report;
pub mod schedule;
