//! A stand-in for kube-apiserver, over TLS and HTTP/2: lists and watches that follow changes,
//! reviews, and the ways in which they fail.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How it behaves; a change ends the watches.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// Everything is answered with this status.
    pub(crate) status: Option<u16>,
    pub(crate) documents: Documents,
    pub(crate) watches: Watches,
    pub(crate) reviews: Reviews,
    pub(crate) config_map: ConfigMap,
}

/// What becomes of lists and of discovery.
#[derive(Clone, Copy, Default)]
pub(crate) enum Documents {
    #[default]
    Good,
    /// A page to sign in, with 200; the watches say the same.
    Html,
    /// The first half.
    Truncated,
    /// The first half, and then nothing.
    Stalled,
}

/// What becomes of watches.
#[derive(Clone, Copy, Default)]
pub(crate) enum Watches {
    #[default]
    Lasting,
    EndAfter(Duration),
    Garbage,
    /// 410 in an event: the version is too old.
    Gone,
}

/// What becomes of reviews.
#[derive(Clone, Copy, Default)]
pub(crate) enum Reviews {
    #[default]
    Given,
    Hang,
    Status(u16),
    Garbage,
}

/// What becomes of the authentication ConfigMap.
#[derive(Clone, Copy, Default)]
pub(crate) enum ConfigMap {
    #[default]
    Good,
    Forbidden,
    Missing,
    Broken,
}

struct State {
    behaviour: Behaviour,
    authority: String,
    pods: BTreeSet<String>,
    /// Every change of a pod: version, type, name.
    log: Vec<(u64, &'static str, String)>,
    version: u64,
}

/// The stand-in; clones share it.
#[derive(Clone)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    /// Who issued its certificate.
    pub(crate) issuer: String,
    state: Arc<Mutex<State>>,
    /// Of the behaviour and of the objects.
    changed: Arc<(watch::Sender<()>, watch::Sender<()>)>,
}

impl ApiServer {
    /// Serves pods `web-0` and `web-1`; front proxies are known by `authority`.
    pub(crate) async fn start(authority: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Authority::new("kubernetes");
        let identity = issuer.issue("kube-apiserver");
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(identity.chain(), identity.key())
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let state = State {
            behaviour: Behaviour::default(),
            authority,
            pods: ["web-0", "web-1"].map(str::to_owned).into(),
            log: Vec::new(),
            version: 10,
        };
        let server = Self {
            address: listener.local_addr().unwrap(),
            issuer: issuer.pem(),
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
        };
        let tls = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(server.clone().accept(listener, tls));
        server
    }

    async fn accept(self, listener: TcpListener, tls: TlsAcceptor) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (server, tls) = (self.clone(), tls.clone());
            let service = hyper::service::service_fn(move |request| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            tokio::spawn(async move {
                // Broken connections are the business of whoever breaks them.
                if let Ok(stream) = tls.accept(socket).await {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                }
            });
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviour = behaviour;
        self.changed.0.send_replace(());
    }

    /// This behaviour for a time, then the good one.
    pub(crate) async fn during(&self, behaviour: Behaviour, time: Duration) {
        self.behave(behaviour);
        tokio::time::sleep(time).await;
        self.behave(Behaviour::default());
    }

    /// Another authority of front proxies.
    pub(crate) fn rotate(&self, authority: String) {
        let mut state = self.state.lock().unwrap();
        state.authority = authority;
        state.version += 1;
        drop(state);
        self.changed.0.send_replace(());
    }

    /// Adds pod `web-2`, or removes it if it is there.
    pub(crate) fn toggle_pod(&self) {
        let mut state = self.state.lock().unwrap();
        let pod = "web-2".to_owned();
        let kind = if state.pods.remove(&pod) {
            "DELETED"
        } else {
            state.pods.insert(pod.clone());
            "ADDED"
        };
        state.version += 1;
        let version = state.version;
        state.log.push((version, kind, pod));
        drop(state);
        self.changed.1.send_replace(());
    }

    /// The pods that there are.
    pub(crate) fn pods(&self) -> Vec<String> {
        self.state.lock().unwrap().pods.iter().cloned().collect()
    }

