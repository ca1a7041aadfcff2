#[path = "../../tests/it/cluster.rs"]
mod cluster;
mod cost;
mod explanation;
mod external;
mod option;
mod requests;
mod shared;
mod usage;

use std::sync::Mutex;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::RuleFile;
use crate::discovery::{self, Options, Relister};
use crate::model::{GroupResource, Quantity, QueryValue, Sample, Selector, Target};
use crate::prometheus::{PrometheusError, SeriesSet, SeriesShape};
use crate::rules::RuleSet;
use cluster::Cluster;

/// One series `ops{namespace,pod}`; queries answer what the test sets.
struct Fake {
    answer: Mutex<Result<QueryValue, &'static str>>,
    /// Answers to queries that contain a text; the first one counts.
    special: Mutex<Vec<(&'static str, Result<QueryValue, &'static str>)>>,
    asked: Mutex<Vec<String>>,
}

impl QueryClient for Fake {
    async fn series(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        let labels = ["namespace", "pod"].into_iter().map(Arc::from).collect();
        Ok(SeriesSet {
            shapes: [SeriesShape {
                name: "ops".into(),
                labels,
            }]
            .into(),
            count: 1,
        })
    }

    async fn query(&self, promql: &str) -> Result<QueryValue, PrometheusError> {
        self.asked.lock().unwrap().push(promql.to_owned());
        let special = self.special.lock().unwrap();
        let found = special.iter().find(|(text, _)| promql.contains(text));
        let answer = match found {
            Some((_, answer)) => answer.clone(),
            None => self.answer.lock().unwrap().clone(),
        };
        match answer {
            Ok(value) => Ok(value),
            Err("timeout") => Err(PrometheusError::Timeout(Duration::from_secs(1))),
            Err("refused") => Err(PrometheusError::Api {
                status: 422,
                message: "execution: found duplicate series".to_owned(),
            }),
            Err(text) => Err(PrometheusError::Decode(text.to_owned())),
        }
    }
}

/// They run on nodes `n1` and `n2`.
const PODS: &[(&str, &str, &str)] = &[
    ("bank", "web-0", "web"),
    ("shop", "web-0", "web"),
    ("shop", "web-1", "web"),
];

const RULES: &str = r#"
rules:
- seriesQuery: ops
  resources: &resources
    overrides: {pod: {resource: pod}, namespace: {resource: namespace}, node: {resource: node}}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: ops
  name: {as: queue}
  resources: *resources
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: ops
  name: {as: anywhere}
  resources: {namespaced: false}
  metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'
- seriesQuery: ops
  name: {as: lost}
  metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'
resourceRules:
  cpu:
    containerQuery: 'sum(rate(cpu{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'
    nodeQuery: 'sum(rate(cpu{<<.LabelMatchers>>,id="/"}[1m])) by (<<.GroupBy>>)'
    resources: *resources
    containerLabel: container
  memory:
    containerQuery: 'sum(memory{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
    nodeQuery: 'sum(memory{<<.LabelMatchers>>,id="/"}) by (<<.GroupBy>>)'
    resources: *resources
    containerLabel: container
  window: 1m
"#;

async fn mk_evaluator(
    answer: Result<QueryValue, &'static str>,
) -> (Evaluator<Fake, Cluster>, Arc<Fake>) {
    mk_evaluator_of(RULES, answer).await
}

async fn mk_evaluator_of(
    rules: &str,
    answer: Result<QueryValue, &'static str>,
) -> (Evaluator<Fake, Cluster>, Arc<Fake>) {
    let (_updates, updated) = watch::channel(mk_rules(rules));
    let (evaluator, client, relister) = mk_updated(updated, answer);
    let _ = tokio::time::timeout(
        Duration::from_millis(1),
        relister.run(CancellationToken::new()),
    )
    .await;
    (evaluator, client)
}

fn mk_rules(text: &str) -> Arc<RuleSet> {
    crate::rules::compile(&RuleFile::parse(text).unwrap())
        .unwrap()
        .into()
}

