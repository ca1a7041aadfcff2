//! Troubles of rules, each told once and not at every poll.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, info, warn};

use super::value::Unusable;

/// What was told already. Grows with the number of rules only.
#[derive(Debug, Default)]
pub(super) struct Journal {
    failing: Mutex<BTreeSet<Arc<str>>>,
    unusable: Mutex<BTreeSet<(Arc<str>, Unusable)>>,
}

impl Journal {
    /// A query of a rule failed, or worked.
    pub(super) fn query(&self, rule: &Arc<str>, failure: Option<&str>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(error) if failing.insert(Arc::clone(rule)) => {
                warn!(%rule, error, "queries of {rule} fail: {error}");
            }
            None if failing.remove(rule) => info!(%rule, "queries of {rule} work again"),
            _ => {}
        }
    }

    /// A sample of a rule was left out. Different requests for one rule meet different samples,
    /// so there is no telling when it is over: each reason is told once. NaN is what a ratio
    /// without traffic gives, and no trouble.
    pub(super) fn left_out(&self, rule: &Arc<str>, unusable: Unusable) {
        let mut told = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        if unusable != Unusable::NotANumber && told.insert((Arc::clone(rule), unusable)) {
            warn!(%rule, "values of {rule} are left out: {unusable}");
        } else {
            debug!(%rule, "a value of {rule} is left out: {unusable}");
        }
    }
}
