//! Usage of nodes and pods: one pair of queries per namespace, for CPU and memory.
//!
//! Follows prometheus-adapter's `resourceprovider`: whoever lacks CPU or memory is left out; a
//! container that has one of the two has 0 of the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use super::Evaluator;
use super::answer::{Answer, Keep, Query, Told};
use super::answers::Source;
use super::value::{self, Unusable};
use crate::model::{
    Amount, Consumer, Format, GroupResource, IndexedObject, MetricsApi, NodeUsage, ObjectSource,
    ObjectSourceError, PodUsage, ProviderError, Quantity, ResourceType, Sample, Selector, Usage,
    UsageQuery,
};
use crate::prometheus::QueryClient;
use crate::rules::{Objects, QueryError, ResourceRule, ResourceRules, UsageScope};
use crate::trace;

/// Namespaces that are asked about at once, so that one list of all pods does not take every
/// slot of the Prometheus client from the HPAs.
const NAMESPACES_AT_ONCE: usize = 8;

/// Objects of one namespace (or nodes), and what Prometheus told of them.
struct Asked {
    objects: Vec<IndexedObject>,
    cpu: Found,
    memory: Found,
}

/// The answer to one query; nothing where the file has no query.
#[derive(Default)]
struct Found {
    result: Option<(Arc<Answer>, Source)>,
    /// The label that carries the objects' names.
    label: String,
}

impl Found {
    fn by_name(&self) -> HashMap<&str, Vec<&Sample>> {
        let mut by_name: HashMap<&str, Vec<&Sample>> = HashMap::new();
        if let Some((answer, _)) = &self.result {
            for sample in answer.elements() {
                // A sample without the label counts for the object called "", which nobody is.
                let name = sample.labels.get(self.label.as_str());
                by_name
                    .entry(name.map_or("", AsRef::as_ref))
                    .or_default()
                    .push(sample);
            }
        }
        by_name
    }
}

impl<C: QueryClient, O: ObjectSource> Evaluator<C, O> {
    pub(super) async fn node_usage(
        &self,
        query: UsageQuery,
    ) -> Result<Vec<NodeUsage>, ProviderError> {
        self.usage(Consumer::Node, query, |rules, cpu, memory| {
            // Of several samples for one node the first one counts.
            let (cpu, memory) = (*cpu.first()?, *memory.first()?);
            let amount = Amount {
                cpu: self.used(&rules.cpu, cpu, Format::DecimalSi)?,
                memory: self.used(&rules.memory, memory, Format::BinarySi)?,
            };
            Some((amount, cpu.timestamp.min(memory.timestamp)))
        })
        .await
    }

    pub(super) async fn pod_usage(
        &self,
        query: UsageQuery,
    ) -> Result<Vec<PodUsage>, ProviderError> {
        self.usage(Consumer::Pod, query, |rules, cpu, memory| {
            let mut containers: BTreeMap<Arc<str>, Amount> = BTreeMap::new();
            for sample in cpu {
                let used = self.used(&rules.cpu, sample, Format::DecimalSi)?;
                container(&mut containers, &rules.cpu, sample).cpu = used;
            }
            for sample in memory {
                let used = self.used(&rules.memory, sample, Format::BinarySi)?;
                container(&mut containers, &rules.memory, sample).memory = used;
            }
            let earliest = cpu.iter().chain(memory).map(|sample| sample.timestamp);
            Some((containers, earliest.min()?))
        })
        .await
    }

    /// Selects, asks, and has `cut` make an amount and its time of each object's samples.
    async fn usage<A>(
        &self,
        consumer: Consumer,
        query: UsageQuery,
        cut: impl Fn(&ResourceRules, &[&Sample], &[&Sample]) -> Option<(A, Timestamp)>,
    ) -> Result<Vec<Usage<A>>, ProviderError> {
        let resource = consumer.resource();
        let kind = self
            .objects
            .resolve(&resource.group, &resource.resource)
            .ok_or(ProviderError::Objects(ObjectSourceError::NotSynced(
                resource,
            )))?;
        let catalog = self.discovery.catalog();
        // `serves` keeps requests out; the rules may have gone since.
        let Some(rules) = &catalog.rules().resource else {
            return no_usage(query);
        };
        let objects = self.consumers(consumer, &query)?;
        trace::note(trace::OBJECTS, trace::count(objects.len()));
        let mut usages = Vec::new();
        let answered = self.ask_all(rules, consumer, &kind, objects).await?;
        let found = answered
            .iter()
            .flat_map(|asked| [&asked.cpu, &asked.memory]);
        let sources = found.filter_map(|found| Some(found.result.as_ref()?.1));
        if let Some(source) = sources.max() {
            self.answered_from(source);
        }
        for asked in answered {
            let (cpu, memory) = (asked.cpu.by_name(), asked.memory.by_name());
            for object in &asked.objects {
                let name = object.name.as_ref();
                let (Some(cpu), Some(memory)) = (cpu.get(name), memory.get(name)) else {
                    continue;
                };
                if let Some((amount, timestamp)) = cut(rules, cpu, memory) {
                    usages.push(Usage {
                        object: object.clone(),
                        timestamp,
                        window: rules.window,
                        amount,
                    });
                }
            }
        }
        if usages.is_empty() {
            return no_usage(query);
        }
        Ok(usages)
    }

