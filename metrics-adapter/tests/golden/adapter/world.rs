//! The adapter behind its API, over recorded series and kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use metrics_adapter::cluster::Cluster;
use metrics_adapter::config::RuleFile;
use metrics_adapter::discovery::{self, Relister, State};
use metrics_adapter::evaluation::{self, Evaluator};
use metrics_adapter::model::{
    Consumer, ExternalQuery, FieldSelector, GroupResource, IndexedObject, MetricQuery,
    ObjectSource, ObjectSourceError, Provider, QueryValue, ResourceType, Selector, Target,
    UsageQuery,
};
use metrics_adapter::prometheus::{PrometheusError, QueryClient, SeriesSet, SeriesShape};
use metrics_adapter::rules;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::difference::Outcome;

/// A question to the adapter.
pub(crate) struct Request {
    pub(crate) resource: GroupResource,
    pub(crate) metric: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) selector: String,
    pub(crate) names: Vec<Arc<str>>,
}

impl Request {
    pub(crate) fn read(value: &Value) -> Self {
        let text = |field: &str| value[field].as_str().unwrap_or_default();
        let names = value["names"].as_array().into_iter().flatten();
        Self {
            resource: GroupResource::new(text("group"), text("resource")),
            metric: text("metric").into(),
            namespace: Some(text("namespace"))
                .filter(|namespace| !namespace.is_empty())
                .map(Into::into),
            selector: text("selector").to_owned(),
            names: names.map(|name| name.as_str().unwrap().into()).collect(),
        }
    }
}

/// Tells the recorded series, and remembers the queries; there are never any samples.
struct Prometheus {
    answers: BTreeMap<String, SeriesSet>,
    asked: Mutex<Vec<String>>,
}

impl Prometheus {
    fn new(series: &Value, answers: &Value) -> Self {
        let shape = |place: &Value| {
            let place = usize::try_from(place.as_u64().unwrap()).unwrap();
            let labels = series[place].as_object().unwrap();
            let others = labels.keys().filter(|label| *label != "__name__");
            SeriesShape {
                name: labels["__name__"].as_str().unwrap().into(),
                labels: others.map(|label| label.as_str().into()).collect(),
            }
        };
        let set = |places: &Value| {
            let places = places.as_array().unwrap();
            SeriesSet {
                shapes: places.iter().map(shape).collect(),
                count: places.len(),
            }
        };
        let answers = answers.as_object().into_iter().flatten();
        Self {
            answers: answers
                .map(|(query, places)| (query.clone(), set(places)))
                .collect(),
            asked: Mutex::default(),
        }
    }
}

impl QueryClient for Prometheus {
    async fn series(
        &self,
        selector: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        let found = self.answers.get(selector).cloned();
        found.ok_or_else(|| PrometheusError::Decode(format!("{selector} is not recorded")))
    }

    async fn query(&self, promql: &str) -> Result<QueryValue, PrometheusError> {
        self.asked.lock().unwrap().push(promql.to_owned());
        Ok(QueryValue::Vector(Vec::new()))
    }
}

/// The recorded kinds; every selection has the names that the test sets.
struct Objects {
    cluster: Cluster,
    names: Mutex<Vec<Arc<str>>>,
}

impl ObjectSource for Objects {
    fn resolve(&self, group: &str, resource: &str) -> Option<ResourceType> {
        self.cluster.resolve(group, resource)
    }

    fn watch(&self, _: &[ResourceType]) {}

    fn select(
        &self,
        _: &ResourceType,
        _: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        Ok(self.names.lock().unwrap().clone())
    }

    fn consumers(
        &self,
        _: Consumer,
        namespace: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        let object = |name: &Arc<str>| IndexedObject {
            namespace: namespace.map(Into::into),
            name: Arc::clone(name),
            labels: [].into(),
        };
        Ok(self.names.lock().unwrap().iter().map(object).collect())
    }
}

/// The adapter with one rules file.
pub(crate) struct World {
    client: Arc<Prometheus>,
    objects: Arc<Objects>,
    state: Arc<State>,
    evaluator: Evaluator<Prometheus, Objects>,
}

