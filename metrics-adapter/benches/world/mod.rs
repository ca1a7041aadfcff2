//! An evaluator before a Prometheus and a cluster in memory, which answer at once: what is left is
//! the evaluator's own time and memory.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics_adapter::config::RuleFile;
use metrics_adapter::discovery::{self, Relister};
use metrics_adapter::evaluation::{self, Evaluator};
use metrics_adapter::model::{
    Consumer, ExternalQuery, GroupResource, IndexedObject, MetricQuery, ObjectSource,
    ObjectSourceError, QueryValue, ResourceType, Selector, Target,
};
use metrics_adapter::prometheus::{PrometheusError, QueryClient, SeriesSet, SeriesShape, decode};
use metrics_adapter::rules;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

const RULES: &str = r#"
rules:
- seriesQuery: ops
  resources: {overrides: {pod: {resource: pod}, namespace: {resource: namespace}}}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: ops
  name: {as: queue}
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'
"#;

/// As a ReplicaSet names its pods.
fn pod(number: usize) -> Arc<str> {
    format!("checkout-frontend-7d9f8c6b5-{number:05}").into()
}

/// Prometheus and the cluster: one namespace of so many pods, of which requests select the first.
pub(crate) struct World {
    body: Vec<u8>,
    selected: Vec<Arc<str>>,
}

impl World {
    fn new(selected: usize, pods: usize) -> Self {
        let element = |number| {
            format!(
                r#"{{"metric":{{"pod":"{}"}},"value":[1700000000.123,"{}.5"]}}"#,
                pod(number),
                number
            )
        };
        let elements: Vec<String> = (0..pods).map(element).collect();
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
            elements.join(",")
        );
        Self {
            body: body.into_bytes(),
            selected: (0..selected).map(pod).collect(),
        }
    }
}

impl QueryClient for World {
    async fn series(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        let labels = ["namespace", "pod"].into_iter().map(Arc::from).collect();
        let shape = SeriesShape {
            name: "ops".into(),
            labels,
        };
        Ok(SeriesSet {
            shapes: [shape].into(),
            count: 1,
        })
    }

    async fn query(&self, _: &str) -> Result<QueryValue, PrometheusError> {
        decode::query(200, &self.body)
    }
}

impl ObjectSource for World {
    fn resolve(&self, _: &str, resource: &str) -> Option<ResourceType> {
        let singular = resource.trim_end_matches('s');
        let kind = match singular {
            "pod" => "Pod",
            "namespace" => "Namespace",
            _ => return None,
        };
        Some(ResourceType {
            id: GroupResource::new("", format!("{singular}s")),
            version: "v1".into(),
            kind: kind.into(),
            singular: singular.into(),
            namespaced: kind == "Pod",
        })
    }

    fn watch(&self, _: &[ResourceType]) {}

    fn select(
        &self,
        _: &ResourceType,
        _: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        Ok(self.selected.clone())
    }

    fn consumers(
        &self,
        _: Consumer,
        _: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        Ok(Vec::new())
    }
}

/// What an HPA asks for.
pub(crate) fn custom_query() -> MetricQuery {
    MetricQuery {
        resource: GroupResource::new("", "pods"),
        metric: "ops".into(),
        namespace: Some("shop".into()),
        target: Target::Selected(Selector::parse("app=checkout").unwrap()),
        metric_selector: Selector::EVERYTHING,
    }
}

/// Likewise of an external metric.
pub(crate) fn external_query() -> ExternalQuery {
    ExternalQuery {
        namespace: "shop".into(),
        metric: "queue".into(),
        selector: Selector::parse("queue=orders").unwrap(),
    }
}

/// An evaluator that knows the metrics of `RULES` and keeps what it is told of so many pods; its
/// metrics are in the registry.
pub(crate) fn evaluator(
    selected: usize,
    pods: usize,
    registry: &mut Registry,
) -> Evaluator<World, World> {
    let world = Arc::new(World::new(selected, pods));
    let rules = rules::compile(&RuleFile::parse(RULES).unwrap()).unwrap();
    let options = discovery::Options {
        interval: Duration::from_secs(60),
        max_age: Duration::from_secs(60),
        stale_limit: None,
        listing: discovery::Listing::default(),
    };
    let relister = Relister::new(
        Arc::clone(&world),
        Arc::clone(&world),
        Arc::new(rules),
        options,
        discovery::Metrics::register(registry),
    );
    let state = relister.state();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let listed = async {
            while !state.first_round_done() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(relister.run(stop.clone()), listed);
    });
    let metrics = evaluation::Metrics::register(registry);
    let kept = Duration::from_secs(3600);
    Evaluator::new(Arc::clone(&world), world, state, kept, metrics)
}
