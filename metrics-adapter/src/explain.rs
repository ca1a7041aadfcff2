//! Whether rules do what they are meant to do (`check`), and what a HorizontalPodAutoscaler makes of
//! metrics: the arithmetic of the stock controller, and its replay over recorded history.
//!
//! `pod`, `proposal`, `behavior` and `controller` are that arithmetic, pure and without a clock.
//! Law: the same inputs give the same replicas as kubernetes' own code, which writes the golden
//! vectors that they are held against.

pub mod autoscaler;
pub mod behavior;
pub mod check;
pub mod controller;
mod kinds;
pub mod pod;
pub mod proposal;
pub mod simulate;

pub use kinds::CommonKinds;
