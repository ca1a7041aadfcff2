//! etcd halts and goes on. kube-apiserver can write nothing meanwhile; whoever only reads metrics
//! must not notice.

use std::{thread, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Failure, Outcome, ensure,
    wire::{Answer, Caller, Client, TIMED_OUT},
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

/// What is written without etcd, which nobody should ever find.
const WRITTEN: &str = "e2e-without-etcd";

/// A write that waits for etcd takes longer; one that is refused for another reason, such as a name
/// that exists, takes milliseconds.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A label that no pod has until this test sets it.
const LABEL: &str = "e2e-seen-after-etcd";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    tidy(world)?;
    let outcome = allow(world).and_then(|()| halted(world));
    // Also when it was refused: etcd may carry out a write that nobody waits for any more.
    let tidied = tidy(world);
    let remarks = outcome?;
    tidied?;
    Ok(remarks)
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
        let writing = scope.spawn(move || Attempt::write(cluster));
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
    let Attempt { answer, took } = write?;
    let refusal = refusal(answer, took)?;

    let servers = world.servers()?;
    let [server] = servers.as_slice() else {
        return Err(Failure::new(format!("not one server: {servers:?}")));
    };
    let path = metric_path(REQUESTS_METRIC).replace("app%3Dserver", &format!("{LABEL}%3Dyes"));
    let seen = label(world, server, &json!("yes")).and_then(|()| {
        world.wait("a new label in the adapter's index", RECOVERY, || {
            let list = world.admin().get(&path)?.expect(200)?;
            ensure!(items(&list).len() == 1, "{list}");
            Ok(())
        })
    });
    let recovered = back.elapsed();
    // Whatever came of it: the next run must not see the label at once.
    let removed = label(world, server, &Value::Null);
    seen?;
    removed?;
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

/// An attempt to write.
struct Attempt {
    answer: Result<Answer, Failure>,
    took: Duration,
}

impl Attempt {
    fn write(cluster: &Cluster) -> Result<Self, Failure> {
        let world = World::enter(cluster)?;
        let object = json!({ "metadata": { "name": WRITTEN } });
        let begun = now();
        let admin = world.admin();
        let answer = admin.write(Method::POST, &config_maps(), "application/json", &object);
        let took = begun.elapsed();
        Ok(Self { answer, took })
    }
}

/// How a write was refused for want of etcd: nobody answered in time, or kube-apiserver gave up
/// waiting. Any other outcome is a failure.
fn refusal(answer: Result<Answer, Failure>, took: Duration) -> Result<String, Failure> {
    let refusal = match answer {
        Err(failure) => {
            let text = failure.to_string();
            ensure!(text.contains(TIMED_OUT), "no timeout: {text}");
            TIMED_OUT.to_owned()
        }
        Ok(answer) => {
            let late = matches!(answer.status, 500 | 504);
            ensure!(late, "a write without etcd: {answer}");
            answer.status.to_string()
        }
    };
    ensure!(took > AT_ONCE, "{refusal} after {took:?} already");
    Ok(format!("{refusal} after {:.0} s", took.as_secs_f64()))
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

/// Removes all that this scenario makes.
fn tidy(world: &World) -> Result<(), Failure> {
    for kind in ["rolebindings", "roles"] {
        world.delete(&format!("{}/{READER}", rbac(kind)))?;
    }
    world.delete(&format!("{}/{WRITTEN}", config_maps()))
}

fn config_maps() -> String {
    format!("/api/v1/namespaces/{ADAPTER}/configmaps")
}

fn rbac(kind: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_answer(status: u16) -> Result<Answer, Failure> {
        Ok(Answer {
            path: config_maps(),
            status,
            text: String::new(),
            elapsed: Duration::ZERO,
        })
    }

    #[test]
    fn only_waiting_in_vain_is_a_refusal() {
        let (at_once, late) = (Duration::from_millis(40), Duration::from_secs(15));
        let timeout = || Err(Failure::new(format!("https://x/y: {TIMED_OUT}")));
        let text = refusal(timeout(), late).unwrap();
        assert_eq!(text, format!("{TIMED_OUT} after 15 s"));
        assert_eq!(refusal(mk_answer(504), late).unwrap(), "504 after 15 s");
        assert!(refusal(mk_answer(500), late).is_ok());

        assert!(refusal(timeout(), at_once).is_err());
        assert!(refusal(mk_answer(500), at_once).is_err());
        for status in [201, 403, 409, 503] {
            assert!(refusal(mk_answer(status), late).is_err(), "{status}");
        }
        let refused = Failure::new("https://x/y: tcp connect error: Connection refused");
        assert!(refusal(Err(refused), late).is_err());
    }
}
