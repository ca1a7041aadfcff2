//! What the page shows: one moment of the process, as plain values.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use telemetry::health::State;

use crate::discovery::{Collision, RuleHealth};
use crate::evaluation::{Poll, RuleFailure};
use crate::reload::FileState;
use crate::serving::CertificateState;

/// One moment of the process.
#[derive(Clone, Debug)]
pub struct Status {
    /// Of this program.
    pub version: &'static str,
    /// The name of the machine, or of the pod.
    pub host: String,
    /// The present.
    pub now: Timestamp,
    /// The present by Prometheus' clock, which timestamps of values are of.
    pub present: Timestamp,
    /// Since the start.
    pub uptime: Duration,
    /// What readiness consists of.
    pub conditions: Vec<State>,
    /// The rules file.
    pub file: FileState,
    /// The rules whose metrics are discovered, in the order of the file.
    pub rules: Vec<RuleStatus>,
    /// Whether there are rules for the Resource API.
    pub has_resource_rules: bool,
    /// Metrics that more than one series claims.
    pub collisions: Vec<Collision>,
    /// Requests for values, the latest first.
    pub polls: Vec<Poll>,
    /// Rules whose queries failed, the latest first.
    pub failures: Vec<RuleFailure>,
    /// Calls of Prometheus.
    pub calls: Calls,
    /// Serving certificates, the default one first.
    pub certificates: Vec<CertificateState>,
}

/// A rule, and what it makes.
#[derive(Clone, Debug)]
pub struct RuleStatus {
    /// How it fares.
    pub health: RuleHealth,
    /// How many metrics it makes, those of different kinds of objects counted apart.
    pub metrics: usize,
    /// The first of their names, each once; [`Self::NAMES`] at most.
    pub names: Vec<Arc<str>>,
}

impl RuleStatus {
    /// Names that are told of one rule's metrics.
    pub const NAMES: usize = 5;
}

/// Calls of Prometheus that ended lately.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// All of them.
    pub ended: u64,
    /// Those without a usable answer.
    pub failed: u64,
    /// The time that this is about; not 0.
    pub over: Duration,
}
