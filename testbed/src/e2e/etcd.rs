//! etcd halts and goes on. kube-apiserver can write nothing meanwhile; whoever only reads metrics
//! must not notice.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::{
    Failure, Outcome, ensure,
    wire::{Caller, Client},
    world::{ADAPTER, PODS, Pod, World, identity, items, metric_path},
};
use crate::{
    cluster::{Cluster, Component},
    progress::now,
    stack::{NAMESPACE, REQUESTS_METRIC},
};

/// For how long etcd halts: longer than the adapter remembers a review (10 s), and than a client
/// waits for a write (15 s).
const HALT: Duration = Duration::from_secs(20);

/// Between two rounds of reads.
const PACE: Duration = Duration::from_millis(100);

/// What everything may take to recover; measured, it takes less than a second.
const RECOVERY: Duration = Duration::from_secs(5);

/// A role for one metric, and a user with a client certificate that has no other right to metrics.
const READER: &str = "e2e-etcd-gone";
const USER: (&str, &str) = ("coredns", "system:coredns");

/// A label that no pod has until this test sets it.
const LABEL: &str = "e2e-seen-after-etcd";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    forbid(world)?;
    let outcome = allow(world).and_then(|()| halted(world));
    forbid(world)?;
    outcome
}

fn halted(world: &World) -> Outcome {
    let reader = Caller::certificate(identity(&world.cluster, USER.0)?);
    let reader = world.apiserver(&reader)?;
    world.wait("the role to count", PODS, || {
        reader.get(&metric_path(REQUESTS_METRIC))?.expect(200)
    })?;
    let before = State::now(world)?;
    // Without the aggregator in between, and without kube-apiserver.
    let direct = world.adapter(&Caller::anonymous())?;

    let paused = world.cluster.pause(Component::Etcd)?;
    let begun = now();
    let mut reads = [
        ("system:masters", 0),
        ("a reviewed user", 0),
        ("discovery", 0),
        ("/readyz", 0),
    ];
    let discovery = "/apis/custom.metrics.k8s.io/v1beta2";
    let cluster = &world.cluster;
    let write = thread::scope(|scope| {
        let writing = scope.spawn(move || write(cluster));
        while begun.elapsed() < HALT || !writing.is_finished() {
            for (count, client, path) in [
                (0, world.admin(), metric_path(REQUESTS_METRIC).as_str()),
                (1, &reader, metric_path(REQUESTS_METRIC).as_str()),
                (2, world.admin(), discovery),
                (3, &direct, "/readyz"),
            ] {
                good(client, path)?;
                reads[count].1 += 1;
            }
            thread::sleep(PACE);
        }
        let write = writing.join();
        write.unwrap_or_else(|_| Err(Failure::new("the writer panicked")))
    });
    let halted = begun.elapsed();
    drop(paused);
    let back = now();
    let write = write?;
    ensure!(
        write.is_err(),
        "something was written without etcd: {write:?}"
    );
    let refusal = write.err().unwrap_or_default();
    // The request's address stands before the reason.
    let refusal = refusal.rsplit(": ").next().unwrap_or_default();

    let servers = world.servers()?;
    let [server] = servers.as_slice() else {
        return Err(Failure::new(format!("not one server: {servers:?}")));
    };
    label(world, server, &json!("yes"))?;
    let path = metric_path(REQUESTS_METRIC).replace("app%3Dserver", &format!("{LABEL}%3Dyes"));
    world.wait("a new label in the adapter's index", RECOVERY, || {
        let list = world.admin().get(&path)?.expect(200)?;
        ensure!(items(&list).len() == 1, "{list}");
        Ok(())
    })?;
    let recovered = back.elapsed();
    label(world, server, &Value::Null)?;
    world.wait_poll()?;
    let after = State::now(world)?;
    ensure!(before == after, "before {before:?}\nafter {after:?}");
    let reads: Vec<String> = reads.map(|(who, count)| format!("{who} {count}")).to_vec();
    Ok(vec![
        format!(
            "{:.0} s without etcd, good answers: {}; a write: {refusal}",
            halted.as_secs_f64(),
            reads.join(", ")
        ),
        format!(
            "a change was seen by the adapter {:.0} ms after",
            recovered.as_secs_f64() * 1e3
        ),
    ])
}

/// All that must stay as it is.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// Uid, since when ready, restarts.
    adapters: Vec<(String, bool, String, u64)>,
    available_since: Vec<String>,
    active_since: String,
}

impl State {
    fn now(world: &World) -> Result<Self, Failure> {
        let adapters = world.adapters()?.into_iter();
        Ok(Self {
            adapters: adapters
                .map(|pod| (pod.uid, pod.ready, pod.ready_since, pod.restarts))
                .collect(),
            available_since: world.all_available()?,
            active_since: world.hpa()?.active()?,
        })
    }
}

fn good(client: &Client, path: &str) -> Result<(), Failure> {
    let answer = client.get(path)?;
    ensure!(
        answer.status == 200 && (path == "/readyz" || answer.text.contains(REQUESTS_METRIC)),
        "{answer}"
    );
    Ok(())
}

/// Tries to write. Says how it was refused, if it was.
fn write(cluster: &Cluster) -> Result<Result<(), String>, Failure> {
    let world = World::enter(cluster)?;
    let name = "e2e-without-etcd";
    let path = format!("/api/v1/namespaces/{ADAPTER}/configmaps");
    let written = world.create(&path, &json!({ "metadata": { "name": name } }));
    if written.is_ok() {
        world.delete(&format!("{path}/{name}"))?;
    }
    Ok(written.map(drop).map_err(|failure| failure.to_string()))
}

fn label(world: &World, pod: &Pod, value: &Value) -> Result<(), Failure> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}", pod.name);
    world.merge(
        &path,
        &json!({ "metadata": { "labels": { LABEL: value } } }),
    )
}

/// Lets the user read one metric.
fn allow(world: &World) -> Result<(), Failure> {
    world.create(
        &rbac("roles"),
        &json!({
            "metadata": { "name": READER },
            "rules": [{
                "apiGroups": ["custom.metrics.k8s.io"],
                "resources": [format!("pods/{REQUESTS_METRIC}")],
                "verbs": ["get"],
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
                "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER.1,
            }],
        }),
    )?;
    Ok(())
}

fn forbid(world: &World) -> Result<(), Failure> {
    for kind in ["rolebindings", "roles"] {
        world.delete(&format!("{}/{READER}", rbac(kind)))?;
    }
    Ok(())
}

fn rbac(kind: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}")
}
