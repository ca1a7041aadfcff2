//! How a rule's values are judged and told. All of it is off in a file of prometheus-adapter.

use std::time::Duration;

use crate::config::DiscoveryRule;
use crate::model::Fallback;

/// The wishes of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The largest age of the newest sample.
    pub max_age: Option<Duration>,
    /// How old an answer of Prometheus may be; `None` for what all rules have.
    pub max_staleness: Option<Duration>,
    /// The time that the query looks back on; told to clients.
    pub window: Option<Duration>,
    /// For an object without a sample, or an external metric without a result.
    pub on_missing: Fallback,
    /// For NaN; `None` for the API's own way: zero for objects, nothing for external metrics.
    pub on_nan: Option<Fallback>,
}

impl Policy {
    pub(super) fn of(rule: &DiscoveryRule) -> Self {
        Self {
            max_age: rule.max_age,
            max_staleness: rule.max_staleness,
            window: rule.window,
            on_missing: rule.on_missing.unwrap_or(Fallback::Omit),
            on_nan: rule.on_nan,
        }
    }

    /// Whether values must be remembered for later.
    pub fn remembers(&self) -> bool {
        [Some(self.on_missing), self.on_nan]
            .iter()
            .any(|fallback| matches!(fallback, Some(Fallback::Last(_))))
    }
}
