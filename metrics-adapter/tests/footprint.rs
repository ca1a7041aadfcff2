//! What the object index takes in memory: bytes that are allocated, counted around the system's
//! allocator, after thousands of pods were listed. Alone in its program, so that nobody
//! else allocates.

#![allow(clippy::disallowed_methods)] // The test's runtime ends with the test.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use kube::Client;
use kube::client::Body;
use metrics_adapter::cluster::{Clients, Lookup, Metrics, Options, connect};
use metrics_adapter::model::{GroupResource, ObjectSource as _, Selector};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use telemetry::health::Health;
use telemetry::liveness::Liveness;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const PODS: usize = 10_000;

/// Five labels, one of them its own as in a StatefulSet, and what else is in its metadata.
fn mk_pod(number: usize) -> Value {
    let app = number / 20;
    let name = format!("web-{app:03}-6d4b75cb6d-{number:05}");
    let fields: Value = (0..40)
        .map(|field| (format!("f:field-{field}"), json!({})))
        .collect();
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {
            "name": name, "namespace": format!("team-{}", number % 100),
            "resourceVersion": "5", "uid": format!("0c9fdc3c-7d3a-4a4f-9d0a-{number:012}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "app.kubernetes.io/name": format!("web-{app:03}"),
                "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/managed-by": "Helm",
                "pod-template-hash": "6d4b75cb6d",
                "statefulset.kubernetes.io/pod-name": name,
            },
            "annotations": {"checksum/config": "a".repeat(512)},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": fields}],
        },
    })
}

/// A page of the list of pods, as many as the client wants, or of another list, which is empty; a
/// watch that never says anything.
fn answer(request: &Request<Body>) -> Response<UnsyncBoxBody<Bytes, std::convert::Infallible>> {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    if query.contains("watch=true") {
        let silence = Full::new(Bytes::new()).with_trailers(futures::future::pending());
        return Response::new(UnsyncBoxBody::new(silence));
    }
    let all = match request.uri().path() {
        "/api/v1/pods" => PODS,
        _ => 0,
    };
    let from = parameter("continue").unwrap_or(0);
    let to = parameter("limit").map_or(all, |limit| all.min(from + limit));
    let next = if to < all {
        to.to_string()
    } else {
        String::new()
    };
    let page = json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "5", "continue": next},
        "items": (from..to).map(mk_pod).collect::<Vec<_>>(),
    });
    // The page itself is somebody else's memory, but for its text.
    let text = page.to_string();
    drop(page);
    Response::new(UnsyncBoxBody::new(Full::new(Bytes::from(text))))
}

fn client() -> Client {
    let service = tower::service_fn(|request: Request<Body>| async move {
        Ok::<_, tower::BoxError>(answer(&request))
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn ten_thousand_pods_are_kept_small() {
    let clients = Clients {
        lister: client(),
        authentication: client(),
        authorization: client(),
    };
    let options = Options::new(Duration::from_secs(600), Lookup::Skipped);
    let (cluster, watches) = connect(clients, &options, &Metrics::default());
    let pods = cluster.resolve("", "pods").expect("pods are built in");
    cluster.watch(std::slice::from_ref(&pods));

    let before = HEAP.current_usage();
    let token = CancellationToken::new();
    let stop = token.clone();
    let running = tokio::spawn(async move {
        let liveness = Liveness::new(Health::new());
        watches.run(stop, &liveness).await
    });
    let id = GroupResource::new("", "pods");
    while !cluster.is_synced(&id) {
        tokio::task::yield_now().await;
    }
    // The list is dropped before the watch begins.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let kept = HEAP.current_usage() - before;
    // All of them are there.
    let selected = |text: &str| {
        let selector = Selector::parse(text).expect("it is a selector");
        let names = cluster.select(&pods, None, &selector);
        names.expect("the list is complete").len()
    };
    assert_eq!(selected(""), PODS);
    assert_eq!(selected("app.kubernetes.io/name=web-007"), 20);
    assert!(kept < PODS * PER_POD, "{} bytes per pod", kept / PODS);
    token.cancel();
    let ended = running.await.expect("the watches do not panic");
    assert!(ended.is_ok(), "{ended:?}");
}

/// Name, labels, and the place in the index of each label, one of which nobody shares.
const PER_POD: usize = 1024;
