//! The answers, per group: what is written as JSON or YAML, and its protobuf messages.
//!
//! Law: both come from the same wire type, and neither goes through the other.

pub(super) mod custom;
pub(super) mod discovery;
pub(super) mod external;
pub(super) mod proto;
pub(super) mod resource;
pub(super) mod status;
pub(super) mod table;

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::{Serialize, Serializer};

use crate::model::Quantity;

/// What can be answered in every encoding.
pub(super) trait Answer: Serialize {
    /// The bytes of `application/vnd.kubernetes.protobuf`.
    fn protobuf(&self) -> Vec<u8>;
}

/// A part of an answer that has a message of its own.
pub(super) trait Part: Serialize {
    /// The message.
    type Message: proto::Object;

    /// Fills the message.
    fn message(&self) -> Self::Message;
}

/// A list of any kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<I> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: Vec<I>,
}

impl<I: Part> Answer for List<I> {
    fn protobuf(&self) -> Vec<u8> {
        let list = proto::List {
            metadata: proto::ListMeta::default(),
            items: self.items.iter().map(Part::message).collect(),
        };
        proto::envelope(self.api_version, self.kind, list)
    }
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

/// metav1.Time: RFC 3339 in whole seconds.
#[derive(Clone, Copy)]
struct Time(Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = jiff::TimestampRound::new()
            .smallest(Unit::Second)
            .mode(jiff::RoundMode::Trunc);
        let at = self.0.round(seconds).unwrap_or(self.0);
        let at = at.to_zoned(TimeZone::UTC);
        write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Time> for proto::Time {
    fn from(time: Time) -> Self {
        Self {
            seconds: Some(time.0.as_second()),
            nanos: Some(0),
        }
    }
}

/// A quantity as text.
#[derive(Clone, Copy)]
struct Amount(Quantity);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<Amount> for proto::Quantity {
    fn from(amount: Amount) -> Self {
        Self {
            string: amount.0.to_string(),
        }
    }
}

/// The window of a value in whole seconds, as custom and external metrics tell it.
fn seconds(window: Option<Duration>) -> Option<i64> {
    window.and_then(|window| i64::try_from(window.as_secs()).ok())
}

/// A map of strings, in the order of its keys.
fn entries<'a>(map: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<proto::Entry> {
    map.map(|(key, value)| proto::Entry {
        key: key.to_owned(),
        value: value.to_owned(),
    })
    .collect()
}
