//! Whether rules do what they are meant to do (`check`), and what a HorizontalPodAutoscaler makes of
//! metrics: the arithmetic of the stock controller, its replay over recorded history, and what it
//! makes of the present.
//!
//! `metric` and `hpa` ask a running adapter, through `cluster`, why things are as they are.
//!
//! `pod`, `proposal`, `behavior` and `controller` are that arithmetic, pure and without a clock.
//! Law: the same inputs give the same replicas as kubernetes' own code, which writes the golden
//! vectors that they are held against.

pub mod autoscaler;
pub mod behavior;
pub mod check;
pub mod cluster;
pub mod controller;
pub mod document;
pub mod hpa;
mod kinds;
pub mod metric;
pub mod pod;
pub mod proposal;
pub mod simulate;
pub mod style;

pub use kinds::CommonKinds;
