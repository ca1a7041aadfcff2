//! Troubles of rules, each told once and not at every poll.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::value::Unusable;

/// So long no query of a rule may fail until its trouble counts as over: four polls of an HPA.
/// One rule serves many namespaces and selectors, of which some work while others fail.
const QUIET: Duration = Duration::from_secs(60);

/// What was told already. Grows with the number of rules only.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// When a query of the rule failed last.
    failing: Mutex<BTreeMap<Arc<str>, Instant>>,
    unusable: Mutex<BTreeSet<(Arc<str>, Unusable)>>,
}

/// What a query is worth saying.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Trouble,
    Over,
    Nothing,
}

impl Journal {
    /// A query of a rule failed, or worked.
    pub(super) fn query(&self, rule: &Arc<str>, failure: Option<&str>) {
        match (self.news(rule, failure.is_some()), failure) {
            (News::Trouble, Some(error)) => {
                warn!(%rule, error, "queries of {rule} fail: {error}");
            }
            (News::Over, _) => info!(%rule, "queries of {rule} work again"),
            (_, Some(error)) => debug!(%rule, error, "a query of {rule} failed: {error}"),
            _ => {}
        }
    }

    fn news(&self, rule: &Arc<str>, failed: bool) -> News {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failed {
            return match failing.insert(Arc::clone(rule), now) {
                Some(_) => News::Nothing,
                None => News::Trouble,
            };
        }
        match failing.get(rule) {
            Some(last) if now.duration_since(*last) >= QUIET => {
                failing.remove(rule);
                News::Over
            }
            _ => News::Nothing,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_is_told_once_and_over_after_a_quiet_time() {
        let journal = Journal::default();
        let (a, b): (Arc<str>, Arc<str>) = ("rules[0]".into(), "rules[1]".into());
        assert_eq!(journal.news(&a, true), News::Trouble);
        assert_eq!(journal.news(&b, true), News::Trouble);
        // One namespace works, another one fails, at every poll.
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(15)).await;
            assert_eq!(journal.news(&a, false), News::Nothing);
            assert_eq!(journal.news(&a, true), News::Nothing);
        }
        tokio::time::advance(QUIET).await;
        assert_eq!(journal.news(&a, false), News::Over);
        assert_eq!(journal.news(&a, false), News::Nothing);
        assert_eq!(journal.news(&a, true), News::Trouble);
        assert_eq!(journal.failing.lock().unwrap().len(), 2);
    }
}
