//! The loops against a mock of kube-apiserver: what they ask, and how they take trouble.
//! Against a real one they run in the end-to-end tests.

#![allow(clippy::disallowed_methods)] // The tests' runtimes end with the tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use kube::client::Body;
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::sync::mpsc;

mod kinds;

use super::*;
use crate::model::review::{AccessAttributes, Cause, Reviewer as _, UserInfo};

type Reply = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Answers by path; a path without an answer is 404.
#[derive(Clone, Default)]
struct FakeApi(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<BTreeMap<String, (StatusCode, Vec<Value>)>>,
    requests: Mutex<Vec<String>>,
    /// Watches that are open, by path.
    open: Mutex<Vec<(String, mpsc::UnboundedSender<Value>)>>,
    asked: AtomicUsize,
}

impl FakeApi {
    /// `lines` are sent one per line; a watch (`?watch=true`) stays open after the last.
    fn set(&self, path: &str, status: u16, lines: Vec<Value>) {
        let status = StatusCode::from_u16(status).unwrap();
        self.0
            .answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), (status, lines));
    }

    /// Sends an event to who watches.
    fn emit(&self, path: &str, event: &Value) {
        let mut open = self.0.open.lock().unwrap();
        open.retain(|(watched, events)| watched != path || events.send(event.clone()).is_ok());
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn requests(&self, containing: &str) -> Vec<String> {
        let requests = self.0.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.contains(containing))
            .cloned()
            .collect()
    }

    fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, tower::BoxError>(api.answer(&request)) }
        });
        Client::new(service, "default")
    }

    fn answer(&self, request: &Request<Body>) -> Response<Reply> {
        let accept = request
            .headers()
            .get("accept")
            .map_or("", |value| value.to_str().unwrap());
        let line = format!("{} {accept}", request.uri());
        self.0.requests.lock().unwrap().push(line);
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let key = format!(
            "{}{}",
            request.uri().path(),
            if is_watch { "?watch" } else { "" }
        );
        let found = self.0.answers.lock().unwrap().get(&key).cloned();
        let (mut status, mut lines) = match found {
            Some(found) => found,
            // Nothing happens.
            None if is_watch => (StatusCode::OK, Vec::new()),
            None => (StatusCode::NOT_FOUND, vec![status(404, "not found")]),
        };
        // As kube-apiserver does for aggregated discovery.
        let etag = format!("{:x}", sha2::Sha256::digest(format!("{lines:?}")));
        let known = request.headers().get(http::header::IF_NONE_MATCH);
        if known.is_some_and(|known| *known == *etag) {
            (status, lines) = (StatusCode::NOT_MODIFIED, Vec::new());
        }
        let (open, events) = mpsc::unbounded_channel();
        if is_watch && status.is_success() {
            // As long as it is here, the answer does not end.
            let path = request.uri().path().to_owned();
            self.0.open.lock().unwrap().push((path, open));
        }
        let later = stream::unfold(events, async |mut events| {
            Some((events.recv().await?, events))
        });
        let lines = stream::iter(lines).chain(later);
        let body = Reply::new(StreamBody::new(
            lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n"))))),
        ));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(http::header::ETAG, etag.parse().unwrap());
        response
    }
}

fn status(code: u16, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "X", "code": code,
    })
}

fn mk_pod(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {
            "name": name, "namespace": "shop", "labels": {"app": app}, "resourceVersion": "5",
            "annotations": {"large": "text"},
        },
    })
}

fn mk_list(items: &[Value]) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": "4"}, "items": items,
    })
}

/// A cluster that runs against a mock until it is dropped.
struct Running {
    cluster: Cluster,
    registry: prometheus_client::registry::Registry,
    task: tokio::task::JoinHandle<Result<(), Error>>,
    token: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// The value of a metric of each watch but those of what defines kinds.
    fn watches(&self, metric: &str) -> Vec<String> {
        let text = telemetry::text::encode(&self.registry);
        let prefix = format!("{metric}{{resource=");
        let values = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let values = values.filter(|value| !value.contains(".k8s.io"));
        let mut values: Vec<String> = values.map(str::to_owned).collect();
        values.sort();
        values
    }
}

