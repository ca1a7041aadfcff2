//! What stands in for a value that is not there.

use std::time::Duration;

use super::Quantity;

/// What an object, or an external metric, without a usable value gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// Nothing: it is left out of the answer.
    Omit,
    /// A fixed value.
    Value(Quantity),
    /// The last value that was served for it, at most so old, with its own time.
    Last(Duration),
    /// The whole request fails, so that an HPA holds.
    Error,
}

impl Fallback {
    /// Zero.
    pub const ZERO: Self = Self::Value(Quantity::ZERO);
}