    fn consumers(
        &self,
        consumer: Consumer,
        query: &UsageQuery,
    ) -> Result<Vec<IndexedObject>, ProviderError> {
        let list = |namespace: Option<&str>, labels: &Selector| {
            self.objects
                .consumers(consumer, namespace, labels)
                .map_err(ProviderError::Objects)
        };
        match query {
            UsageQuery::One { namespace, name } => {
                let mut objects = list(namespace.as_deref(), &Selector::EVERYTHING)?;
                objects.retain(|object| object.name == *name);
                if objects.is_empty() {
                    return Err(ProviderError::ObjectNotFound {
                        resource: consumer.resource(),
                        name: name.to_string(),
                    });
                }
                Ok(objects)
            }
            UsageQuery::List {
                namespace,
                labels,
                fields,
            } => {
                let mut objects = list(namespace.as_deref(), labels)?;
                objects.retain(|object| {
                    let namespace = object.namespace.as_deref().unwrap_or_default();
                    fields.matches(namespace, &object.name)
                });
                Ok(objects)
            }
        }
    }

    /// Asks namespace by namespace. A namespace that fails is left out, unless all of them do.
    async fn ask_all(
        &self,
        rules: &ResourceRules,
        consumer: Consumer,
        kind: &ResourceType,
        objects: Vec<IndexedObject>,
    ) -> Result<Vec<Asked>, ProviderError> {
        let mut namespaces: BTreeMap<Option<Arc<str>>, Vec<IndexedObject>> = BTreeMap::new();
        for object in objects {
            namespaces
                .entry(object.namespace.clone())
                .or_default()
                .push(object);
        }
        let questions: Vec<_> = namespaces
            .into_values()
            .map(|objects| self.ask(rules, consumer, kind, objects))
            .collect();
        let answers: Vec<Result<Asked, ProviderError>> = stream::iter(questions)
            .buffered(NAMESPACES_AT_ONCE)
            .collect()
            .await;
        let (mut asked, mut failure) = (Vec::new(), None);
        for answer in answers {
            match answer {
                Ok(answer) => asked.push(answer),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if asked.is_empty() => Err(error),
            _ => Ok(asked),
        }
    }

    async fn ask(
        &self,
        rules: &ResourceRules,
        consumer: Consumer,
        kind: &ResourceType,
        objects: Vec<IndexedObject>,
    ) -> Result<Asked, ProviderError> {
        let (cpu, memory) = futures::try_join!(
            self.ask_one(&rules.cpu, consumer, kind, &objects),
            self.ask_one(&rules.memory, consumer, kind, &objects)
        )?;
        Ok(Asked {
            objects,
            cpu,
            memory,
        })
    }

    async fn ask_one(
        &self,
        rule: &ResourceRule,
        consumer: Consumer,
        kind: &ResourceType,
        objects: &[IndexedObject],
    ) -> Result<Found, ProviderError> {
        let failed = |error| {
            let metric: Arc<str> = kind.id.to_string().into();
            self.query_failed(&metric, rule.id(), &error)
        };
        let Some((promql, label)) = self
            .usage_query(rule, consumer, kind, objects)
            .map_err(failed)?
        else {
            return Ok(Found::default());
        };
        let query = Arc::new(Query {
            promql: promql.into(),
            keep: Keep::Elements,
            joint: None,
        });
        let outcome = self
            .answer(rule.id(), &query, self.max_staleness, &())
            .await;
        let (result, source) = self.judged(rule.id(), outcome)?;
        if matches!(result.told(), Told::Scalar { .. }) {
            return Err(self.no_vector(rule.id()));
        }
        Ok(Found {
            result: Some((result, source)),
            label,
        })
    }

    /// The query, and the label that will carry the objects' names in its result.
    fn usage_query(
        &self,
        rule: &ResourceRule,
        consumer: Consumer,
        kind: &ResourceType,
        objects: &[IndexedObject],
    ) -> Result<Option<(String, String)>, QueryError> {
        if !rule.asks(consumer) {
            return Ok(None);
        }
        let resolve = |group: &str, name: &str| self.objects.resolve(group, name);
        let association = rule.labels().associate(&resolve)?;
        let label = association.label(kind)?;
        let names: Vec<Arc<str>> = objects.iter().map(|o| Arc::clone(&o.name)).collect();
        let scope = UsageScope {
            consumer,
            label: &label,
            namespace: objects.first().and_then(|o| o.namespace.as_deref()),
            objects: Objects::Named(&names),
        };
        let promql = rule.query(&association, &scope)?;
        Ok(promql.map(|promql| (promql, label)))
    }

    /// NaN and what is negative count as 0. `None` for what no quantity can hold: its object is
    /// left out.
    fn used(&self, rule: &ResourceRule, sample: &Sample, format: Format) -> Option<Quantity> {
        if sample.value.is_nan() || sample.value < 0.0 {
            return Some(Quantity::ZERO.with_format(format));
        }
        value::quantity(sample.value)
            .map(|quantity| quantity.with_format(format))
            .inspect_err(|unusable: &Unusable| {
                self.left_out(MetricsApi::Resource, rule.id(), *unusable);
            })
            .ok()
    }
}

/// An empty list, or the words of metrics-server for an object that exists.
fn no_usage<A>(query: UsageQuery) -> Result<Vec<Usage<A>>, ProviderError> {
    let UsageQuery::One { namespace, name } = query else {
        return Ok(Vec::new());
    };
    let (resource, name) = match namespace {
        Some(namespace) => ("podmetrics", format!("{namespace}/{name}")),
        None => ("nodemetrics", name.to_string()),
    };
    Err(ProviderError::ObjectNotFound {
        resource: GroupResource::new("metrics.k8s.io", resource),
        name,
    })
}

/// The amounts of the container that a sample is of; of several samples the last one counts.
fn container<'a>(
    containers: &'a mut BTreeMap<Arc<str>, Amount>,
    rule: &ResourceRule,
    sample: &Sample,
) -> &'a mut Amount {
    let name = sample.labels.get(rule.container_label()).cloned();
    containers
        .entry(name.unwrap_or_default())
        .or_insert(Amount::ZERO)
}
