//! The objects in kube-apiserver: pods in namespaces, what the adapter may do, and the registration
//! of its API.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{
    connection::{Endpoint, Sender, uri},
    error::{Error, Result},
    plan::{self, Shape},
    stage::{ADAPTER_USER, Places, SERVICE},
};

/// Objects that are created at the same time.
const AT_ONCE: usize = 32;

/// Creates the namespaces and all their pods.
pub(crate) async fn pods(places: &Places, shape: Shape) -> Result<()> {
    let admin = places.admin()?;
    let connection = admin.connect().await?;
    let create = |path: String, object: Value| {
        let (sender, admin) = (connection.sender(), admin.clone());
        async move { create(sender, &admin, &path, &object).await }
    };
    stream::iter(0..shape.namespaces)
        .map(|number| {
            let object = json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": plan::namespace(number)},
            });
            Ok(create("/api/v1/namespaces".to_owned(), object))
        })
        .try_buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    stream::iter(0..shape.namespaces)
        .flat_map(|space| stream::iter((0..shape.pods).map(move |number| (space, number))))
        .map(|(space, number)| {
            let path = format!("/api/v1/namespaces/{}/pods", plan::namespace(space));
            Ok(create(path, pod(shape, space, number)))
        })
        .try_buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Lets the adapter do what its chart lets it do, and registers its API.
pub(crate) async fn registration(places: &Places) -> Result<()> {
    let admin = places.admin()?;
    let connection = admin.connect().await?;
    let file = places.pki().join("ca.crt");
    let authority = fs::read_to_string(&file).map_err(crate::Error::file("read", file))?;
    for (path, object) in access().into_iter().chain(api(places, &authority)) {
        create(connection.sender(), &admin, path, &object).await?;
    }
    Ok(())
}

async fn create(mut sender: Sender, to: &Endpoint, path: &str, object: &Value) -> Result<()> {
    let request = Request::post(uri(to.address, path)?)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(object.to_string())))
        .map_err(|cause| Error::failed(path, cause))?;
    let answer = sender.send(request).await?;
    if answer.status() == 201 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(answer.body()).into_owned();
    Err(Error::failed(format!("POST {path}"), said))
}

fn pod(shape: Shape, space: usize, number: usize) -> Value {
    let app = (0..shape.apps()).find(|app| shape.members(*app).contains(&number));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": plan::pod(space, number),
            "labels": {"app": plan::app(app.unwrap_or_default()), "tier": "backend"},
        },
        "spec": {"containers": [{"name": "app", "image": crate::layout::PAUSE_IMAGE}]},
    })
}

fn access() -> Vec<(&'static str, Value)> {
    const RBAC: &str = "rbac.authorization.k8s.io/v1";
    let subjects = json!([{
        "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": ADAPTER_USER,
    }]);
    let reference = |kind: &str, name: &str| {
        json!({
            "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name,
        })
    };
    vec![
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({
                "apiVersion": RBAC, "kind": "ClusterRole",
                "metadata": {"name": "bench-adapter"},
                "rules": [
                    {
                        "apiGroups": [""], "resources": ["pods", "namespaces"],
                        "verbs": ["get", "list", "watch"],
                    },
                    {
                        "apiGroups": ["apiextensions.k8s.io"],
                        "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"],
                    },
                    {
                        "apiGroups": ["apiregistration.k8s.io"], "resources": ["apiservices"],
                        "verbs": ["list", "watch"],
                    },
                ],
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({
                "apiVersion": RBAC, "kind": "ClusterRoleBinding",
                "metadata": {"name": "bench-adapter"},
                "roleRef": reference("ClusterRole", "bench-adapter"), "subjects": &subjects,
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({
                "apiVersion": RBAC, "kind": "ClusterRoleBinding",
                "metadata": {"name": "bench-adapter-delegator"},
                "roleRef": reference("ClusterRole", "system:auth-delegator"), "subjects": &subjects,
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
            json!({
                "apiVersion": RBAC, "kind": "RoleBinding",
                "metadata": {"name": "bench-adapter-reader", "namespace": "kube-system"},
                "roleRef": reference("Role", "extension-apiserver-authentication-reader"),
                "subjects": &subjects,
            }),
        ),
    ]
}

/// The adapter as a Service by another name: nobody here could give it an address, and
/// kube-apiserver takes no endpoint on loopback.
fn api(places: &Places, authority: &str) -> Vec<(&'static str, Value)> {
    let (namespace, service) = SERVICE;
    vec![
        (
            "/api/v1/namespaces",
            json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
            }),
        ),
        (
            "/api/v1/namespaces/bench-system/services",
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
                "spec": {
                    "type": "ExternalName", "externalName": places.adapter.ip().to_string(),
                },
            }),
        ),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices",
            json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
                "spec": {
                    "group": "custom.metrics.k8s.io", "version": "v1beta1",
                    "groupPriorityMinimum": 100, "versionPriority": 100,
                    "caBundle": STANDARD.encode(authority),
                    "service": {
                        "namespace": namespace, "name": service, "port": places.adapter.port(),
                    },
                },
            }),
        ),
    ]
}
