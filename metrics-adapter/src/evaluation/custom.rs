//! Custom metrics: lookup, objects, query, and the result cut into objects.

mod explanation;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;
use tracing::field::display;

use super::answer::Answer;
use super::answers::Failure;
use super::objects::Lookup;
use super::question::Question;
use super::requests::came_of;
use super::value::{self, Newest, Reading, Unusable};
use super::{Evaluator, Lack};
use crate::discovery::{Catalog, Entry, Meter};
use crate::model::{
    Fallback, MetricQuery, MetricValue, MetricsApi, ObjectRef, ObjectSource, ProviderError,
    ResourceType, Selector, Target,
};
use crate::prometheus::QueryClient;
use crate::rules::Rule;
use crate::trace;

/// After a failure that took longer there is no second query: the HPA waits for 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// What Prometheus answered to a question.
struct Answered {
    result: Arc<Answer>,
    newest: Option<Arc<Answer>>,
    /// See [`Question::has_strangers`].
    has_strangers: bool,
}

/// The same by the objects' names.
struct Found<'a> {
    samples: Lookup<'a>,
    newest: Option<Lookup<'a>>,
    /// See [`Question::has_strangers`].
    has_strangers: bool,
    /// How long ago the older one of both was asked for.
    kept: Duration,
    /// Age of the oldest newest sample that was looked at.
    oldest: Cell<Option<Duration>>,
}

/// The objects that are asked about.
struct Asked<'a> {
    query: &'a MetricQuery,
    resource: &'a ResourceType,
    rule: &'a Rule,
    /// The evaluation time; an answer without any sample has none, and this is the present.
    evaluated: Timestamp,
}

/// An object without a usable sample.
#[derive(Clone, Copy)]
struct Missing {
    lack: Lack,
    fallback: Fallback,
    /// The time of a fixed value in its place.
    timestamp: Timestamp,
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(super) async fn custom_values(
        &self,
        query: &MetricQuery,
    ) -> Result<Vec<MetricValue>, ProviderError> {
        let catalog = self.discovery.catalog();
        let found = self.located(query, &catalog);
        let (resource, entry) =
            found.inspect_err(|error| self.metrics.requests.unknown(MetricsApi::Custom, error))?;
        let meter = || self.meter(entry.rule.id(), Some(&resource.id), &query.metric);
        let meter = entry.meter.get_or_init(meter);
        let outcome = self.values_of(query, &resource, entry, meter).await;
        meter.count(came_of(&outcome));
        outcome
    }

    async fn values_of(
        &self,
        query: &MetricQuery,
        resource: &ResourceType,
        entry: &Entry,
        meter: &Meter,
    ) -> Result<Vec<MetricValue>, ProviderError> {
        let rule = &entry.rule;
        trace::note(trace::RULE, display(rule.id()));
        let names = self.selected(query, resource)?;
        trace::note(trace::OBJECTS, trace::count(names.len()));
        if names.is_empty() {
            // As prometheus-adapter: no objects, no metric.
            return Err(not_found(query, resource));
        }
        let answered = self.answered(query, resource, entry, &names).await?;
        let now = Instant::now();
        let Some(found) = answered.found(now) else {
            return Err(self.no_vector(rule.id()));
        };
        if found.lacks_label() {
            debug!(rule = %rule.id(), "no sample carries the label of the objects");
            return Err(not_found(query, resource));
        }
        let asked = Asked::new(query, resource, rule, &found);
        let values = self.readings(&asked, &names, &found);
        let age = match rule.policy().max_age {
            None => Some(answered.result.age(now)),
            Some(_) => found.oldest.get(),
        };
        if let Some(age) = age {
            meter.aged(age);
        }
        let values = values?;
        match query.target {
            Target::Name(_) if values.is_empty() => Err(not_found(query, resource)),
            _ => Ok(values),
        }
    }

