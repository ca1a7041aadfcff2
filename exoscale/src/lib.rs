//! An Exoscale instance pool that Prometheus can find and that alerts can scale: the two programs
//! `exoscale-sd` and `exoscale-autoscaler` over one signed API client.
//!
//! | module | owns |
//! | --- | --- |
//! | `api` | the API v2: signature, client, its errors and metrics |
//! | `credential` | key and secret, which never show |
//! | `discovery` | from the pool's members to targets, the file and the HTTP form of them |
//! | `scaler` | the decision, without clock and without I/O |
//! | `webhook` | what an alert's body says |
//! | `autoscaler` | requests in, one step per tick out |
//! | `cli`, `app` | the command lines; wiring and the order of ending |

pub mod api;
pub mod app;
pub mod autoscaler;
pub mod cli;
pub mod credential;
pub mod discovery;
pub mod scaler;
pub mod webhook;
