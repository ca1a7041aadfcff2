//! Troubles of rules, each told once and not at every poll.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::value::Unusable;
use crate::rules::RuleId;

/// So long no query of a rule may fail until its trouble counts as over: four polls of an HPA.
/// One rule serves many namespaces and selectors, of which some work while others fail.
const QUIET: Duration = Duration::from_secs(60);

/// More troubles than these are told again now and then. Every version of the rules file brings
/// new rules.
const TROUBLES: NonZeroUsize = NonZeroUsize::new(2000).expect("not zero");

/// Rules whose last failure is kept for the status page.
const FAILURES: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");

/// Characters of an error that are kept.
const LONGEST: usize = 500;

/// The last failure of a rule's queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFailure {
    /// The rule's place in its file.
    pub rule: Arc<str>,
    /// What the log was told; cut at 500 characters.
    pub error: Arc<str>,
    /// When it happened last, by this machine's clock.
    pub at: Timestamp,
    /// How often queries of the rule failed since the start, in whatever way.
    pub times: u64,
}

/// What was told already, of each rule in each place: another rule there is told of anew.
#[derive(Debug)]
pub(super) struct Journal {
    /// When a query of the rule failed last.
    failing: Mutex<LruCache<RuleId, Instant>>,
    unusable: Mutex<LruCache<(RuleId, Unusable), ()>>,
    failures: Mutex<LruCache<RuleId, RuleFailure>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            failing: Mutex::new(LruCache::new(TROUBLES)),
            unusable: Mutex::new(LruCache::new(TROUBLES)),
            failures: Mutex::new(LruCache::new(FAILURES)),
        }
    }
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
    pub(super) fn query(&self, rule: &RuleId, failure: Option<&str>) {
        if let Some(error) = failure {
            self.failed(rule, error);
        }
        match (self.news(rule, failure.is_some()), failure) {
            (News::Trouble, Some(error)) => {
                warn!(%rule, error, "queries of {rule} fail: {error}");
            }
            (News::Over, _) => info!(%rule, "queries of {rule} work again"),
            (_, Some(error)) => debug!(%rule, error, "a query of {rule} failed: {error}"),
            _ => {}
        }
    }

    /// The last failure of each rule that had one, the latest first.
    pub(super) fn failures(&self) -> Vec<RuleFailure> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .iter()
            .map(|(_, failure)| failure.clone())
            .collect()
    }

    fn failed(&self, rule: &RuleId, error: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let times = failures.peek(rule).map_or(0, |failure| failure.times) + 1;
        let failure = RuleFailure {
            rule: Arc::clone(rule.place()),
            error: error.chars().take(LONGEST).collect::<String>().into(),
            at: Timestamp::now(),
            times,
        };
        failures.put(rule.clone(), failure);
    }

    fn news(&self, rule: &RuleId, failed: bool) -> News {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failed {
            return match failing.put(rule.clone(), now) {
                Some(_) => News::Nothing,
                None => News::Trouble,
            };
        }
        match failing.get(rule) {
            Some(last) if now.duration_since(*last) >= QUIET => {
                failing.pop(rule);
                News::Over
            }
            _ => News::Nothing,
        }
    }

    /// The places of the rules in trouble.
    #[cfg(test)]
    pub(super) fn troubled(&self) -> Vec<String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<String> = failing.iter().map(|(rule, _)| rule.to_string()).collect();
        places.sort();
        places
    }

    /// A sample of a rule was left out. Different requests for one rule meet different samples,
    /// so there is no telling when it is over: each reason is told once. NaN is what a ratio
    /// without traffic gives, and no trouble.
    pub(super) fn left_out(&self, rule: &RuleId, unusable: Unusable) {
        let mut told = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        if unusable != Unusable::NotANumber && told.put((rule.clone(), unusable), ()).is_none() {
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
        let (a, b) = (RuleId::new("rules[0]", &1), RuleId::new("rules[1]", &1));
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
        // Another rule in the same place.
        assert_eq!(
            journal.news(&RuleId::new("rules[0]", &2), true),
            News::Trouble
        );
    }

    #[test]
    fn the_last_failure_of_each_rule_is_kept_and_cut() {
        let journal = Journal::default();
        let (a, b) = (RuleId::new("rules[0]", &1), RuleId::new("rules[1]", &1));
        journal.query(&a, Some("first"));
        journal.query(&b, Some(&"é".repeat(LONGEST + 1)));
        journal.query(&a, Some("second"));
        journal.query(&b, None);
        let failures = journal.failures();
        let told = failures
            .iter()
            .map(|failure| (failure.rule.as_ref(), failure.times, failure.error.len()));
        let expected = [("rules[0]", 2, 6), ("rules[1]", 1, 2 * LONGEST)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_eq!(failures[0].error.as_ref(), "second");
        for place in 0..2 * FAILURES.get() {
            journal.query(&RuleId::new(&place.to_string(), &1), Some("x"));
        }
        assert_eq!(journal.failures().len(), FAILURES.get());
    }
}