    /// The kind of object that a request is about, and where its metric comes from.
    fn located<'a>(
        &self,
        query: &MetricQuery,
        catalog: &'a Catalog,
    ) -> Result<(ResourceType, &'a Entry), ProviderError> {
        let resource = self
            .objects
            .resolve(&query.resource.group, &query.resource.resource)
            .ok_or_else(|| {
                // Before API discovery only the kinds are known that every cluster has.
                if self.objects.is_discovered() {
                    ProviderError::MetricNotFound {
                        metric: Arc::clone(&query.metric),
                        described: query.resource.to_string(),
                    }
                } else {
                    ProviderError::NotReady
                }
            })?;
        let get = |namespaced| catalog.find(&resource.id, namespaced, &query.metric);
        // Most kinds without namespaces are listed as if they had them (prometheus-adapter's rule,
        // see `rules::Association::resources`). They are found by either path, too.
        let listed_namespaced = || {
            let rootless = query.namespace.is_none() && !resource.namespaced;
            rootless.then(|| get(true)).flatten()
        };
        let entry = get(query.namespace.is_some())
            .or_else(listed_namespaced)
            .ok_or_else(|| not_found(query, &resource))?;
        if query.namespace.is_some() && !resource.namespaced && query.target.is_selected() {
            // There is nothing of that kind in a namespace. A name may do: the series may have
            // both labels.
            return Err(not_found(query, &resource));
        }
        Ok((resource, entry))
    }

    /// Asks what all requests for the metric share, or else for the objects alone.
    async fn answered(
        &self,
        query: &MetricQuery,
        resource: &ResourceType,
        entry: &Entry,
        names: &[Arc<str>],
    ) -> Result<Answered, ProviderError> {
        let rule = &entry.rule;
        let failed = |error| self.query_failed(&query.metric, rule.id(), &error);
        let objects = self.objects.as_ref();
        // What is asked at every request had better be asked for its objects alone.
        if !self.bound(rule.policy()).is_zero() {
            let shared = self
                .questions
                .shared(query, entry, resource, objects)
                .map_err(failed)?;
            if let Some(question) = shared.question() {
                let outcome = self.put(query, rule, question).await;
                let too_large = outcome.as_ref().err().filter(|failure| failure.too_large);
                if let Some(failure) = too_large {
                    shared.failed(rule.id(), &failure.reason);
                }
                // The caller has no time for another one after a slow failure.
                if too_large.is_none_or(|failure| failure.took > PATIENCE) {
                    return self.judged(rule.id(), outcome);
                }
            }
        }
        let question = Question::about(names, query, entry, resource, objects).map_err(failed)?;
        let outcome = self.put(query, rule, &question).await;
        self.judged(rule.id(), outcome)
    }

    /// Puts a question.
    async fn put(
        &self,
        asked: &MetricQuery,
        rule: &Rule,
        question: &Question,
    ) -> Result<Answered, Failure> {
        let age = question.age.as_ref();
        let answers = self.answers(rule, &question.query, age, &asked.target);
        let (result, newest) = answers.await?;
        Ok(Answered {
            result,
            newest,
            has_strangers: question.has_strangers,
        })
    }

    /// The values of the named objects, in the order of the names.
    fn readings(
        &self,
        asked: &Asked<'_>,
        names: &[Arc<str>],
        found: &Found<'_>,
    ) -> Result<Vec<MetricValue>, ProviderError> {
        let api_version = asked.resource.api_version();
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            let Some(reading) = self.reading(asked, name, found)? else {
                continue;
            };
            values.push(MetricValue {
                object: ObjectRef {
                    api_version: Arc::clone(&api_version),
                    kind: Arc::clone(&asked.resource.kind),
                    namespace: asked.query.namespace.clone(),
                    name: Arc::clone(name),
                },
                value: reading.value,
                timestamp: reading.timestamp,
                window: asked.rule.policy().window,
            });
        }
        Ok(values)
    }

    /// The value of one object, or what the rule puts in its place.
    fn reading(
        &self,
        asked: &Asked<'_>,
        name: &Arc<str>,
        found: &Found<'_>,
    ) -> Result<Option<Reading>, ProviderError> {
        match asked.judge(name, found) {
            Ok(reading) => {
                if asked.rule.policy().remembers() {
                    let rule = asked.rule.id().content();
                    self.memory.served(rule, asked.object(name), reading);
                }
                Ok(Some(reading))
            }
            Err(missing) => {
                let Missing { lack, fallback, .. } = missing;
                self.lacks(MetricsApi::Custom, asked.rule.id(), lack, fallback);
                let reading = self.instead(asked, name, missing)?;
                if reading.is_some() {
                    self.metrics.substituted(MetricsApi::Custom, lack);
                }
                Ok(reading)
            }
        }
    }

    /// What an object without a usable sample gets.
    fn instead(
        &self,
        asked: &Asked<'_>,
        name: &Arc<str>,
        missing: Missing,
    ) -> Result<Option<Reading>, ProviderError> {
        let Missing {
            lack,
            fallback,
            timestamp,
        } = missing;
        let reading = match fallback {
            Fallback::Omit => None,
            Fallback::Error => {
                let described = format!("{} {name}", asked.resource.id);
                return Err(lack.error(&asked.query.metric, described));
            }
            Fallback::Value(value) => Some(Reading { value, timestamp }),
            Fallback::Last(longest) => {
                let (rule, object) = (asked.rule.id().content(), asked.object(name));
                self.memory.last(rule, object, asked.evaluated, longest)
            }
        };
        let nan = lack == Lack::Unusable(Unusable::NotANumber);
        Ok(reading.filter(|_| nan || self.exists(asked, name)))
    }

    /// Selected objects come from the index; a name may be anything.
    fn exists(&self, asked: &Asked<'_>, name: &Arc<str>) -> bool {
        let namespace = asked.query.namespace.as_deref();
        match asked.query.target {
            Target::Selected(_) => true,
            Target::Name(_) => self
                .objects
                .select(asked.resource, namespace, &Selector::EVERYTHING)
                .is_ok_and(|names| names.contains(name)),
        }
    }

    fn selected(
        &self,
        query: &MetricQuery,
        resource: &ResourceType,
    ) -> Result<Vec<Arc<str>>, ProviderError> {
        match &query.target {
            Target::Name(name) => Ok(vec![Arc::clone(name)]),
            Target::Selected(selector) => self
                .objects
                .select(resource, query.namespace.as_deref(), selector)
                .map_err(ProviderError::Objects),
        }
    }
}

