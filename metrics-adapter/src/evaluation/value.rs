//! From instant vectors to the readings of objects, and from floats to quantities.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::objects::Point;
use crate::model::Quantity;

/// Why a sample is no value. prometheus-adapter serves the smallest integer for such samples of
/// external metrics, which makes the HPA scale to its minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.text())]
pub(super) enum Unusable {
    NotANumber,
    Infinite,
    Overflow,
    Stale,
}

impl Unusable {
    /// The label value of the counter.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotANumber => "nan",
            Self::Infinite => "infinite",
            Self::Overflow => "overflow",
            Self::Stale => "stale",
        }
    }

    /// For people.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::NotANumber => "NaN is no value",
            Self::Infinite => "an infinite number is no value",
            Self::Overflow => "2^63 thousandths or more do not fit into a quantity",
            Self::Stale => "the newest sample is older than maxAge, or its age is unknown",
        }
    }
}

/// A value, and when it was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) value: Quantity,
    pub(super) timestamp: Timestamp,
}

/// The quantity of a sample.
pub(super) fn quantity(value: f64) -> Result<Quantity, Unusable> {
    if value.is_nan() {
        return Err(Unusable::NotANumber);
    }
    if value.is_infinite() {
        return Err(Unusable::Infinite);
    }
    Quantity::from_f64(value).map_err(|_| Unusable::Overflow)
}

/// The newest sample of an object: its own time, and how long ago that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) taken: Timestamp,
    pub(super) age: Duration,
}

impl Newest {
    /// The time is the value of an element in the answer to an age query. The age is measured by
    /// Prometheus' clock alone, up to when it answered; since then `kept` has passed by ours.
    pub(super) fn of(newest: Point, kept: Duration) -> Option<Self> {
        let since_epoch = SignedDuration::try_from_secs_f64(newest.value).ok()?;
        let taken = Timestamp::from_duration(since_epoch).ok()?;
        let age = newest.timestamp.duration_since(taken) + SignedDuration::try_from(kept).ok()?;
        // A time to come has no age.
        let age = Duration::try_from(age).unwrap_or_default();
        Some(Self { taken, age })
    }
}
