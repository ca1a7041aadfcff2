//! The server from outside: the real binary or the bound library, over loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod calls;
mod counter;
mod drain;
mod frame;
mod lifetime;
mod operator;
mod process;
mod status;
mod usage;
mod web;