impl Answered {
    /// The values by object, as they are `now`; `None` for an answer that is no vector.
    fn found(&self, now: Instant) -> Option<Found<'_>> {
        let newest = self.newest.as_deref();
        Some(Found {
            samples: Lookup::new(self.result.objects()?),
            newest: newest.and_then(Answer::objects).map(Lookup::new),
            has_strangers: self.has_strangers,
            kept: newest.map_or(Duration::ZERO, |newest| {
                newest.age(now).max(self.result.age(now))
            }),
            oldest: Cell::new(None),
        })
    }
}

impl Found<'_> {
    /// Whether there are samples, and all without the label of the objects: the rule's query
    /// forgot `by (<<.GroupBy>>)`.
    fn lacks_label(&self) -> bool {
        let samples = self.samples.objects();
        !self.has_strangers && samples.len() == 0 && samples.evaluated().is_some()
    }

    /// The newest sample of an object, where it is known.
    fn newest(&self, name: &str) -> Option<Newest> {
        let newest = Newest::of(self.newest.as_ref()?.get(name)?, self.kept)?;
        self.oldest.set(self.oldest.get().max(Some(newest.age)));
        Some(newest)
    }
}

impl<'a> Asked<'a> {
    fn new(
        query: &'a MetricQuery,
        resource: &'a ResourceType,
        rule: &'a Rule,
        found: &Found<'_>,
    ) -> Self {
        let newest = || found.newest.as_ref()?.objects().evaluated();
        let evaluated = found.samples.objects().evaluated().or_else(newest);
        Self {
            query,
            resource,
            rule,
            evaluated: evaluated.unwrap_or_else(Timestamp::now),
        }
    }

    /// The value of an object's sample, or why it has none, and what the rule says then.
    fn judge(&self, name: &str, found: &Found<'_>) -> Result<Reading, Missing> {
        let policy = self.rule.policy();
        let missing = |lack| Missing {
            lack,
            fallback: policy.on_missing,
            timestamp: self.evaluated,
        };
        let sample = found
            .samples
            .get(name)
            .ok_or_else(|| missing(Lack::Missing))?;
        let timestamp = match policy.max_age {
            None => Some(sample.timestamp),
            Some(max_age) => {
                let newest = found.newest(name).filter(|newest| newest.age <= max_age);
                newest.map(|newest| newest.taken.min(sample.timestamp))
            }
        };
        let timestamp = timestamp.ok_or_else(|| missing(Lack::Unusable(Unusable::Stale)))?;
        match value::quantity(sample.value) {
            Ok(value) => Ok(Reading { value, timestamp }),
            Err(unusable) => Err(Missing {
                lack: Lack::Unusable(unusable),
                // NaN of an object is 0, as prometheus-adapter has it.
                fallback: match unusable {
                    Unusable::NotANumber => policy.on_nan.unwrap_or(Fallback::ZERO),
                    _ => Fallback::Omit,
                },
                timestamp,
            }),
        }
    }

    /// The request for one of the objects alone.
    fn object(&self, name: &Arc<str>) -> MetricQuery {
        MetricQuery {
            resource: self.resource.id.clone(),
            metric: Arc::clone(&self.query.metric),
            namespace: self.query.namespace.clone(),
            target: Target::Name(Arc::clone(name)),
            metric_selector: self.query.metric_selector.clone(),
        }
    }
}

fn not_found(query: &MetricQuery, resource: &ResourceType) -> ProviderError {
    ProviderError::MetricNotFound {
        metric: Arc::clone(&query.metric),
        described: match &query.target {
            Target::Name(name) => format!("{} {name}", resource.id),
            Target::Selected(_) => resource.id.to_string(),
        },
    }
}
