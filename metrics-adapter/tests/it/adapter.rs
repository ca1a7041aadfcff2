//! The adapter without its HTTPS front: rules, discovery, evaluation and API, put together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use metrics_adapter::api;
use metrics_adapter::config::RuleFile;
use metrics_adapter::discovery::{self, Relister, State};
use metrics_adapter::evaluation::{self, Evaluator};
use metrics_adapter::model::ObjectSource;
use metrics_adapter::prometheus::{Client, Credentials, Metrics, Options, Verb};
use metrics_adapter::rules;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use crate::cluster::Cluster;

/// What runs in the cluster.
pub(crate) const PODS: &[(&str, &str, &str)] = &[
    ("shop", "db-0", "db"),
    ("shop", "web-0", "web"),
    ("shop", "web-1", "web"),
];

pub(crate) struct Adapter {
    pub(crate) routes: axum::Router,
    pub(crate) state: Arc<State>,
    _stop: DropGuard,
}

impl Adapter {
    /// Starts with the text of a rules file, against the Prometheus at a URL.
    pub(crate) fn start(rules: &str, url: &str, verb: Verb) -> Self {
        let form = discovery::Listing::default();
        Self::start_with(rules, url, verb, form, Cluster(PODS), watch::channel(0).1)
    }

    /// Starts with another cluster, whose kinds may change, or another form of discovery.
    pub(crate) fn start_with(
        rules: &str,
        url: &str,
        verb: Verb,
        listing: discovery::Listing,
        objects: impl ObjectSource,
        kinds: watch::Receiver<u64>,
    ) -> Self {
        let mut registry = Registry::default();
        let options = Options {
            url: url.parse().unwrap(),
            verb,
            headers: Vec::new(),
            credentials: Credentials::default(),
            timeout: Duration::from_secs(5),
            concurrency: 4,
            max_body: 1 << 20,
            max_query_length: 0,
        };
        let client = Arc::new(Client::new(options, Metrics::register(&mut registry)).unwrap());
        let rules = rules::compile(&RuleFile::parse(rules).unwrap()).unwrap();
        let rules = Arc::new(rules);
        let options = discovery::Options {
            interval: Duration::from_secs(60),
            max_age: Duration::from_secs(60),
            listing,
        };
        let objects = Arc::new(objects);
        let relister = Relister::new(
            Arc::clone(&client),
            Arc::clone(&objects),
            rules,
            options,
            discovery::Metrics::register(&mut registry),
        )
        .with_kinds(kinds);
        let (state, stop) = (relister.state(), CancellationToken::new());
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(relister.run(stop.clone()));
        let evaluator = Evaluator::new(
            client,
            objects,
            Arc::clone(&state),
            Duration::ZERO,
            evaluation::Metrics::register(&mut registry),
        );
        let routes = api::router(Arc::new(evaluator), api::Metrics::register(&mut registry));
        Self {
            routes,
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// Waits until so many metrics are listed, external ones included.
    pub(crate) async fn listed(&self, metrics: usize) {
        for _ in 0..100 {
            if self.state.catalog().len() == metrics {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "not {metrics} metrics after 10 s: {:?}",
            self.state.catalog()
        );
    }

    /// The answer to a path below `/apis/`.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        get_as(self.routes.clone(), path, "application/json").await
    }
}

/// The answer to a path below `/apis/`, in a form.
pub(crate) async fn get_as(routes: axum::Router, path: &str, accept: &str) -> (u16, Value) {
    let request = Request::builder()
        .uri(format!("/apis/{path}"))
        .header(http::header::ACCEPT, accept);
    let request = request.body(Body::empty()).unwrap();
    let response = routes.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}
