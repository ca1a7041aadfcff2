//! What Prometheus is asked for a custom metric, and which questions all requests for it share.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use tracing::info;

use super::answer::{Keep, Query};
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
    pub(super) query: Arc<Query>,
    /// For the newest sample's time.
    pub(super) age: Option<Arc<Query>>,
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
        // The label that carries the objects' names in the results.
        let keep = Keep::Objects(scope.label.into());
        let query = |promql: String| {
            Arc::new(Query {
                promql: promql.into(),
                keep: keep.clone(),
            })
        };
        Ok(Self {
            query: query(promql),
            age: rule.age_query(association, scope)?.map(query),
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

/// What requests have in common that share a question. The rule's content stands for its labels
/// and its template.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'a> {
    rule: Fingerprint,
    series: &'a str,
    resource: &'a ResourceType,
    namespace: Option<&'a str>,
    metric_selector: &'a Selector,
}

/// A shared question with its key. It is looked for by the key's hash, so that a request copies
/// nothing; of two keys with one hash the later one is here.
struct Written {
    rule: Fingerprint,
    series: Arc<str>,
    resource: ResourceType,
    namespace: Option<Arc<str>>,
    metric_selector: Selector,
    shared: Arc<Shared>,
}

impl Written {
    fn key(&self) -> Key<'_> {
        Key {
            rule: self.rule,
            series: &self.series,
            resource: &self.resource,
            namespace: self.namespace.as_deref(),
            metric_selector: &self.metric_selector,
        }
    }
}

/// The shared questions that were asked for most recently.
pub(super) struct Questions {
    written: Mutex<LruCache<u64, Written>>,
    hasher: RandomState,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            written: Mutex::new(LruCache::new(QUESTIONS)),
            hasher: RandomState::new(),
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
            series: &entry.series,
            resource,
            namespace: asked.namespace.as_deref(),
            metric_selector: &asked.metric_selector,
        };
        let hash = self.hasher.hash_one(key);
        if let Some(written) = self.lock().get(&hash)
            && written.key() == key
        {
            return Ok(Arc::clone(&written.shared));
        }
        let shared = write()?;
        let written = Written {
            rule: key.rule,
            series: Arc::clone(&entry.series),
            resource: resource.clone(),
            namespace: asked.namespace.clone(),
            metric_selector: asked.metric_selector.clone(),
            shared: Arc::clone(&shared),
        };
        self.lock().put(hash, written);
        Ok(shared)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