fn mk_options() -> Options {
    Options::new(Duration::from_secs(600), Lookup::Watched)
}

fn run(api: &FakeApi) -> Running {
    let client = api.client();
    let clients = Clients {
        lister: client.clone(),
        authentication: client.clone(),
        authorization: client,
    };
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::register(&mut registry);
    let (cluster, watches) = connect(clients, &mk_options(), &metrics);
    let token = CancellationToken::new();
    let task = {
        let token = token.clone();
        let liveness = Liveness::new(telemetry::health::Health::new());
        tokio::spawn(async move { watches.run(token, &liveness).await })
    };
    Running {
        cluster,
        registry,
        task,
        token,
    }
}

/// Waits under paused time, which moves on whenever everything waits.
async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), wait)
        .await
        .expect("it never happened");
}

fn pods(cluster: &Cluster) -> ResourceType {
    cluster.resolve("", "pods").unwrap()
}

fn select(cluster: &Cluster, selector: &str) -> Result<Vec<String>, ObjectSourceError> {
    let selector = Selector::parse(selector).unwrap();
    let names = cluster.select(&pods(cluster), Some("shop"), &selector)?;
    Ok(names.iter().map(ToString::to_string).collect())
}

#[tokio::test(start_paused = true)]
async fn indexes_metadata_and_follows_events() {
    let api = FakeApi::default();
    api.set(
        "/api/v1/pods",
        200,
        vec![mk_list(&[mk_pod("web-0", "web"), mk_pod("db-0", "db")])],
    );
    api.set(
        "/api/v1/pods?watch",
        200,
        vec![
            json!({"type": "ADDED", "object": mk_pod("web-1", "web")}),
            json!({"type": "MODIFIED", "object": mk_pod("db-0", "web")}),
            json!({"type": "DELETED", "object": mk_pod("web-0", "web")}),
        ],
    );
    let running = run(&api);
    let cluster = &running.cluster;
    assert_eq!(
        select(cluster, ""),
        Err(ObjectSourceError::NotSynced(GroupResource::new("", "pods"))),
    );
    cluster.watch(&[pods(cluster), pods(cluster)]);
    cluster.watch(&[pods(cluster)]);
    eventually(|| select(cluster, "app=web").is_ok_and(|names| names == ["db-0", "web-1"])).await;
    assert!(cluster.is_synced(&GroupResource::new("", "pods")));
    assert_eq!(running.watches("watched_objects"), [r#""pods"} 2"#]);
    assert_eq!(running.watches("watch_failing"), [r#""pods"} 0"#]);
    // One list, of metadata only, however often it was asked for.
    let lists = api.requests("/api/v1/pods?&limit=500");
    assert_eq!(lists.len(), 1, "{:?}", api.requests(""));
    assert!(
        lists[0].contains("as=PartialObjectMetadataList"),
        "{lists:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn consumers_are_nodes_and_running_pods() {
    let api = FakeApi::default();
    let node = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "n1", "labels": {"zone": "a"}, "resourceVersion": "5"},
    });
    api.set("/api/v1/nodes", 200, vec![mk_list(&[node])]);
    api.set(
        "/api/v1/pods",
        200,
        vec![mk_list(&[mk_pod("web-0", "web"), mk_pod("db-0", "db")])],
    );
    let running = run(&api);
    let cluster = &running.cluster;
    let list = |consumer, selector: &str| {
        let objects = cluster.consumers(consumer, None, &Selector::parse(selector).unwrap())?;
        let show = |object: &IndexedObject| {
            let namespace = object.namespace.as_deref().unwrap_or("-");
            format!("{namespace}/{} {:?}", object.name, object.labels)
        };
        Ok::<_, ObjectSourceError>(objects.iter().map(show).collect::<Vec<String>>())
    };
    assert!(list(Consumer::Pod, "").is_err());
    cluster.watch_consumers();
    cluster.watch_consumers();
    eventually(|| list(Consumer::Pod, "").is_ok() && list(Consumer::Node, "").is_ok()).await;
    assert_eq!(
        list(Consumer::Pod, "app=web").unwrap(),
        [r#"shop/web-0 [("app", "web")]"#]
    );
    assert_eq!(
        list(Consumer::Node, "").unwrap(),
        [r#"-/n1 [("zone", "a")]"#]
    );
    // Selection is about all pods, which nobody has asked for.
    assert!(select(cluster, "").is_err());
    let lists = api.requests("/api/v1/pods?&");
    assert!(
        lists
            .iter()
            .all(|list| list.contains("fieldSelector=status.phase%3DRunning")),
        "{lists:?}"
    );
    let watches = running.watches("watched_objects");
    assert_eq!(
        watches,
        [r#""nodes"} 1"#, r#""pods status.phase=Running"} 2"#]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_watch_is_told_and_mended() {
    let api = FakeApi::default();
    api.set("/api/v1/pods", 403, vec![status(403, "pods is forbidden")]);
    let running = run(&api);
    let cluster = &running.cluster;
    cluster.watch(&[pods(cluster)]);
    let refused = Err(ObjectSourceError::Unwatchable {
        resource: GroupResource::new("", "pods"),
        reason: "pods is forbidden (status 403)".to_owned(),
    });
    eventually(|| select(cluster, "") == refused).await;
    assert_eq!(running.watches("watch_failing"), [r#""pods"} 1"#]);
    let heard = || running.watches("watch_last_heard_timestamp_seconds");
    // What may never be watched is not late.
    assert!(heard().is_empty());
    // It does not hammer: pauses grow to half a minute.
    let before = api.asked();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lists = api.requests("/api/v1/pods").len();
    assert!(
        lists < 15,
        "{lists} lists, {} requests in all",
        api.asked() - before
    );

    api.set(
        "/api/v1/pods",
        200,
        vec![mk_list(&[mk_pod("web-0", "web")])],
    );
    eventually(|| select(cluster, "").is_ok_and(|names| names == ["web-0"])).await;
    assert_eq!(running.watches("watch_failing"), [r#""pods"} 0"#]);
    assert_eq!(heard().len(), 1);
    // Nothing happens to its pods, but their watch begins anew all the time.
    let before = heard();
    eventually(|| heard() != before).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_good_index_stays_while_the_watch_fails() {
    let api = FakeApi::default();
    api.set(
        "/api/v1/pods",
        200,
        vec![mk_list(&[mk_pod("web-0", "web")])],
    );
    // The resource version is gone: the watcher has to list again, which fails.
    let gone = json!({"type": "ERROR", "object": status(410, "too old")});
    api.set("/api/v1/pods?watch", 200, vec![gone]);
    let running = run(&api);
    let cluster = &running.cluster;
    cluster.watch(&[pods(cluster)]);
    eventually(|| select(cluster, "").is_ok()).await;
    api.set("/api/v1/pods", 500, vec![status(500, "etcd is away")]);
    eventually(|| running.watches("watch_failing") == [r#""pods"} 1"#]).await;
    assert_eq!(select(cluster, "").unwrap(), ["web-0"]);

    api.set("/api/v1/pods?watch", 200, vec![]);
    api.set(
        "/api/v1/pods",
        200,
        vec![mk_list(&[mk_pod("web-9", "web")])],
    );
    eventually(|| select(cluster, "").is_ok_and(|names| names == ["web-9"])).await;
    assert!(!running.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_authentication_config_map_is_followed() {
    use crate::serving::tests::support::Ca;

    let path = "/api/v1/namespaces/kube-system/configmaps";
    let config_map = |data: Value, version: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "extension-apiserver-authentication", "namespace": "kube-system",
                "resourceVersion": version,
            },
            "data": data,
        })
    };
    let list = |items: Value| json!({"metadata": {"resourceVersion": "4"}, "items": items});
    let api = FakeApi::default();
    api.set(path, 403, vec![status(403, "configmaps is forbidden")]);
    let running = run(&api);
    let cluster = &running.cluster;
    eventually(|| api.requests(path).len() > 2).await;
    assert!(!cluster.trust().borrow().is_some());
    let asked = api.requests(path);
    let field = "fieldSelector=metadata.name%3Dextension-apiserver-authentication";
    assert!(
        asked.iter().all(|request| request.contains(field)),
        "{asked:?}"
    );

    // There, but broken; then good.
    api.set(
        path,
        200,
        vec![list(json!([config_map(
            json!({"client-ca-file": "x"}),
            "4"
        )]))],
    );
    let good = json!({"client-ca-file": Ca::new("cluster").pem()});
    let broken = json!({"client-ca-file": "y"});
    api.set(
        &format!("{path}?watch"),
        200,
        vec![
            json!({"type": "MODIFIED", "object": config_map(good, "5")}),
            // And then broken again, and deleted: the good one stays.
            json!({"type": "MODIFIED", "object": config_map(broken.clone(), "6")}),
            json!({"type": "DELETED", "object": config_map(broken, "7")}),
        ],
    );
    eventually(|| cluster.trust().borrow().is_some()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(cluster.trust().borrow().as_ref().unwrap().client.is_some());
}

#[tokio::test(start_paused = true)]
async fn reviews_have_answers_errors_and_a_deadline() {
    let api = FakeApi::default();
    let running = run(&api);
    let reviewer = running.cluster.reviewer();
    let accesses = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    let user = UserInfo {
        name: "alice".to_owned(),
        ..UserInfo::default()
    };
    let path = AccessAttributes::NonResource {
        path: "/x".to_owned(),
        verb: "get".to_owned(),
    };

    api.set(accesses, 403, vec![status(403, "may not create reviews")]);
    let error = reviewer
        .authorize(&user, &path, Cause::Cold)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "may not create reviews (status 403)");
    for (status, allowed) in [
        (json!({"allowed": true, "reason": "RBAC: yes"}), true),
        (json!({"allowed": false}), false),
        (json!({"allowed": true, "denied": true}), false),
    ] {
        api.set(accesses, 201, vec![json!({"spec": {}, "status": status})]);
        assert_eq!(
            reviewer
                .authorize(&user, &path, Cause::Cold)
                .await
                .unwrap()
                .allowed,
            allowed
        );
    }
    api.set(accesses, 201, vec![json!({"spec": {}})]);
    assert!(reviewer.authorize(&user, &path, Cause::Cold).await.is_err());

    let known = json!({"authenticated": true, "user": {"username": "robot", "groups": ["g"]}});
    for (status, name) in [
        (known, Some("robot")),
        (json!({"authenticated": false, "error": "expired"}), None),
        (json!({"user": {"username": "robot"}}), None),
        (json!({"authenticated": true, "user": {}}), None),
    ] {
        api.set(tokens, 201, vec![json!({"spec": {}, "status": status})]);
        let user = reviewer.authenticate("t", Cause::Cold).await.unwrap();
        assert_eq!(user.map(|user| user.name).as_deref(), name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_review_that_hangs_ends() {
    let hangs = tower::service_fn(|_: Request<Body>| async {
        futures::future::pending::<()>().await;
        Ok::<_, tower::BoxError>(Response::new(Body::empty()))
    });
    let client = Client::new(hangs, "default");
    let options = mk_options();
    let reviewer = ClusterReviewer::new(client.clone(), client, &options, Metrics::default());
    let start = tokio::time::Instant::now();
    assert!(reviewer.authenticate("t", Cause::Cold).await.is_err());
    assert_eq!(start.elapsed(), options.review_timeout);
}

#[tokio::test(start_paused = true)]
async fn stops_when_told_to() {
    let mut running = run(&FakeApi::default());
    running.cluster.watch(&[pods(&running.cluster)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.token.cancel();
    assert!((&mut running.task).await.unwrap().is_ok());
}
