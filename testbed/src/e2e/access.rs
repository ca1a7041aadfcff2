//! Who may read what: a service account without rights, one with a right to a single metric, and
//! nobody. Each through the aggregator and directly at the adapter, which reviews tokens itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Failure, Outcome, ensure,
    wire::{Caller, Client},
    world::{World, metric_path, pods_path},
};
use crate::stack::{LATENCY_METRIC, NAMESPACE, REQUESTS_METRIC};

const NOBODY: &str = "e2e-nobody";
const READER: &str = "e2e-reader";

/// More than the 10 s for which the adapter remembers a refusal.
const REVIEWED: Duration = Duration::from_secs(30);

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    remove(world)?;
    let outcome = check(world);
    remove(world)?;
    outcome
}

fn check(world: &World) -> Outcome {
    for account in [NOBODY, READER] {
        world.create(&accounts(), &json!({ "metadata": { "name": account } }))?;
    }
    let metric = format!("pods/{REQUESTS_METRIC}");
    let rbac =
        |kind: &str| format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}");
    world.create(
        &rbac("roles"),
        &json!({
            "metadata": { "name": READER },
            "rules": [{
                "apiGroups": ["custom.metrics.k8s.io"], "resources": [metric], "verbs": ["get"],
            }],
        }),
    )?;
    world.create(
        &rbac("rolebindings"),
        &json!({
            "metadata": { "name": READER },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": READER,
            },
            "subjects": [{
                "kind": "ServiceAccount", "name": READER, "namespace": NAMESPACE,
            }],
        }),
    )?;
    let (nobody, reader) = (
        token(world, NAMESPACE, NOBODY)?,
        token(world, NAMESPACE, READER)?,
    );
    for direct in [false, true] {
        let client = |caller: &Caller| {
            if direct {
                world.adapter(caller)
            } else {
                world.apiserver(caller)
            }
        };
        denied(&client(&Caller::token(&nobody))?, &account_name(NOBODY))?;
        denied(&client(&Caller::anonymous())?, "system:anonymous")?;
        one_metric_only(world, &client(&Caller::token(&reader))?)?;
        for bad in ["nonsense", &format!("{nobody}x")] {
            client(&Caller::token(bad))?
                .get(&metric_path(REQUESTS_METRIC))?
                .refusal(401, "Unauthorized")?;
        }
    }
    Ok(vec![
        "through the aggregator and at the adapter itself".to_owned(),
    ])
}

/// No value, and Kubernetes' own words.
fn denied(client: &Client, user: &str) -> Result<(), Failure> {
    for (path, resource, name) in [
        (
            metric_path(REQUESTS_METRIC),
            format!("pods/{REQUESTS_METRIC}"),
            "pods.custom.metrics.k8s.io \"*\"",
        ),
        (
            pods_path("v1beta1", "some-pod", LATENCY_METRIC),
            format!("pods/{LATENCY_METRIC}"),
            "pods.custom.metrics.k8s.io \"some-pod\"",
        ),
        (
            format!(
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/metrics/{REQUESTS_METRIC}"
            ),
            "metrics".to_owned(),
            "metrics.custom.metrics.k8s.io",
        ),
    ] {
        let answer = client.get(&path)?;
        let message = answer.refusal(403, "Forbidden")?;
        let words = format!(
            "User \"{user}\" cannot get resource \"{resource}\" in API group \
             \"custom.metrics.k8s.io\" in the namespace \"{NAMESPACE}\""
        );
        ensure!(
            message.starts_with(name)
                && message.contains(" is forbidden: ")
                && message.contains(&words),
            "other words than {name} is forbidden: {words}: {message}"
        );
    }
    Ok(())
}

fn one_metric_only(world: &World, client: &Client) -> Result<(), Failure> {
    world.wait("the role to count", REVIEWED, || {
        client.get(&metric_path(REQUESTS_METRIC))?.expect(200)
    })?;
    client
        .get(&pods_path("v1beta1", "*", REQUESTS_METRIC))?
        .expect(200)?;
    let elsewhere = metric_path(REQUESTS_METRIC).replace(
        &format!("/namespaces/{NAMESPACE}/"),
        "/namespaces/kube-system/",
    );
    for path in [
        metric_path(LATENCY_METRIC),
        elsewhere,
        format!(
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/metrics/{REQUESTS_METRIC}"
        ),
        // Names as they were sent: these are not `pods`.
        metric_path(REQUESTS_METRIC).replace("/pods/", "/pod/"),
        metric_path(REQUESTS_METRIC).replace("/pods/", "/pods./"),
    ] {
        client.get(&path)?.refusal(403, "Forbidden")?;
    }
    Ok(())
}

fn accounts() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts")
}

fn account_name(account: &str) -> String {
    format!("system:serviceaccount:{NAMESPACE}:{account}")
}

/// A new token of a service account.
pub(super) fn token(world: &World, namespace: &str, account: &str) -> Result<String, Failure> {
    let request: Value = world.create(
        &format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"),
        &json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} }),
    )?;
    let token = request["status"]["token"].as_str();
    token
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("no token: {request}")))
}

fn remove(world: &World) -> Result<(), Failure> {
    for kind in ["rolebindings", "roles"] {
        world.delete(&format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}/{READER}"
        ))?;
    }
    for account in [NOBODY, READER] {
        world.delete(&format!("{}/{account}", accounts()))?;
    }
    Ok(())
}
