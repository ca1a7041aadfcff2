//! Everything that people do to a running adapter, in turn, while the HPA and two more readers poll:
//! `kubectl rollout restart`, `helm upgrade` with another flag, `kubectl drain`. No read may fail.

use std::thread;

use super::{
    Failure, Outcome, ensure,
    poller::under_polling,
    rollout::{Watch, replaced, some_reads, uids},
    settings,
    world::{ADAPTER, AUTOSCALER, PODS, World, condition, items, text},
};
use crate::{
    layout::NODE_NAME,
    progress::now,
    stack::{Release, Stack},
};

/// The adapter's pods, and nobody else's.
const SELECTOR: &str = "app=metrics-adapter";

/// What `kubectl drain` says when a PodDisruptionBudget holds an eviction up.
const HELD_UP: &str = "violate the pod's disruption budget";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let watch = Watch::begin(world)?;
    let (seconds, counts) = under_polling(world, |tally| {
        let mut seconds = Vec::new();
        for step in [restart, upgrade, drain] {
            let begun = now();
            some_reads(world, tally)?;
            step(world)?;
            world.wait_poll()?;
            some_reads(world, tally)?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        Ok(seconds)
    })?;
    watch.end(world)?;
    let seconds: Vec<String> = seconds.iter().map(|it| format!("{it:.0}")).collect();
    Ok(vec![format!(
        "{} reads in {} s of restart, upgrade and drain, none failed, slowest {:.0} ms",
        counts.good,
        seconds.join(", "),
        counts.slowest.as_secs_f64() * 1e3
    )])
}

fn restart(world: &World) -> Result<(), Failure> {
    let old = uids(world)?;
    let deployment = format!("deployment/{}", Release::MetricsAdapter.deployment());
    world.kubectl(&["rollout", "restart", &deployment, "-n", ADAPTER])?;
    replaced(world, &old)
}

/// One more word in the log, and back again, also after a failure: what follows wants the adapter
/// as it was.
fn upgrade(world: &World) -> Result<(), Failure> {
    let stack = Stack::on(&world.cluster);
    let mut wordy = settings();
    wordy
        .set
        .push((Release::MetricsAdapter, "logLevel=5".to_owned()));
    all([wordy, settings()], |settings| {
        let old = uids(world)?;
        stack.upgrade(Release::MetricsAdapter, &settings)?;
        replaced(world, &old)
    })
}

/// Does it with every one, whatever came of the others; fails as the first that failed.
fn all<T>(
    every: impl IntoIterator<Item = T>,
    mut run: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for one in every {
        let done = run(one);
        outcome = outcome.and(done);
    }
    outcome
}

/// The only node is drained of the adapter. One pod goes, and its replacement finds no node; the
/// other one stays, because the budget says so, until the node takes pods again.
fn drain(world: &World) -> Result<(), Failure> {
    let outcome = thread::scope(|scope| {
        let selector = format!("--pod-selector={SELECTOR}");
        let cluster = &world.cluster;
        let draining =
            scope.spawn(move || cluster.kubectl(["drain", NODE_NAME, &selector, "--timeout=120s"]));
        let outcome = drained(world);
        // Also when it failed: nothing could start any more, and the drain would go on.
        let uncordoned = world.kubectl(&["uncordon", NODE_NAME]);
        let said = draining
            .join()
            .map_err(|_| Failure::new("the drain panicked"))??
            .checked()?;
        let old = outcome?;
        uncordoned?;
        ensure!(
            said.stderr.contains(HELD_UP),
            "the budget held nothing up: {}",
            said.stderr
        );
        Ok(old)
    });
    replaced(world, &outcome?)
}

/// Waits until the drain can go no further, and checks where it stands. Gives the pods of before.
fn drained(world: &World) -> Result<Vec<String>, Failure> {
    let before = world.adapters()?;
    ensure!(
        before.len() == 2 && before.iter().all(|pod| pod.ready),
        "not two adapters: {before:?}"
    );
    let old: Vec<String> = before.into_iter().map(|pod| pod.uid).collect();
    let budget = world.wait("a replacement that finds no node", PODS, || {
        let waiting = unscheduled(world)?;
        let pods = world.adapters()?;
        let (kept, others): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| old.contains(&pod.uid));
        ensure!(
            matches!(kept[..], [pod] if pod.ready && !pod.terminating)
                && matches!(others[..], [pod] if waiting == [pod.uid.as_str()]),
            "{pods:?}"
        );
        let path = format!("/apis/policy/v1/namespaces/{ADAPTER}/poddisruptionbudgets/{ADAPTER}");
        Ok(world.get(&path)?["status"].clone())
    })?;
    ensure!(
        budget["disruptionsAllowed"] == 0 && budget["currentHealthy"] == 1,
        "{budget}"
    );
    // One pod alone answers everybody meanwhile, for at least one look of the HPA.
    let polls = world.polls()?;
    world.wait("a look of the HPA", AUTOSCALER, || {
        let now = world.polls()?;
        ensure!(now.good >= polls.good + 2, "{polls:?}, now {now:?}");
        Ok(())
    })?;
    Ok(old)
}

/// The adapter's pods that the scheduler has no node for.
fn unscheduled(world: &World) -> Result<Vec<String>, Failure> {
    let selector = SELECTOR.replace('=', "%3D");
    let list = world.get(&format!(
        "/api/v1/namespaces/{ADAPTER}/pods?labelSelector={selector}"
    ))?;
    Ok(items(&list)
        .iter()
        .filter(|pod| condition(pod, "PodScheduled")["reason"] == "Unschedulable")
        .map(|pod| text(&pod["metadata"]["uid"]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_nobody_from_its_turn() {
        let mut done = Vec::new();
        let outcome = all([1, 2, 3], |it| {
            done.push(it);
            ensure!(it == 3, "{it} failed");
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().to_string(), "1 failed");
        assert_eq!(done, [1, 2, 3]);
        assert!(all([3], |_: u8| Ok(())).is_ok());
    }
}
