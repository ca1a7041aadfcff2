//! Requests by metric, and what came of them.
//!
//! Law: label values are names of the catalog, and never a caller's own. So many metrics that were
//! asked for have series of their own; all others, and names that nobody knows, share those of
//! `other`. A metric that has left the catalog takes its series with it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::discovery::{Catalog, Counters, Outcome, State};
use crate::model::{Consumer, GroupResource, MetricsApi, ProviderError};

/// Metrics with series of their own: six each, so that a replica has 3,000 at most.
const MAX_NAMED: usize = 500;
/// Instead of the names of all others.
const OTHER: &str = "other";
/// The two of metrics.k8s.io, which come together.
const USAGE: &str = "usage";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    api: &'static str,
    resource: Arc<str>,
    metric: Arc<str>,
    result: Outcome,
}

/// A metric of the catalog; an external one has no resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    resource: Option<GroupResource>,
    metric: Arc<str>,
}

/// Counters by metric.
#[derive(Debug)]
pub(super) struct Requests {
    family: Family<Labels, Counter>,
    /// The metrics that have series of their own.
    named: Mutex<HashSet<Name>>,
    other_custom: Counters,
    other_external: Counters,
    nodes: Counters,
    pods: Counters,
    /// Knows the catalog.
    discovery: OnceLock<Arc<State>>,
}

impl Default for Requests {
    fn default() -> Self {
        let family = Family::default();
        let fixed = |api, resource: &str, metric: &str| {
            counters(&family, api, &resource.into(), &metric.into())
        };
        Self {
            named: Mutex::default(),
            other_custom: fixed(MetricsApi::Custom, "", OTHER),
            other_external: fixed(MetricsApi::External, "", OTHER),
            nodes: fixed(MetricsApi::Resource, "nodes", USAGE),
            pods: fixed(MetricsApi::Resource, "pods", USAGE),
            discovery: OnceLock::new(),
            family,
        }
    }
}

impl Requests {
    /// Says who knows the catalog.
    pub(super) fn follow(&self, discovery: Arc<State>) {
        // One evaluator has these counters; of several the first one's catalog counts.
        let _ = self.discovery.set(discovery);
    }

    /// The counters of a metric of the catalog: of an external one without a resource.
    pub(super) fn of(&self, resource: Option<&GroupResource>, metric: &Arc<str>) -> Counters {
        let name = Name {
            resource: resource.cloned(),
            metric: Arc::clone(metric),
        };
        let mut named = self.named();
        // There is room again when those that have gone were taken away, before the next scrape.
        let is_full = named.len() >= MAX_NAMED && !named.contains(&name);
        // A metric of that very name would take the series of all others with it when it goes.
        if is_full || **metric == *OTHER {
            return match name.resource {
                Some(_) => self.other_custom.clone(),
                None => self.other_external.clone(),
            };
        }
        let counters = counters(&self.family, name.api(), &name.resource(), metric);
        named.insert(name);
        counters
    }

    /// Counts a request for a metric that the catalog does not have.
    pub(super) fn unknown(&self, api: MetricsApi, error: &ProviderError) {
        let counters = match api {
            MetricsApi::External => &self.other_external,
            MetricsApi::Custom | MetricsApi::Resource => &self.other_custom,
        };
        counters[failed(error) as usize].inc();
    }

    /// Counts a request for usage.
    pub(super) fn usage<T>(&self, consumer: Consumer, outcome: &Result<Vec<T>, ProviderError>) {
        let counters = match consumer {
            Consumer::Node => &self.nodes,
            Consumer::Pod => &self.pods,
        };
        counters[came_of(outcome) as usize].inc();
    }

    fn named(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes away what is told of metrics that the catalog does not have any more.
    fn sweep(&self, named: &mut HashSet<Name>) {
        let Some(state) = self.discovery.get() else {
            return;
        };
        let catalog = state.catalog();
        named.retain(|name| {
            let stays = name.is_in(&catalog);
            if !stays {
                let (api, resource) = (name.api(), name.resource());
                for labels in labels(api, &resource, &name.metric) {
                    self.family.remove(&labels);
                }
            }
            stays
        });
    }
}

impl Name {
    const fn api(&self) -> MetricsApi {
        match self.resource {
            Some(_) => MetricsApi::Custom,
            None => MetricsApi::External,
        }
    }

    fn resource(&self) -> Arc<str> {
        let resource = self.resource.as_ref().map(GroupResource::to_string);
        resource.unwrap_or_default().into()
    }

    fn is_in(&self, catalog: &Catalog) -> bool {
        match &self.resource {
            Some(resource) => catalog.has(resource, &self.metric),
            None => catalog.get_external(&self.metric).is_some(),
        }
    }
}

fn labels(api: MetricsApi, resource: &Arc<str>, metric: &Arc<str>) -> [Labels; 6] {
    Outcome::ALL.map(|result| Labels {
        api: super::metrics::label(api),
        resource: Arc::clone(resource),
        metric: Arc::clone(metric),
        result,
    })
}

fn counters(
    family: &Family<Labels, Counter>,
    api: MetricsApi,
    resource: &Arc<str>,
    metric: &Arc<str>,
) -> Counters {
    labels(api, resource, metric).map(|labels| family.get_or_create_owned(&labels))
}

/// What came of a request.
pub(super) fn came_of<T>(outcome: &Result<Vec<T>, ProviderError>) -> Outcome {
    match outcome {
        Ok(values) if values.is_empty() => Outcome::Empty,
        Ok(_) => Outcome::Ok,
        Err(error) => failed(error),
    }
}

const fn failed(error: &ProviderError) -> Outcome {
    match error {
        ProviderError::MetricNotFound { .. } | ProviderError::ObjectNotFound { .. } => {
            Outcome::NotFound
        }
        ProviderError::BadRequest(_) => Outcome::Invalid,
        ProviderError::Timeout => Outcome::Timeout,
        ProviderError::NotReady
        | ProviderError::Objects(_)
        | ProviderError::Query { .. }
        | ProviderError::NoValue { .. }
        | ProviderError::Upstream { .. } => Outcome::Error,
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.sweep(&mut self.named());
        let encoder = encoder.encode_descriptor(
            "metric_requests_total",
            "Requests for values by metric of the catalog (500 at most, others as other) and result",
            None,
            MetricType::Counter,
        )?;
        self.family.encode(encoder)
    }
}
