//! One series query: what it found last, and when it is asked again.
//!
//! Law: a query that fails keeps its last good answer, up to an age; it is asked again after a
//! pause that doubles, with jitter, and that is short while there is no answer to serve from.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use telemetry::backoff::Backoff;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Metrics;
use crate::prometheus::{PrometheusError, SeriesSet};
use crate::rules::{Rule, RuleSet};

/// The first retry of a failed series query; doubled up to the relist interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between retries of a series query without an answer in use: nothing can be
/// served for its rules meanwhile, so that they must come soon after Prometheus does.
pub(super) const MAX_BLIND_RETRY: Duration = Duration::from_secs(4);

/// One distinct series query, shared by the rules that have it.
pub(super) struct Source {
    pub(super) query: Arc<str>,
    /// When to ask.
    pub(super) due: Instant,
    rules: Vec<Arc<Rule>>,
    found: Option<Found>,
    /// By Prometheus' clock.
    last_success: Option<Timestamp>,
    error: Option<String>,
    /// Whether Prometheus ever refused the query itself.
    was_refused: bool,
    backoff: Backoff,
}

/// The last good answer.
struct Found {
    set: Arc<SeriesSet>,
    at: Instant,
}

/// One source for each distinct series query, due now. What is known of a query stays known: it
/// is Prometheus' answer, whatever the rules make of it.
pub(super) fn sources(rules: &RuleSet, mut older: Vec<Source>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for rule in rules.discovered() {
        let query = rule.series_query();
        if let Some(source) = sources.iter_mut().find(|source| source.query == *query) {
            source.rules.push(Arc::clone(rule));
            continue;
        }
        let known = older.iter().position(|source| source.query == *query);
        let known = known.map(|index| older.swap_remove(index));
        sources.push(Source {
            rules: vec![Arc::clone(rule)],
            due: Instant::now(),
            ..known.unwrap_or_else(|| Source::new(Arc::clone(query)))
        });
    }
    sources
}

impl Source {
    fn new(query: Arc<str>) -> Self {
        Self {
            query,
            due: Instant::now(),
            rules: Vec::new(),
            found: None,
            last_success: None,
            error: None,
            was_refused: false,
            backoff: Backoff::new(FIRST_RETRY),
        }
    }

    /// The last good answer, as long as it is in use.
    pub(super) fn found(&self) -> Option<&Arc<SeriesSet>> {
        self.found.as_ref().map(|found| &found.set)
    }

    /// When the query last succeeded, whether or not the answer is still in use.
    pub(super) const fn last_success(&self) -> Option<Timestamp> {
        self.last_success
    }

    /// Whether it was learned once what the query finds, or that it can find nothing.
    pub(super) const fn is_answered(&self) -> bool {
        self.last_success.is_some() || self.was_refused
    }

    /// Why it fails now, if it does.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// When there is something to do: to ask, or to forget.
    pub(super) fn wake(&self, limit: Option<Duration>) -> Instant {
        self.end(limit).map_or(self.due, |end| end.min(self.due))
    }

    /// When the answer of a failing query is no longer in use.
    fn end(&self, limit: Option<Duration>) -> Option<Instant> {
        self.error.as_ref()?;
        self.found.as_ref()?.at.checked_add(limit?)
    }

    /// Forgets an answer that is too old, and asks at once.
    pub(super) fn expire(&mut self, limit: Option<Duration>, metrics: &Metrics) {
        if self.end(limit).is_none_or(|end| end > Instant::now()) {
            return;
        }
        self.found = None;
        self.due = Instant::now();
        self.backoff.reset();
        for rule in &self.rules {
            metrics.expired(rule.id().place());
        }
        let rules = self.names();
        warn!(
            rules,
            "the last answer to the series query of {rules} is too old: its metrics are no longer \
             served"
        );
    }

    pub(super) fn succeed(
        &mut self,
        set: SeriesSet,
        at: Timestamp,
        interval: Duration,
        metrics: &Metrics,
    ) {
        for rule in &self.rules {
            metrics.succeeded(rule.id().place(), at, set.count);
            if self.error.is_some() {
                info!(rule = %rule.id(), series = set.count, "the series query works again");
            }
        }
        self.found = Some(Found {
            set: set.into(),
            at: Instant::now(),
        });
        self.last_success = Some(at);
        self.error = None;
        self.backoff.reset();
        self.due = Instant::now() + interval;
    }

    /// Keeps the last good answer; said once per run of failures, for all its rules.
    pub(super) fn fail(&mut self, error: &PrometheusError, interval: Duration, metrics: &Metrics) {
        self.was_refused |= is_own_fault(error);
        let error = error.to_string();
        if self.error.as_deref() != Some(&error) {
            let rules = self.names();
            warn!(
                rules,
                error, "the series query of {rules} failed, retrying: {error}"
            );
        }
        for rule in &self.rules {
            metrics.failed(rule.id().place());
        }
        self.error = Some(error);
        let limit = match self.found {
            Some(_) => interval,
            None => interval.min(MAX_BLIND_RETRY),
        };
        self.due = Instant::now() + self.backoff.pause(limit);
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.rules.iter().map(|rule| rule.id().as_ref()).collect();
        names.join(", ")
    }
}

/// Whether the query itself is at fault: it will fail as long as the rule is as it is. Prometheus says
/// so with 400 (`bad_data`) and 422 (`execution`); while it replays its log it says 503.
const fn is_own_fault(error: &PrometheusError) -> bool {
    matches!(
        error,
        PrometheusError::Api {
            status: 400 | 422,
            ..
        } | PrometheusError::QueryTooLong { .. }
    )
}
