//! A cloud for tests and for the demo: Exoscale's API v2 as far as an instance pool needs it, the
//! pool's instances, and a load balancer before them, all on loopback.
//!
//! Law: nothing here is shared with the programs it stands against; the signature is checked by an
//! implementation of its own. It never goes into an image.
//!
//! | module | owns |
//! | --- | --- |
//! | `model` | what the cloud does by itself, as a function of time |
//! | `signature` | whether a request is signed |
//! | `api` | the API and the control path |
//! | `fault` | what goes wrong on demand |
//! | `machine`, `node` | an instance's processes, and its CPU as a node exporter tells it |
//! | `network` | addresses that nobody else uses |
//! | `balancer` | the load balancer |

pub mod api;
pub mod balancer;
pub mod fault;
pub mod machine;
pub mod model;
pub mod network;
pub mod node;
pub mod signature;

mod fake;

pub use fake::{Error, Fake, Options};