/// Likewise, with the loop that lists the metrics of the newest rules.
fn mk_updated(
    updated: watch::Receiver<Arc<RuleSet>>,
    answer: Result<QueryValue, &'static str>,
) -> (Evaluator<Fake, Cluster>, Arc<Fake>, Relister<Fake, Cluster>) {
    let client = Arc::new(Fake {
        answer: Mutex::new(answer),
        special: Mutex::default(),
        asked: Mutex::default(),
    });
    let rules = Arc::clone(&updated.borrow());
    let options = Options {
        interval: Duration::from_secs(60),
        max_age: Duration::from_secs(60),
        stale_limit: None,
        listing: discovery::Listing::default(),
    };
    let metrics = discovery::Metrics::register(&mut Registry::default());
    let objects = Arc::new(Cluster(PODS));
    let relister = Relister::new(
        Arc::clone(&client),
        Arc::clone(&objects),
        rules,
        options,
        metrics,
    )
    .with_updates(updated);
    let state = relister.state();
    let metrics = Metrics::default();
    let evaluator = Evaluator::new(Arc::clone(&client), objects, state, Duration::ZERO, metrics);
    (evaluator, client, relister)
}

fn mk_samples(samples: &[(&[(&str, &str)], f64)]) -> QueryValue {
    let mk = |(labels, value): &(&[(&str, &str)], f64)| Sample {
        labels: labels
            .iter()
            .map(|(k, v)| (Arc::from(*k), Arc::from(*v)))
            .collect(),
        value: *value,
        timestamp: Timestamp::from_second(1_700_000_000).unwrap(),
    };
    QueryValue::Vector(samples.iter().map(mk).collect())
}

fn mk_query(resource: &str, namespace: Option<&str>, target: Target) -> MetricQuery {
    MetricQuery {
        resource: GroupResource::new("", resource),
        metric: "ops".into(),
        namespace: namespace.map(Arc::from),
        target,
        metric_selector: Selector::EVERYTHING,
    }
}

fn selected(selector: &str) -> Target {
    Target::Selected(Selector::parse(selector).unwrap())
}

