//! A stand-in for kube-apiserver whose authentication ConfigMap changes, which reviews by tables,
//! and which knows by which tokens it was called.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use telemetry::admin::Listener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The data of ConfigMap `extension-apiserver-authentication`.
pub(crate) type Data = BTreeMap<&'static str, String>;

/// What a review answers.
#[derive(Clone)]
pub(crate) enum Review {
    /// This status.
    Given(Value),
    /// This HTTP status and body.
    Broken(u16, &'static str),
    /// Nothing, ever.
    Hang,
}

pub(crate) struct ApiServer {
    pub(crate) url: String,
    pub(crate) known: Arc<Known>,
    _stop: DropGuard,
}

/// What it goes by, and what it has seen.
pub(crate) struct Known {
    config_map: watch::Sender<(u64, Data)>,
    /// TokenReviews by token; others are not authenticated.
    pub(crate) tokens: Mutex<BTreeMap<&'static str, Review>>,
    /// Users who may do everything.
    pub(crate) allowed: Mutex<BTreeSet<&'static str>>,
    /// The `spec` of every review, by resource.
    reviews: Mutex<Vec<(String, Value)>>,
    /// Bearer tokens by which it may be called; any if empty.
    pub(crate) callers: Mutex<BTreeSet<String>>,
    /// Bearer tokens by which it was called, and for what.
    pub(crate) called_by: Mutex<BTreeSet<(String, String)>>,
}

impl ApiServer {
    pub(crate) async fn start(data: Data) -> Self {
        let known = Arc::new(Known {
            config_map: watch::channel((10, data)).0,
            tokens: Mutex::default(),
            allowed: Mutex::default(),
            reviews: Mutex::default(),
            callers: Mutex::default(),
            called_by: Mutex::default(),
        });
        let router = axum::Router::new()
            .route(
                "/api/v1/namespaces/kube-system/configmaps",
                get(config_maps),
            )
            .route("/api/v1/pods", get(pods))
            .route("/apis/{group}/v1/{reviews}", post(review))
            .layer(middleware::from_fn_with_state(Arc::clone(&known), admit))
            .with_state(Arc::clone(&known));
        let address = ([127, 0, 0, 1], 0).into();
        let listener = Listener::bind("--test", address).await.unwrap();
        let url = format!("http://{}", listener.address());
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods)] // Ends with the test's runtime.
        tokio::spawn(listener.serve(router, stop.clone()));
        Self {
            url,
            known,
            _stop: stop.drop_guard(),
        }
    }
}

impl Known {
    /// Changes the ConfigMap.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Data)) {
        self.config_map.send_modify(|(version, data)| {
            *version += 1;
            change(data);
        });
    }

    /// What was asked since the last time: `tokenreviews` or `subjectaccessreviews`.
    pub(crate) fn take(&self, resource: &str) -> Vec<Value> {
        let mut reviews = self.reviews.lock().unwrap();
        let taken = reviews.extract_if(.., |(asked, _)| asked == resource);
        taken.map(|(_, spec)| spec).collect()
    }
}

/// 401 for whom it does not know.
async fn admit(State(known): State<Arc<Known>>, request: Request, next: Next) -> Response {
    let value = request.headers().get(header::AUTHORIZATION);
    let value = value.map(|value| value.to_str().unwrap().to_owned());
    let token = value.and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let callers = known.callers.lock().unwrap().clone();
    if !callers.is_empty() && !token.as_ref().is_some_and(|token| callers.contains(token)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let path = request.uri().path().to_owned();
    let call = token.map(|token| (token, path));
    known.called_by.lock().unwrap().extend(call);
    next.run(request).await
}

async fn config_maps(State(known): State<Arc<Known>>, RawQuery(query): RawQuery) -> Response {
    let versions = known.config_map.subscribe();
    let query = query.unwrap_or_default();
    if !query.contains("watch=true") {
        let (version, data) = versions.borrow().clone();
        return list("ConfigMapList", version, &[config_map(version, &data)]);
    }
    let part = |name| query.split('&').find_map(|part| part.strip_prefix(name));
    let since: u64 = part("resourceVersion=").unwrap().parse().unwrap();
    let events = stream::unfold((since, versions), async |(since, mut versions)| {
        let (version, data) = {
            let newer = versions.wait_for(|(version, _)| *version > since).await;
            newer.ok()?.clone()
        };
        let mut object = config_map(version, &data);
        (object["kind"], object["apiVersion"]) = ("ConfigMap".into(), "v1".into());
        let event = format!("{}\n", json!({"type": "MODIFIED", "object": object}));
        Some((event, (version, versions)))
    });
    Body::from_stream(events.map(Ok::<_, Infallible>)).into_response()
}

fn config_map(version: u64, data: &Data) -> Value {
    json!({
        "metadata": {
            "name": "extension-apiserver-authentication", "namespace": "kube-system",
            "resourceVersion": version.to_string(),
        },
        "data": data,
    })
}

/// One pod, to which nothing ever happens.
async fn pods(RawQuery(query): RawQuery) -> Response {
    if query.is_some_and(|query| query.contains("watch=true")) {
        pending().await
    }
    let pod = json!({"metadata": {"name": "web-0", "namespace": "shop"}});
    list("PartialObjectMetadataList", 10, &[pod])
}

fn list(kind: &str, version: u64, items: &[Value]) -> Response {
    let list = json!({
        "kind": kind, "apiVersion": "v1",
        "metadata": {"resourceVersion": version.to_string()}, "items": items,
    });
    Json(list).into_response()
}

async fn review(
    State(known): State<Arc<Known>>,
    Path((_, resource)): Path<(String, String)>,
    Json(mut review): Json<Value>,
) -> Response {
    let spec = review["spec"].clone();
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    known
        .reviews
        .lock()
        .unwrap()
        .push((resource.clone(), spec.clone()));
    let answer = if resource == "tokenreviews" {
        let token = text("token");
        let answer = known.tokens.lock().unwrap().get(token.as_str()).cloned();
        answer.unwrap_or(Review::Given(json!({})))
    } else {
        let allowed = known
            .allowed
            .lock()
            .unwrap()
            .contains(text("user").as_str());
        Review::Given(json!({"allowed": allowed}))
    };
    match answer {
        Review::Given(status) => {
            review["status"] = status;
            (StatusCode::CREATED, Json(review)).into_response()
        }
        Review::Broken(status, body) => {
            (StatusCode::from_u16(status).unwrap(), body).into_response()
        }
        Review::Hang => pending().await,
    }
}
