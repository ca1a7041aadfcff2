//! What templates compute with: borrowed from the request's scope wherever possible.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Value;

/// A value during evaluation.
#[derive(Clone, Debug)]
pub(super) enum Data<'a> {
    /// `nil`, and what a map does not have.
    Nil,
    /// The fields themselves: the first dot, and `$`.
    Root,
    Text(Cow<'a, str>),
    Int(i64),
    /// What indexing a string gives.
    Byte(u8),
    Bool(bool),
    List(List<'a>),
    Map(&'a BTreeMap<String, String>),
}

/// A slice, which `slice` can lengthen up to its capacity again, as in Go.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    capacity: &'a [String],
    length: usize,
}

impl<'a> List<'a> {
    pub(super) fn items(self) -> &'a [String] {
        &self.capacity[..self.length]
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity.len()
    }

    /// `l[from:to:limit]`; the caller has checked the order.
    pub(super) fn cut(self, from: usize, to: usize, limit: usize) -> Self {
        Self {
            capacity: &self.capacity[from..limit],
            length: to - from,
        }
    }
}

impl<'a> From<&'a Value> for Data<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::List(items) => Self::List(List {
                capacity: items,
                length: items.len(),
            }),
            Value::Map(map) => Self::Map(map),
        }
    }
}

impl Data<'_> {
    /// Go's truth: not the zero of its type.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Root => true,
            Self::Text(text) => !text.is_empty(),
            Self::Int(number) => *number != 0,
            Self::Byte(byte) => *byte != 0,
            Self::Bool(truth) => *truth,
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// The type's name for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Root => "the whole data",
            Self::Text(_) => "a string",
            Self::Int(_) | Self::Byte(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The number of an integer of either type.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Byte(byte) => Some(i64::from(*byte)),
            _ => None,
        }
    }
}
