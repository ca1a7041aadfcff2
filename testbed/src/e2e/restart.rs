//! Processes that go without a word: kube-apiserver, and the adapter's own.

use std::time::Duration;

use serde_json::json;

use super::{
    Failure, Outcome,
    container::Process,
    ensure,
    world::{PODS, Pod, World, items, metric_path},
};
use crate::{
    cluster::Component,
    progress::now,
    stack::{NAMESPACE, REQUESTS_METRIC, Release},
};

/// How long values may be away after everything that serves them was killed.
const RECOVERY: Duration = Duration::from_secs(60);

/// A label that no pod has until this test sets it.
const LABEL: &str = "e2e-seen-after-restart";

/// kube-apiserver restarts: every watch of the adapter breaks.
pub(super) fn apiserver(world: &World) -> Outcome {
    let before = identities(&world.adapters()?);
    let begun = now();
    world.cluster.restart(Component::Apiserver)?;
    let answering = begun.elapsed();
    world.wait("values after the restart", RECOVERY, || {
        world.values()?.expect(200)
    })?;
    world.wait("the APIServices", RECOVERY, || world.all_available())?;
    let served = begun.elapsed();

    // What changes from now on reaches the adapter: its watches are alive again.
    let servers = world.servers()?;
    let [server] = servers.as_slice() else {
        return Err(Failure::new(format!("not one server: {servers:?}")));
    };
    let pod = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}", server.name);
    world.merge(&pod, &json!({ "metadata": { "labels": { LABEL: "yes" } } }))?;
    let path = metric_path(REQUESTS_METRIC).replace("app%3Dserver", &format!("{LABEL}%3Dyes"));
    world.wait("the new label in the adapter's index", RECOVERY, || {
        let list = world.admin().get(&path)?.expect(200)?;
        ensure!(items(&list).len() == 1, "{list}");
        Ok(())
    })?;
    world.merge(&pod, &json!({ "metadata": { "labels": { LABEL: null } } }))?;

    world.wait_poll()?;
    let after = identities(&world.adapters()?);
    ensure!(before == after, "before {before:?}, after {after:?}");
    Ok(vec![format!(
        "the API answered after {:.1} s, with metrics after {:.1} s",
        answering.as_secs_f64(),
        served.as_secs_f64()
    )])
}

/// Uid and restarts of each pod.
fn identities(pods: &[Pod]) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = pods
        .iter()
        .map(|pod| (pod.uid.clone(), pod.restarts))
        .collect();
    all.sort();
    all
}

/// Every adapter is killed at once, twice: its processes, and then its pods.
pub(super) fn adapter_killed(world: &World) -> Outcome {
    let pods = world.adapters()?;
    ensure!(!pods.is_empty(), "no adapter");
    let killed = now();
    for pod in &pods {
        for container in &pod.containers {
            for process in Process::of(container)? {
                process.kill()?;
            }
        }
    }
    recovered(world, |pod| {
        let earlier = pods.iter().find(|known| known.uid == pod.uid);
        earlier.is_some_and(|earlier| pod.restarts > earlier.restarts)
    })?;
    let processes = killed.elapsed();
    world.wait_poll()?;
    world.hpa()?.active()?;

    let pods = world.adapters()?;
    let deleted = now();
    let mut args = vec!["delete", "pod", "-n", Release::MetricsAdapter.namespace()];
    args.extend(["--force", "--grace-period=0"]);
    args.extend(pods.iter().map(|pod| pod.name.as_str()));
    world.kubectl(&args)?;
    recovered(world, |pod| pods.iter().all(|known| known.uid != pod.uid))?;
    let anew = deleted.elapsed();
    world.wait_poll()?;
    world.hpa()?.active()?;
    Ok(vec![format!(
        "recovered {:.1} s after SIGKILL, {:.1} s after the pods were deleted by force",
        processes.as_secs_f64(),
        anew.as_secs_f64()
    )])
}

/// Waits until only pods are there that fit, all ready, and the API serves values again.
fn recovered(world: &World, fits: impl Fn(&Pod) -> bool) -> Result<(), Failure> {
    world.wait("every adapter back", RECOVERY + PODS, || {
        let pods = world.adapters()?;
        ensure!(
            !pods.is_empty() && pods.iter().all(|pod| pod.ready && fits(pod)),
            "{pods:?}"
        );
        Ok(())
    })?;
    world.wait("values again", RECOVERY, || {
        let list = world.values()?.expect(200)?;
        ensure!(!items(&list).is_empty(), "{list}");
        world.all_available().map(drop)
    })
}
