//! Who may read what: a service account without rights, one with a right to a single metric, one
//! with rights to single names, and nobody. Each through the aggregator and directly at the adapter,
//! which reviews tokens itself.

mod credential;

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
/// May read the metric of one pod, and one metric of the namespace.
const NAMED: &str = "e2e-named";
const ACCOUNTS: [&str; 3] = [NOBODY, READER, NAMED];

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
    for account in ACCOUNTS {
        world.create(&accounts(), &json!({ "metadata": { "name": account } }))?;
    }
    let metric = format!("pods/{REQUESTS_METRIC}");
    grant(
        world,
        READER,
        &json!([{
            "apiGroups": ["custom.metrics.k8s.io"], "resources": [metric], "verbs": ["get"],
        }]),
    )?;
    grant(
        world,
        NAMED,
        &json!([
            {
                "apiGroups": ["custom.metrics.k8s.io"], "resources": [metric], "verbs": ["get"],
                "resourceNames": ["some-pod"],
            },
            {
                "apiGroups": ["custom.metrics.k8s.io"], "resources": ["metrics"], "verbs": ["get"],
                "resourceNames": [REQUESTS_METRIC],
            },
        ]),
    )?;
    let (nobody, reader, named) = (
        token(world, NAMESPACE, NOBODY)?,
        token(world, NAMESPACE, READER)?,
        token(world, NAMESPACE, NAMED)?,
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
        names_only(world, &client(&Caller::token(&named))?)?;
        for bad in ["nonsense", &format!("{nobody}x")] {
            client(&Caller::token(bad))?
                .get(&metric_path(REQUESTS_METRIC))?
                .refusal(401, "Unauthorized")?;
        }
    }
    credential::check(world, NOBODY, READER)?;
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

/// A name is an object's, or the metric of a namespace; `*` is a name like any other.
fn names_only(world: &World, client: &Client) -> Result<(), Failure> {
    let of_namespace = |metric: &str| {
        format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/metrics/{metric}")
    };
    for path in [
        pods_path("v1beta2", "some-pod", REQUESTS_METRIC),
        of_namespace(REQUESTS_METRIC),
    ] {
        // There is no such pod, and need not be such a metric.
        world.wait("the role to count", REVIEWED, || {
            let answer = client.get(&path)?;
            ensure!(matches!(answer.status, 200 | 404), "{answer}");
            Ok(())
        })?;
    }
    for path in [
        pods_path("v1beta2", "other-pod", REQUESTS_METRIC),
        pods_path("v1beta2", "some-pod", LATENCY_METRIC),
        metric_path(REQUESTS_METRIC),
        of_namespace(LATENCY_METRIC),
    ] {
        client.get(&path)?.refusal(403, "Forbidden")?;
    }
    Ok(())
}

/// A role of these rules, for a service account of the same name.
fn grant(world: &World, account: &str, rules: &Value) -> Result<(), Failure> {
    let rbac =
        |kind: &str| format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}");
    let role = json!({ "metadata": { "name": account }, "rules": rules });
    world.create(&rbac("roles"), &role)?;
    let binding = json!({
        "metadata": { "name": account },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account,
        },
        "subjects": [{
            "kind": "ServiceAccount", "name": account, "namespace": NAMESPACE,
        }],
    });
    world.create(&rbac("rolebindings"), &binding).map(drop)
}

fn accounts() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts")
}

fn account_name(account: &str) -> String {
    format!("system:serviceaccount:{NAMESPACE}:{account}")
}

/// A new token of a service account.
pub(super) fn token(world: &World, namespace: &str, account: &str) -> Result<String, Failure> {
    Ok(request_token(world, namespace, account, &json!({}))?.0)
}

/// A new token as a TokenRequest's `spec` wants it, and the audiences that it is for.
fn request_token(
    world: &World,
    namespace: &str,
    account: &str,
    spec: &Value,
) -> Result<(String, Value), Failure> {
    let mut request: Value = world.create(
        &format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"),
        &json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec }),
    )?;
    let audiences = request["spec"]["audiences"].take();
    match request["status"]["token"].as_str() {
        Some(token) => Ok((token.to_owned(), audiences)),
        None => Err(Failure::new("a TokenRequest without a token")),
    }
}

fn remove(world: &World) -> Result<(), Failure> {
    for account in [READER, NAMED] {
        for kind in ["rolebindings", "roles"] {
            world.delete(&format!(
                "/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}/{account}"
            ))?;
        }
    }
    for account in ACCOUNTS {
        world.delete(&format!("{}/{account}", accounts()))?;
    }
    Ok(())
}
