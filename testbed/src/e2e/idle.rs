//! Namespaces of a scenario's own, with pods that do nothing: what is wanted of them is to be there.

use serde_json::{Value, json};

use super::{
    Failure, ensure,
    world::{PODS, World},
};
use crate::layout::PAUSE_IMAGE;

/// Creates a namespace; what an earlier run has left of it goes first.
pub(super) fn namespace(world: &World, name: &str) -> Result<(), Failure> {
    let path = format!("/api/v1/namespaces/{name}");
    world.delete(&path)?;
    world.wait(&format!("the end of namespace {name}"), PODS, || {
        let answer = world.admin().get(&path)?;
        ensure!(answer.status == 404, "{answer}");
        Ok(())
    })?;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
    });
    world.create("/api/v1/namespaces", &namespace)?;
    // Without it no pod is admitted.
    world.wait("the namespace's service account", PODS, || {
        world.get(&format!("{path}/serviceaccounts/default"))
    })?;
    Ok(())
}

/// Deletes a namespace and does not wait for its end.
pub(super) fn forget(world: &World, name: &str) -> Result<(), Failure> {
    world.delete(&format!("/api/v1/namespaces/{name}"))
}

/// A Deployment of such pods, with the label `app`.
pub(super) fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": false,
                    "containers": [{
                        "name": "idle",
                        "image": PAUSE_IMAGE,
                        "resources": { "requests": { "cpu": "1m", "memory": "1Mi" } },
                    }],
                },
            },
        },
    })
}

/// A Service of these pods.
pub(super) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
    })
}
