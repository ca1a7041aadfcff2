//! Which metrics there are: the relist loop and the catalog that it publishes.
//!
//! [`Relister::run`] is the only writer of the [`Catalog`]; everyone else reads the current one
//! from memory. Each distinct series query is asked on its own and fails on its own: it keeps its
//! last good answer, up to an age, and is asked again after a pause, while the others go on. New rules come
//! into force together with their metrics, when every series query of theirs was answered or
//! refused once; until then the catalog is that of the rules before.

mod catalog;
mod health;
mod meter;
mod metrics;
mod relist;
mod source;

pub use catalog::{Catalog, Collision, Entry, ExternalEntry};
pub use health::{RuleHealth, collisions, summary};
pub use meter::{Counters, Meter, Outcome};
pub use metrics::Metrics;
pub use relist::{Listing, Options, Relister, State};
