//! `probe`: asks a flaky server how it is, tells it to change, and says whether there are problems.
//!
//! Two schedules that do not wait for each other: `GET /status`, and `POST /flaky`. What becomes
//! of a request is an [`attempt::Attempt`]; the parts that decide ([`attempt`], [`verdict`],
//! [`tally`], [`report`], [`screen`]) know nothing of the network. Law: every request ends within
//! its time limit, in exactly one attempt of exactly one class, whatever the server does, and the
//! run ends after its requests. Only a second signal gives those under way up.

pub mod app;
pub mod attempt;
pub mod cli;
pub mod exchange;
pub mod metric;
pub mod report;
pub mod screen;
pub mod tally;
pub mod verdict;
