//! The answers, per group: what is written as JSON or YAML, and its protobuf messages.
//!
//! Law: both come from the same wire type, and neither goes through the other.

pub(super) mod custom;
pub(super) mod discovery;
mod draft;
pub(super) mod external;
pub(super) mod proto;
pub(super) mod resource;
pub(super) mod status;
pub(super) mod table;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::model::Quantity;

/// What can be answered in every encoding.
pub(super) trait Answer: Serialize {
    /// The bytes of `application/json`.
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

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
        let mut list = proto::ListWriter::default();
        for item in &self.items {
            list.push(&item.message());
        }
        list.finish(self.api_version, self.kind)
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
        let at = Timestamp::from_second(self.0.as_second()).unwrap_or(self.0);
        fmt::Display::fmt(&at, f)
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
