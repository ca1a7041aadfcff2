//! What Prometheus is asked for a custom metric, and which questions all requests for it share.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use lru::LruCache;
use tokio::time::Instant;
use tracing::info;

use super::answer::{Joint, Keep, Query};
use super::memory::{is_small, selector_bytes};
use crate::discovery::Entry;
use crate::model::{MetricQuery, ObjectSource, ResourceType, Selector};
use crate::rules::{Association, Fingerprint, JointQuery, Objects, QueryError, QueryScope, RuleId};

/// Bytes of all shared questions that are at hand, for metrics times namespaces and metric
/// selectors: some 30,000, of about a kilobyte each. Others are written anew.
const MAX_BYTES: usize = 32 << 20;

/// A shared question that failed is not asked again for so long, because each such failure makes
/// a poll wait for two queries.
const AVOIDED: Duration = Duration::from_secs(60);

/// What Prometheus is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) query: Arc<Query>,
    /// For the newest sample's time.
    pub(super) age: Option<Arc<Query>>,
    /// Whether elements without the objects' label are to be expected.
    pub(super) has_strangers: bool,
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
            Ok(Self {
                query: query(rule.query(labels, scope)?, scope, None),
                age: rule
                    .age_query(labels, scope)?
                    .map(|promql| query(promql, scope, None)),
                has_strangers: false,
            })
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
            let Some(shared) = rule.shared_query(labels, scope)? else {
                return Ok(None);
            };
            let namespace = scope.namespace.filter(|name| JointQuery::may_name(name));
            let joint = |query: Option<JointQuery>| {
                Some(Joint {
                    query: Arc::new(query?),
                    namespace: namespace?.into(),
                })
            };
            let about = QueryScope {
                objects: shared.objects(),
                ..*scope
            };
            let together = joint(rule.joint_query(labels, &about)?);
            let ages_together = joint(rule.joint_age_query(labels, scope)?);
            Ok(Some(Self {
                query: query(shared.promql, scope, together),
                age: rule
                    .age_query(labels, scope)?
                    .map(|promql| query(promql, scope, ages_together)),
                has_strangers: shared.has_strangers,
            }))
        })
    }
}

/// A query whose results carry the objects' names in the scope's label.
fn query(promql: String, scope: &QueryScope<'_>, joint: Option<Joint>) -> Arc<Query> {
    Arc::new(Query {
        promql: promql.into(),
        keep: Keep::Objects(scope.label.into()),
        joint,
    })
}

/// Tells `write` what a rule needs to know of a request to write its queries.
pub(super) fn scoped<T>(
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

    /// Bytes of memory that it takes.
    fn bytes(&self) -> usize {
        let queries = self.question.iter().flat_map(|question| {
            let age = question.age.as_ref();
            std::iter::once(&question.query).chain(age)
        });
        // An `Arc` has two counts beside its content.
        let joint = |joint: &Joint| size_of::<JointQuery>() + joint.query.bytes() + 64;
        let query = |query: &Arc<Query>| {
            let joint = query.joint.as_ref().map_or(0, joint);
            size_of::<Query>() + query.promql.len() + 64 + joint
        };
        size_of::<Self>() + queries.map(query).sum::<usize>()
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

    /// Bytes of memory that it takes, with its place, of which a hash table has up to two for each.
    fn bytes(&self) -> usize {
        let texts = self
            .namespace
            .as_ref()
            .map_or(0, |namespace| namespace.len())
            + selector_bytes(&self.metric_selector);
        size_of::<Self>() + 4 * size_of::<u64>() + texts + self.shared.bytes()
    }
}

/// The shared questions that were asked for most recently.
#[derive(Default)]
pub(super) struct Questions {
    written: Mutex<Shelf>,
    hasher: RandomState,
}

struct Shelf {
    by_hash: LruCache<u64, Written, RandomState>,
    bytes: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            by_hash: LruCache::unbounded_with_hasher(RandomState::default()),
            bytes: 0,
        }
    }
}

impl Shelf {
    fn put(&mut self, hash: u64, written: Written) {
        self.bytes += written.bytes();
        let before = self.by_hash.put(hash, written);
        self.bytes -= before.map_or(0, |before| before.bytes());
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.by_hash.pop_lru()
        {
            self.bytes -= oldest.bytes();
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
        if let Some(written) = self.lock().by_hash.get(&hash)
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

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;
    use crate::rules::RuleId;

    #[test]
    fn questions_have_a_budget() {
        let written = |number: usize| Written {
            rule: RuleId::new("rules[0]", &1).content(),
            series: "ops".into(),
            resource: ResourceType {
                id: GroupResource::new("", "pods"),
                version: "v1".into(),
                kind: "Pod".into(),
                singular: "pod".into(),
                namespaced: true,
            },
            namespace: Some(format!("shop-{number}").into()),
            metric_selector: Selector::EVERYTHING,
            shared: Arc::new(Shared::new(Some(Question {
                query: Arc::new(Query {
                    promql: "x".repeat(200).into(),
                    keep: Keep::Elements,
                    joint: None,
                }),
                age: None,
                has_strangers: false,
            }))),
        };
        let mut shelf = Shelf::default();
        let room = MAX_BYTES / written(10_000).bytes();
        // Ten thousand namespaces with two metrics have room.
        assert!(room > 20_000, "{room}");
        for number in 0..room + 100 {
            shelf.put(number as u64, written(number));
        }
        assert!(shelf.bytes <= MAX_BYTES && shelf.bytes > MAX_BYTES - 1024);
        assert!(!shelf.by_hash.contains(&0));
        // The same again takes no more.
        let before = shelf.bytes;
        let last = room as u64 + 99;
        shelf.put(last, written(room + 99));
        assert_eq!(shelf.bytes, before);
        while shelf.by_hash.len() > 1 {
            let (_, oldest) = shelf.by_hash.pop_lru().unwrap();
            shelf.bytes -= oldest.bytes();
        }
        assert_eq!(shelf.bytes, written(room + 99).bytes());
    }
}
