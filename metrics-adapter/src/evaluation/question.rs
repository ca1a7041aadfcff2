//! What Prometheus is asked for a custom metric, and which questions all requests for it share.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use tracing::info;

use super::memory::is_small;
use crate::discovery::Entry;
use crate::model::{MetricQuery, ObjectSource, ResourceType, Selector};
use crate::rules::{Association, Fingerprint, Objects, QueryError, QueryScope, Rule, RuleId};

/// Metrics times namespaces and metric selectors whose shared question is at hand; about a
/// kilobyte each. Others are written anew.
const QUESTIONS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A shared question that failed is not asked again for so long, because each such failure makes
/// a poll wait for two queries.
const AVOIDED: Duration = Duration::from_secs(60);

/// What Prometheus is asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) promql: Arc<str>,
    /// For the newest sample's time.
    pub(super) age: Option<Arc<str>>,
    /// The label that carries the objects' names in the results.
    pub(super) label: String,
}

impl Question {
    /// Writes the question about the named objects.
    pub(super) fn about(
        names: &[Arc<str>],
        asked: &MetricQuery,
        entry: &Entry,
        resource: &ResourceType,
        source: &impl ObjectSource,
    ) -> Result<Self, QueryError> {
        let rule = &entry.rule;
        let objects = Objects::Named(names);
        scoped(objects, asked, entry, resource, source, |labels, scope| {
            Self::new(rule.query(labels, scope)?, rule, labels, scope)
        })
    }

    /// Writes the question about all objects; `None` where the rule does not say the same about
    /// each of them then.
    fn shared(
        asked: &MetricQuery,
        entry: &Entry,
        resource: &ResourceType,
        source: &impl ObjectSource,
    ) -> Result<Option<Self>, QueryError> {
        let (rule, all) = (&entry.rule, Objects::All);
        scoped(all, asked, entry, resource, source, |labels, scope| {
            let promql = rule.shared_query(labels, scope)?;
            promql
                .map(|promql| Self::new(promql, rule, labels, scope))
                .transpose()
        })
    }

    fn new(
        promql: String,
        rule: &Rule,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Self, QueryError> {
        Ok(Self {
            promql: promql.into(),
            age: rule.age_query(association, scope)?.map(Into::into),
            label: scope.label.to_owned(),
        })
    }
}

/// Tells `write` what a rule needs to know of a request to write its queries.
fn scoped<T>(
    objects: Objects<'_>,
    asked: &MetricQuery,
    entry: &Entry,
    resource: &ResourceType,
    source: &impl ObjectSource,
    write: impl FnOnce(&Association<'_>, &QueryScope<'_>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let resolve = |group: &str, name: &str| source.resolve(group, name);
    let association = entry.rule.labels().associate(&resolve)?;
    let scope = QueryScope {
        series: &entry.series,
        label: &association.label(resource)?,
        namespace: asked.namespace.as_deref(),
        metric_selector: &asked.metric_selector,
        objects,
    };
    write(&association, &scope)
}

/// The question that all requests for one metric of one namespace share.
#[derive(Debug)]
pub(super) struct Shared {
    /// `None` where the rule does not allow it.
    question: Option<Question>,
    failed: Mutex<Option<Instant>>,
}

impl Shared {
    const fn new(question: Option<Question>) -> Self {
        Self {
            question,
            failed: Mutex::new(None),
        }
    }

    /// The question, unless it failed lately.
    pub(super) fn question(&self) -> Option<&Question> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let recently = failed.is_some_and(|at| at.elapsed() < AVOIDED);
        self.question.as_ref().filter(|_| !recently)
    }

    /// Prometheus has no answer about all objects: a smaller question may work.
    pub(super) fn failed(&self, rule: &RuleId, reason: &str) {
        info!(
            %rule,
            reason,
            "{rule}: the query for all objects fails, so those of each request are asked for: {reason}"
        );
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = Some(Instant::now());
    }
}

/// Which requests share a question. The rule's content stands for its labels and its template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    rule: Fingerprint,
    series: Arc<str>,
    resource: ResourceType,
    namespace: Option<Arc<str>>,
    metric_selector: Selector,
}

/// The shared questions that were asked for most recently.
pub(super) struct Questions {
    written: Mutex<LruCache<Key, Arc<Shared>>>,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            written: Mutex::new(LruCache::new(QUESTIONS)),
        }
    }
}

impl Questions {
    /// The shared question for a request.
    pub(super) fn shared(
        &self,
        asked: &MetricQuery,
        entry: &Entry,
        resource: &ResourceType,
        source: &impl ObjectSource,
    ) -> Result<Arc<Shared>, QueryError> {
        let write = || {
            let question = Question::shared(asked, entry, resource, source)?;
            Ok(Arc::new(Shared::new(question)))
        };
        if !is_small(&asked.metric_selector) {
            return write();
        }
        let key = Key {
            rule: entry.rule.id().content(),
            series: Arc::clone(&entry.series),
            resource: resource.clone(),
            namespace: asked.namespace.clone(),
            metric_selector: asked.metric_selector.clone(),
        };
        if let Some(shared) = self.lock().get(&key) {
            return Ok(Arc::clone(shared));
        }
        let shared = write()?;
        self.lock().put(key, Arc::clone(&shared));
        Ok(shared)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Key, Arc<Shared>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
