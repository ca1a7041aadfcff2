//! The JSON of values, per group.

pub(super) mod custom;
pub(super) mod external;
pub(super) mod resource;
pub(super) mod table;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::Serialize;

/// A list of any kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<I> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: Vec<I>,
}

#[derive(Serialize)]
struct Empty {}

fn list<I>(
    kind: &'static str,
    api_version: &'static str,
    items: impl Iterator<Item = I>,
) -> List<I> {
    List {
        kind,
        api_version,
        metadata: Empty {},
        items: items.collect(),
    }
}

/// The time that a value looks back on, as the types of values have it.
fn seconds(window: Option<Duration>) -> Option<u64> {
    window.map(|window| window.as_secs())
}

/// RFC 3339 in whole seconds, as metav1.Time is written.
fn timestamp(at: Timestamp) -> String {
    let seconds = jiff::TimestampRound::new()
        .smallest(Unit::Second)
        .mode(jiff::RoundMode::Trunc);
    let at = at.round(seconds).unwrap_or(at);
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}
