//! A kube-apiserver in memory: what it serves can change, and every kind has the same objects.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use metrics_adapter::cluster::{self, Clients, Cluster};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A kind: group, plural, kind, and whether it is namespaced.
type Kind = (&'static str, &'static str, &'static str, bool);

/// The objects of every kind, and their `app` label.
const OBJECTS: [(&str, &str); 2] = [("a", "web"), ("b", "db")];

#[derive(Clone)]
pub(crate) struct Kubernetes {
    kinds: Arc<Mutex<Vec<Kind>>>,
    asked: Arc<Mutex<Vec<u16>>>,
}

impl Kubernetes {
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        Self {
            kinds: Arc::new(Mutex::new(kinds.to_vec())),
            asked: Arc::default(),
        }
    }

    /// Serves one kind more from now on, as after a CustomResourceDefinition was made.
    pub(crate) fn serve(&self, kind: Kind) {
        self.kinds.lock().unwrap().push(kind);
    }

    /// How often the groups were asked for and were, or were not, as before.
    pub(crate) fn asked(&self, status: u16) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|known| **known == status).count()
    }

    /// The adapter's view of it; ends with the guard.
    pub(crate) async fn cluster(&self) -> (Cluster, DropGuard) {
        let kubernetes = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let kubernetes = kubernetes.clone();
            async move { Ok::<_, tower::BoxError>(kubernetes.answer(&request)) }
        });
        let client = kube::Client::new(service, "default");
        let clients = Clients {
            lister: client.clone(),
            authentication: client.clone(),
            authorization: client,
        };
        let options = cluster::Options::new(Duration::from_millis(50), cluster::Lookup::Watched);
        let (cluster, watches) = cluster::connect(clients, &options, &cluster::Metrics::default());
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn({
            let stop = stop.clone();
            let liveness = telemetry::liveness::Liveness::new(telemetry::health::Health::new());
            async move { watches.run(stop, &liveness).await }
        });
        while !cluster.is_discovered() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (cluster, stop.drop_guard())
    }

    fn answer(&self, request: &Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let path = request.uri().path();
        let full = |body: &Value| UnsyncBoxBody::new(Full::from(body.to_string()));
        let query = request.uri().query().unwrap_or_default();
        let kinds = self.kinds.lock().unwrap().clone();
        let document = match path {
            "/api" | "/apis" => groups(&kinds, path == "/api"),
            _ if query.contains("watch=true") => {
                // Nothing happens, and the answer stays open.
                let quiet = Full::default().with_trailers(futures::future::pending());
                return Response::new(UnsyncBoxBody::new(quiet));
            }
            _ => match kinds
                .iter()
                .find(|kind| path.ends_with(&format!("/{}", kind.1)))
            {
                Some((_, _, _, namespaced)) => objects(*namespaced),
                None => {
                    let mut response = Response::new(full(&Value::Null));
                    *response.status_mut() = http::StatusCode::NOT_FOUND;
                    return response;
                }
            },
        };
        let etag = kinds.len().to_string();
        let known = request.headers().get(header::IF_NONE_MATCH);
        let mut response = Response::builder().header(header::ETAG, &etag);
        let mut body = full(&document);
        if path == "/apis" {
            let same = known.is_some_and(|known| *known == *etag);
            let status = if same { 304 } else { 200 };
            self.asked.lock().unwrap().push(status);
            response = response.status(status);
            if same {
                body = UnsyncBoxBody::new(Full::default());
            }
        }
        response.body(body).unwrap()
    }
}

fn groups(kinds: &[Kind], core: bool) -> Value {
    let groups = kinds.iter().filter(|kind| kind.0.is_empty() == core);
    let items = groups.map(|(group, plural, kind, namespaced)| {
        json!({
            "metadata": {"name": group},
            "versions": [{"version": "v1", "freshness": "Current", "resources": [{
                "resource": plural, "singularResource": kind.to_lowercase(), "verbs": ["list"],
                "responseKind": {"group": group, "version": "v1", "kind": kind},
                "scope": if *namespaced { "Namespaced" } else { "Cluster" },
            }]}],
        })
    });
    json!({"items": items.collect::<Vec<Value>>()})
}

fn objects(namespaced: bool) -> Value {
    let items = OBJECTS.map(|(name, app)| {
        let mut metadata = json!({"name": name, "labels": {"app": app}});
        if namespaced {
            metadata["namespace"] = "shop".into();
        }
        json!({"metadata": metadata})
    });
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": "4"}, "items": items,
    })
}