    fn behaviour(&self) -> Behaviour {
        self.state.lock().unwrap().behaviour.clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = request.into_body().collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let behaviour = self.behaviour();
        if let Some(status) = behaviour.status {
            return refusal(status);
        }
        let is_map = path.ends_with("/configmaps");
        match behaviour.config_map {
            ConfigMap::Forbidden if is_map => return refusal(403),
            _ => {}
        }
        if matches!(behaviour.documents, Documents::Html) {
            return Response::new(Full::from("<html>Sign in</html>").boxed_unsync());
        }
        if query.contains("watch=true") {
            return self.watch(&path, &query, behaviour.watches);
        }
        let whole = self.document(&path, is_map, &body, &behaviour).await;
        damaged(whole, behaviour.documents).await
    }

    async fn document(
        &self,
        path: &str,
        is_map: bool,
        body: &[u8],
        behaviour: &Behaviour,
    ) -> Response<Body> {
        match path {
            "/api" => full(200, &core_group()),
            "/apis" => full(
                200,
                &json!({"items": [group("apps", "deployments", "Deployment")]}),
            ),
            "/api/v1/pods" => full(
                200,
                &self.list(self.pods().iter().map(|pod| object("shop", pod))),
            ),
            "/api/v1/namespaces" => full(200, &self.list([object("", "shop")])),
            _ if is_map => {
                let map = self.config_map(behaviour.config_map);
                let mut list = self.list(map);
                (list["kind"], list["apiVersion"]) = ("ConfigMapList".into(), "v1".into());
                full(200, &list)
            }
            _ if path.ends_with("reviews") => review(path, body, behaviour.reviews).await,
            _ => refusal(404),
        }
    }

    fn list(&self, items: impl IntoIterator<Item = Value>) -> Value {
        let version = self.state.lock().unwrap().version.to_string();
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"resourceVersion": version}, "items": items.into_iter().collect::<Vec<_>>(),
        })
    }

    fn config_map(&self, as_is: ConfigMap) -> Option<Value> {
        let state = self.state.lock().unwrap();
        let authority = match as_is {
            ConfigMap::Missing => return None,
            ConfigMap::Broken => "no certificate",
            _ => &state.authority,
        };
        Some(json!({
            "metadata": {
                "name": "extension-apiserver-authentication", "namespace": "kube-system",
                "resourceVersion": state.version.to_string(),
            },
            "data": {
                "requestheader-client-ca-file": authority,
                "requestheader-allowed-names": r#"["front-proxy-client"]"#,
                "requestheader-username-headers": r#"["X-Remote-User"]"#,
                "requestheader-group-headers": r#"["X-Remote-Group"]"#,
                "requestheader-extra-headers-prefix": r#"["X-Remote-Extra-"]"#,
            },
        }))
    }

    /// Tells of the pods that change; of other kinds nothing ever happens. Whoever watches the
    /// ConfigMap is told of its version when the watch begins.
    fn watch(&self, path: &str, query: &str, watches: Watches) -> Response<Body> {
        let since = query
            .split('&')
            .find_map(|part| part.strip_prefix("resourceVersion="));
        let since: u64 = since.and_then(|version| version.parse().ok()).unwrap_or(0);
        let end = match watches {
            Watches::Garbage => return lines(stream::iter(["<html>oops</html>\n".to_owned()])),
            Watches::Gone => {
                let gone = json!({"type": "ERROR", "object": status(410, "Expired")});
                return lines(stream::iter([format!("{gone}\n")]));
            }
            Watches::EndAfter(time) => time,
            Watches::Lasting => Duration::from_secs(3600),
        };
        let mut behaviour = self.changed.0.subscribe();
        let is_pods = path == "/api/v1/pods";
        if path.ends_with("/configmaps") && self.state.lock().unwrap().version > since {
            let event = self.config_map(ConfigMap::Good).map(|mut map| {
                (map["kind"], map["apiVersion"]) = ("ConfigMap".into(), "v1".into());
                format!("{}\n", json!({"type": "MODIFIED", "object": map}))
            });
            let quiet = stream::once(async move {
                let _ = behaviour.changed().await;
                String::new()
            });
            return lines(stream::iter(event).chain(quiet));
        }
        let (server, objects) = (self.clone(), self.changed.1.subscribe());
        let events = stream::unfold((since, objects), move |(since, mut objects)| {
            let server = server.clone();
            async move {
                loop {
                    let next = server.event_after(since).filter(|_| is_pods);
                    if let Some((version, event)) = next {
                        return Some((event, (version, objects)));
                    }
                    objects.changed().await.ok()?;
                }
            }
        });
        let end = async move {
            let _ = tokio::time::timeout(end, behaviour.changed()).await;
        };
        lines(events.take_until(Box::pin(end)))
    }

    fn event_after(&self, since: u64) -> Option<(u64, String)> {
        let state = self.state.lock().unwrap();
        let (version, kind, pod) = state.log.iter().find(|(version, ..)| *version > since)?;
        let mut object = object("shop", pod);
        object["metadata"]["resourceVersion"] = version.to_string().into();
        object["kind"] = "PartialObjectMetadata".into();
        object["apiVersion"] = "meta.k8s.io/v1".into();
        Some((
            *version,
            format!("{}\n", json!({"type": kind, "object": object})),
        ))
    }
}

