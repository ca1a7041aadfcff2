//! Values, from the rules file to the API's JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use metrics_adapter::api::{self, Served};
use metrics_adapter::config::RuleFile;
use metrics_adapter::discovery::{self, Relister, State};
use metrics_adapter::evaluation::Evaluator;
use metrics_adapter::prometheus::{Client, Metrics, Options, Verb};
use metrics_adapter::rules;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use crate::cluster::Cluster;
use crate::prometheus::Prometheus;

/// The show-case's rule, and one whose series query is not PromQL.
const RULES: &str = r#"
rules:
- seriesQuery: '{__name__=~"^pod:.*:rate30s$",pod!=""'
  resources: {overrides: {pod: {resource: pod}}}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
- seriesQuery: '{__name__=~"^pod:.*:rate30s$",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^pod:(.*):rate30s$", as: "${1}_per_second"}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
"#;

const SAMPLES: &[(&str, &str)] = &[
    (
        r#"pod:ops:rate30s{namespace="shop",pod="web-0",code="2xx"}"#,
        "12.5",
    ),
    (
        r#"pod:ops:rate30s{namespace="shop",pod="web-0",code="5xx"}"#,
        "0.5",
    ),
    (
        r#"pod:ops:rate30s{namespace="shop",pod="db-0",code="2xx"}"#,
        "3",
    ),
    (
        r#"pod:ops:rate30s{namespace="other",pod="web-1",code="2xx"}"#,
        "100",
    ),
];

struct Adapter {
    routes: axum::Router,
    state: Arc<State>,
    _stop: DropGuard,
}

impl Adapter {
    fn start(url: &str, verb: Verb) -> Self {
        let mut registry = Registry::default();
        let options = Options {
            url: url.parse().unwrap(),
            verb,
            headers: Vec::new(),
            token_file: None,
            ca_file: None,
            client_certificate: None,
            timeout: Duration::from_secs(5),
            concurrency: 4,
            max_body: 1 << 20,
        };
        let client = Arc::new(Client::new(options, Metrics::register(&mut registry)).unwrap());
        let rules = rules::compile(&RuleFile::parse(RULES).unwrap()).unwrap();
        let options = discovery::Options {
            interval: Duration::from_secs(60),
            max_age: Duration::from_secs(60),
        };
        let objects = Arc::new(Cluster);
        let metrics = discovery::Metrics::register(&mut registry);
        let relister = Relister::new(
            Arc::clone(&client),
            Arc::clone(&objects),
            rules,
            options,
            metrics,
        );
        let (state, stop) = (relister.state(), CancellationToken::new());
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(relister.run(stop.clone()));
        let evaluator = Arc::new(Evaluator::new(client, objects, Arc::clone(&state)));
        let metrics = api::Metrics::register(&mut registry);
        let routes = api::router(evaluator, Served { custom: true }, metrics);
        Self {
            routes,
            state,
            _stop: stop.drop_guard(),
        }
    }

    async fn listed(&self, metrics: usize) {
        for _ in 0..100 {
            if self.state.catalog().list().len() == metrics {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "not {metrics} metrics after 10 s: {:?}",
            self.state.catalog().list()
        );
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let uri = format!("/apis/custom.metrics.k8s.io/v1beta2{path}");
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// `name=value` of every item, or the message.
    async fn values(&self, path: &str) -> (u16, Vec<String>) {
        let (status, body) = self.get(path).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let values = match body["items"].as_array() {
            Some(items) => items
                .iter()
                .map(|i| {
                    format!(
                        "{}={}",
                        text(&i["describedObject"]["name"]),
                        text(&i["value"])
                    )
                })
                .collect(),
            None => vec![text(&body["message"])],
        };
        (status, values)
    }
}

#[tokio::test]
async fn answers_what_prometheus_recorded() {
    let prometheus = Prometheus::start(SAMPLES).await;
    for verb in [Verb::Post, Verb::Get] {
        let adapter = Adapter::start(&prometheus.url(), verb);
        adapter.listed(2).await;
        let metric = "ops_per_second";
        for (path, expected) in [
            (
                format!("/namespaces/shop/pods/*/{metric}"),
                vec!["db-0=3", "web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?labelSelector=app%3Dweb"),
                vec!["web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/web-0/{metric}"),
                vec!["web-0=13"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?metricLabelSelector=code%3D5xx"),
                vec!["web-0=500m"],
            ),
            (
                format!("/namespaces/shop/pods/*/{metric}?metricLabelSelector=code+in+(2xx)"),
                vec!["db-0=3", "web-0=12500m"],
            ),
            (
                format!("/namespaces/shop/metrics/{metric}"),
                vec!["shop=16"],
            ),
            (
                format!("/namespaces/other/metrics/{metric}"),
                vec!["other=100"],
            ),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(adapter.values(&path).await, (200, expected), "{path}");
        }
        let (status, message) = adapter
            .values(&format!("/namespaces/shop/pods/web-1/{metric}"))
            .await;
        let expected = "the server could not find the metric ops_per_second for pods web-1";
        assert_eq!((status, message), (404, vec![expected.to_owned()]));
    }
}

#[tokio::test]
async fn a_rule_that_prometheus_refuses_is_told_and_harms_no_other() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(&prometheus.url(), Verb::Post);
    adapter.listed(2).await;
    let health = adapter.state.health();
    let error = health[0].error.as_deref().unwrap_or_default();
    assert!(
        error.contains("400") && error.contains("bad_data"),
        "{error}"
    );
    assert_eq!((health[0].last_success, &health[1].error), (None, &None));
}

#[tokio::test]
async fn prometheus_gone_and_back() {
    let mut prometheus = Prometheus::start(SAMPLES).await;
    let adapter = Adapter::start(&prometheus.url(), Verb::Post);
    adapter.listed(2).await;
    let path = "/namespaces/shop/pods/web-0/ops_per_second";
    assert_eq!(adapter.values(path).await.0, 200);
    prometheus.stop();
    assert_eq!(
        adapter.values(path).await,
        (500, vec!["unable to fetch metrics".to_owned()])
    );
    // The list stays: discovery never depends on Prometheus.
    let (status, list) = adapter.get("").await;
    assert_eq!(
        (status, list["resources"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    prometheus.start_again(SAMPLES[0].0).await;
    assert_eq!(adapter.values(path).await.0, 200);
}
