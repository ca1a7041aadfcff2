//! A cluster that serves the recorded kinds, over aggregated discovery.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::Full;
use kube::client::Body;
use metrics_adapter::cluster::{self, Clients, Cluster};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The cluster, once it knows the kinds. Everything else is not found.
pub(crate) async fn start(kinds: &Value) -> Cluster {
    let documents = Arc::new((document(kinds, true), document(kinds, false)));
    let service = tower::service_fn(move |request: Request<Body>| {
        let documents = Arc::clone(&documents);
        async move {
            let (status, body) = match request.uri().path() {
                "/api" => (200, &documents.0),
                "/apis" => (200, &documents.1),
                _ => (404, &Value::Null),
            };
            let response = Response::builder().status(status);
            Ok::<_, tower::BoxError>(response.body(Full::from(body.to_string())).unwrap())
        }
    });
    let client = kube::Client::new(service, "default");
    let clients = Clients {
        lister: client.clone(),
        authentication: client.clone(),
        authorization: client,
    };
    let (cluster, watches) = cluster::connect(
        clients,
        &cluster::Options::new(
            std::time::Duration::from_secs(300),
            cluster::Lookup::Watched,
        ),
        &cluster::Metrics::default(),
    );
    #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
    tokio::spawn(async move {
        let liveness = telemetry::liveness::Liveness::new(telemetry::health::Health::new());
        watches.run(CancellationToken::new(), &liveness).await
    });
    while !cluster.is_discovered() {
        tokio::task::yield_now().await;
    }
    cluster
}

/// The core group, or all others.
fn document(kinds: &Value, core: bool) -> Value {
    let mut groups: Vec<Value> = Vec::new();
    for kind in kinds.as_array().unwrap() {
        let text = |at: usize| kind[at].as_str().unwrap();
        let (group, version) = (text(0), text(1));
        if group.is_empty() != core {
            continue;
        }
        let resource = json!({
            "resource": text(2),
            "singularResource": text(3),
            "responseKind": {"group": group, "version": version, "kind": text(4)},
            "scope": if kind[5].as_bool().unwrap() { "Namespaced" } else { "Cluster" },
            "verbs": ["get", "list", "watch"],
        });
        let at = groups
            .iter()
            .position(|known| known["metadata"]["name"] == group)
            .unwrap_or_else(|| {
                groups.push(json!({"metadata": {"name": group}, "versions": []}));
                groups.len() - 1
            });
        let versions = groups[at]["versions"].as_array_mut().unwrap();
        match versions
            .iter_mut()
            .find(|known| known["version"] == version)
        {
            Some(known) => known["resources"].as_array_mut().unwrap().push(resource),
            None => versions.push(json!({
                "version": version, "resources": [resource], "freshness": "Current",
            })),
        }
    }
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": groups,
    })
}