fn shown(values: &[MetricValue]) -> Vec<String> {
    values
        .iter()
        .map(|v| {
            let namespace = v.object.namespace.as_deref().unwrap_or("-");
            format!(
                "{} {namespace}/{} = {}",
                v.object.kind, v.object.name, v.value
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn selects_objects_and_leaves_out_the_missing() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[
        (&[("pod", "web-1")], 12.5),
        (&[("pod", "x")], 1.0),
    ])))
    .await;
    let query = mk_query("pods", Some("shop"), selected("app=web"));
    let values = evaluator.custom(query).await.unwrap();
    assert_eq!(shown(&values), ["Pod shop/web-1 = 12500m"]);
    assert_eq!(values[0].timestamp.to_string(), "2023-11-14T22:13:20Z");
    assert_eq!(values[0].object.api_version.as_ref(), "v1");
    assert_eq!(
        *client.asked.lock().unwrap(),
        ["sum(ops{namespace=\"shop\",pod=~\"web-0|web-1\"}) by (pod)"]
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_samples_for_one_object_the_last_one_wins() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[
        (&[("pod", "web-0"), ("code", "a")], 1.0),
        (&[("pod", "web-0"), ("code", "b")], 3.0),
        (&[("pod", "web-0"), ("code", "c")], 2.0),
    ])))
    .await;
    for target in [selected(""), Target::Name("web-0".into())] {
        let query = mk_query("pods", Some("shop"), target);
        let values = evaluator.custom(query).await.unwrap();
        assert_eq!(shown(&values), ["Pod shop/web-0 = 2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn all_samples_missing_is_an_empty_list() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let values = evaluator
        .custom(mk_query("pods", Some("shop"), selected("")))
        .await
        .unwrap();
    assert_eq!(values, []);
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_objects_of_their_own() {
    let (evaluator, client) =
        mk_evaluator(Ok(mk_samples(&[(&[("namespace", "shop")], 3.0)]))).await;
    let query = mk_query("namespaces", None, Target::Name("shop".into()));
    let values = evaluator.custom(query).await.unwrap();
    assert_eq!(shown(&values), ["Namespace -/shop = 3"]);
    assert_eq!(
        *client.asked.lock().unwrap(),
        ["sum(ops{namespace=\"shop\"}) by (namespace)"]
    );
}

#[tokio::test(start_paused = true)]
async fn odd_values_are_never_garbage() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[
        (&[("pod", "web-0")], f64::NAN),
        (&[("pod", "web-1")], f64::INFINITY),
    ])))
    .await;
    let values = evaluator
        .custom(mk_query("pods", Some("shop"), selected("")))
        .await
        .unwrap();
    assert_eq!(shown(&values), ["Pod shop/web-0 = 0"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found_in_prometheus_adapters_words() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[]))).await;
    for (query, text) in [
        (
            mk_query("pods", Some("shop"), Target::Name("web-0".into())),
            "the server could not find the metric ops for pods web-0",
        ),
        (
            mk_query("pods", Some("shop"), selected("app=db")),
            "the server could not find the metric ops for pods",
        ),
        (
            mk_query("teapots", Some("shop"), selected("")),
            "the server could not find the metric ops for teapots",
        ),
        (
            // Listed as namespaced only.
            mk_query("pods", None, selected("")),
            "the server could not find the metric ops for pods",
        ),
    ] {
        let error = evaluator.custom(query.clone()).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::MetricNotFound { .. }),
            "{query:?}"
        );
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_without_group_by_is_not_found() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[(&[("job", "x")], 1.0)]))).await;
    let error = evaluator
        .custom(mk_query("pods", Some("shop"), selected("")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProviderError::MetricNotFound { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_keep_their_kind_and_hide_their_details() {
    let query = || mk_query("pods", Some("shop"), selected(""));
    let (evaluator, client) = mk_evaluator(Err("secret host name")).await;
    let error = evaluator.custom(query()).await.unwrap_err();
    assert_eq!(error.to_string(), "unable to fetch metrics");
    *client.answer.lock().unwrap() = Err("timeout");
    assert_eq!(
        evaluator.custom(query()).await.unwrap_err(),
        ProviderError::Timeout
    );
    *client.answer.lock().unwrap() = Ok(QueryValue::Scalar {
        value: 1.0,
        timestamp: Timestamp::UNIX_EPOCH,
    });
    let error = evaluator.custom(query()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Upstream { .. }), "{error:?}");
    let error = evaluator
        .custom(mk_query("namespaces", None, selected("")))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unable to list matching resources");
    let mut bad = query();
    bad.metric_selector = Selector::parse("a>1").unwrap();
    let error = evaluator.custom(bad).await.unwrap_err();
    assert!(matches!(error, ProviderError::BadRequest(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_answer_is_told_of() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let mut bad = mk_query("pods", Some("shop"), selected(""));
    bad.metric_selector = Selector::parse("a>1").unwrap();
    evaluator.custom(bad).await.unwrap_err();
    assert!(
        evaluator.journal.troubled().is_empty(),
        "the client's fault"
    );
    // Its labels name no namespace.
    let lost = ExternalQuery {
        namespace: "shop".into(),
        metric: "lost".into(),
        selector: Selector::EVERYTHING,
    };
    evaluator.external(lost).await.unwrap_err();
    *client.answer.lock().unwrap() = Ok(QueryValue::Scalar {
        value: 1.0,
        timestamp: Timestamp::UNIX_EPOCH,
    });
    let query = mk_query("pods", Some("shop"), selected(""));
    evaluator.custom(query).await.unwrap_err();
    assert_eq!(
        evaluator.journal.troubled(),
        ["externalRules[2]", "rules[0]"]
    );
}