/// Lists and documents of discovery as they come.
async fn damaged(whole: Response<Body>, documents: Documents) -> Response<Body> {
    let end = match documents {
        Documents::Good | Documents::Html => return whole,
        Documents::Truncated => Duration::ZERO,
        Documents::Stalled => Duration::from_secs(3600),
    };
    let whole = whole.into_body().collect().await.unwrap().to_bytes();
    let half = whole.slice(..whole.len() / 2);
    let rest = stream::once(async move {
        tokio::time::sleep(end).await;
        Bytes::new()
    });
    let frames = stream::iter([half]).chain(rest);
    let frames = frames.map(|bytes| Ok(Frame::data(bytes)));
    Response::new(UnsyncBoxBody::new(StreamBody::new(frames)))
}

/// Who may what: controllers may all, `good` is the token of one, strangers may nothing.
async fn review(path: &str, body: &[u8], reviews: Reviews) -> Response<Body> {
    match reviews {
        Reviews::Given => {}
        Reviews::Hang => std::future::pending().await,
        Reviews::Status(status) => return refusal(status),
        Reviews::Garbage => {
            return Response::new(Full::from(r#"{"status":{"allowed":tru"#).boxed_unsync());
        }
    }
    // Whoever asked may have gone in the middle of the question.
    let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
        return refusal(400);
    };
    review["status"] = if path.ends_with("tokenreviews") {
        if review["spec"]["token"] == "good" {
            json!({"authenticated": true, "user": {"username": "system:controller:prometheus"}})
        } else {
            json!({"authenticated": false})
        }
    } else {
        let user = review["spec"]["user"].as_str().unwrap_or_default();
        json!({"allowed": user.starts_with("system:controller:")})
    };
    full(201, &review)
}

fn object(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({"name": name, "labels": {"app": "web"}});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({"metadata": metadata})
}

fn core_group() -> Value {
    let mut core = group("", "pods", "Pod");
    let mut namespaces = group("", "namespaces", "Namespace")["versions"][0]["resources"][0].take();
    namespaces["scope"] = "Cluster".into();
    core["versions"][0]["resources"]
        .as_array_mut()
        .unwrap()
        .push(namespaces);
    json!({"items": [core]})
}

fn group(group: &str, plural: &str, kind: &str) -> Value {
    json!({
        "metadata": {"name": group},
        "versions": [{"version": "v1", "freshness": "Current", "resources": [{
            "resource": plural, "singularResource": kind.to_lowercase(), "verbs": ["list"],
            "responseKind": {"group": group, "version": "v1", "kind": kind},
            "scope": "Namespaced",
        }]}],
    })
}

fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "made by a test", "reason": reason, "code": code,
    })
}

fn refusal(code: u16) -> Response<Body> {
    let mut response = full(code, &status(code, "Made"));
    if code == 429 {
        let seconds = http::HeaderValue::from_static("1");
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, seconds);
    }
    response
}

fn full(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::from(body.to_string()).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

fn lines(lines: impl futures::Stream<Item = String> + Send + 'static) -> Response<Body> {
    let frames = lines.map(|line| Ok(Frame::data(Bytes::from(line))));
    Response::new(UnsyncBoxBody::new(StreamBody::new(frames)))
}
