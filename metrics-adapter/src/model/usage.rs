//! What nodes and pods use of CPU and memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{FieldSelector, IndexedObject, Quantity, Selector};

/// Which nodes or pods a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UsageQuery {
    /// One object, which must exist.
    One {
        /// Its namespace; `None` for nodes.
        namespace: Option<Arc<str>>,
        /// Its name.
        name: Arc<str>,
    },
    /// All that match.
    List {
        /// The namespace; `None` for nodes, and for the pods of all namespaces.
        namespace: Option<Arc<str>>,
        /// Restriction on the objects' labels.
        labels: Selector,
        /// Restriction on their names and namespaces.
        fields: FieldSelector,
    },
}

/// CPU and memory in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Cores, in the decimal format.
    pub cpu: Quantity,
    /// Bytes, in the binary format.
    pub memory: Quantity,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self {
        cpu: Quantity::ZERO,
        memory: Quantity::ZERO,
    };
}

/// What one object used in the window before the timestamp.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage<A> {
    /// The node or pod, with its labels.
    pub object: IndexedObject,
    /// The earliest time of its samples: the careful choice where a client compares it with a
    /// pod's start.
    pub timestamp: Timestamp,
    /// The time that the values were averaged over, as the rules file tells it.
    pub window: Duration,
    /// The values.
    pub amount: A,
}

/// A node's usage.
pub type NodeUsage = Usage<Amount>;

/// A pod's usage, by the names of its containers.
pub type PodUsage = Usage<BTreeMap<Arc<str>, Amount>>;