impl World {
    /// Fails when the file is refused.
    pub(crate) async fn new(header: &Value, case: &Value) -> Result<Self, String> {
        let file = RuleFile::parse(case["yaml"].as_str().unwrap())?;
        let rules = Arc::new(rules::compile(&file).map_err(|error| error.to_string())?);
        let client = Arc::new(Prometheus::new(&header["series"], &case["answers"]));
        let objects = Arc::new(Objects {
            cluster: super::cluster::start(&header["kinds"]).await,
            names: Mutex::default(),
        });
        let mut registry = Registry::default();
        let relister = Relister::new(
            Arc::clone(&client),
            Arc::clone(&objects),
            rules,
            discovery::Options {
                interval: Duration::from_secs(60),
                max_age: Duration::from_secs(60),
                listing: discovery::Listing::default(),
            },
            discovery::Metrics::register(&mut registry),
        );
        let state = relister.state();
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        let relisting = tokio::spawn(relister.run(stop.clone()));
        while !state.first_round_done() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        relisting.await.unwrap();
        let evaluator = Evaluator::new(
            Arc::clone(&client),
            Arc::clone(&objects),
            Arc::clone(&state),
            Duration::ZERO,
            evaluation::Metrics::register(&mut registry),
        );
        Ok(Self {
            client,
            objects,
            state,
            evaluator,
        })
    }

    /// The names of all metrics, as `pods/http_requests namespaced`.
    pub(crate) fn listed(&self) -> BTreeSet<String> {
        let catalog = self.state.catalog();
        let custom = catalog.list().iter().map(|info| {
            let scope = if info.namespaced {
                "namespaced"
            } else {
                "root"
            };
            format!("{}/{} {scope}", info.resource, info.metric)
        });
        let external = catalog.external_list().iter();
        custom
            .chain(external.map(|metric| format!("external/{metric}")))
            .collect()
    }

    /// The query for a custom metric.
    pub(crate) async fn custom(&self, request: &Request) -> Outcome {
        self.select(request);
        let query = MetricQuery {
            resource: request.resource.clone(),
            metric: Arc::clone(&request.metric),
            namespace: request.namespace.clone(),
            target: match request.names.as_slice() {
                [name] => Target::Name(Arc::clone(name)),
                _ => Target::Selected(Selector::EVERYTHING),
            },
            metric_selector: Selector::parse(&request.selector).unwrap(),
        };
        let answer = self.evaluator.custom(query).await;
        self.asked_one(answer.map_err(|error| format!("{error:?}")))
    }

    /// The query for an external metric.
    pub(crate) async fn external(&self, request: &Request) -> Outcome {
        self.select(request);
        let query = ExternalQuery {
            namespace: request.namespace.clone().unwrap(),
            metric: Arc::clone(&request.metric),
            selector: Selector::parse(&request.selector).unwrap(),
        };
        let answer = self.evaluator.external(query).await;
        self.asked_one(answer.map_err(|error| format!("{error:?}")))
    }

    /// The queries for CPU and memory, sorted.
    pub(crate) async fn usage(&self, request: &Request) -> Vec<String> {
        self.select(request);
        let query = UsageQuery::List {
            namespace: request.namespace.clone(),
            labels: Selector::EVERYTHING,
            fields: FieldSelector::default(),
        };
        if request.namespace.is_some() {
            self.evaluator.pods(query).await.unwrap();
        } else {
            self.evaluator.nodes(query).await.unwrap();
        }
        let mut asked = std::mem::take(&mut *self.client.asked.lock().unwrap());
        asked.sort();
        asked
    }

    fn select(&self, request: &Request) {
        (*self.objects.names.lock().unwrap()).clone_from(&request.names);
    }

    fn asked_one<T>(&self, answer: Result<T, String>) -> Outcome {
        let asked = std::mem::take(&mut *self.client.asked.lock().unwrap());
        match (answer, asked.as_slice()) {
            // Without samples a name is not found, but it was asked for.
            (_, [query]) => Ok(query.clone()),
            (Err(error), []) => Err(error),
            (answer, asked) => panic!("{:?}: {asked:?}", answer.err()),
        }
    }
}
