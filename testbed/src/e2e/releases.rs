//! The charts as releases: their own tests, an upgrade from the previous version while the HPA reads,
//! and the two commands of the original task, word for word.

use super::{
    Failure, Outcome, ensure,
    poller::under_polling,
    rollout::{Watch, replaced, some_reads, uids},
    settings,
    world::{AUTOSCALER, World, items},
};
use crate::{
    command::Output,
    images,
    stack::{Release, Stack},
};

/// For one chart's tests; a pod of them has as long.
const TIMEOUT: &str = "--timeout=120s";

/// How `loadclient grpc --fail-on-error` ends when a request failed.
const NOT_HELD: u64 = 3;

/// kube-apiserver asks any replica: of two, so many reads miss one once in a million times.
const READS_OF_ALL: usize = 20;

/// A namespace for the commands as they are written, which name none.
const AS_WRITTEN: &str = "as-written";

/// `helm test` of every chart.
pub(super) fn tests(world: &World) -> Outcome {
    images::images(&[images::KUBECTL.to_owned()])?;
    let mut remarks = Vec::new();
    for release in Release::ALL {
        let passed = tested(world, release.name(), release.namespace())?;
        remarks.push(format!("{}: {passed} passed", release.name()));
    }
    fails_astray(world)?;
    remarks.push("client, where nobody listens: exit code 3, as it has to be".to_owned());
    Ok(remarks)
}

/// Runs a release's tests, which must pass; how many there are.
fn tested(world: &World, name: &str, namespace: &str) -> Result<usize, Failure> {
    let args = ["test", name, "--namespace", namespace, TIMEOUT];
    let done = world.cluster.helm(args).and_then(Output::checked)?;
    let passed = done.stdout.matches("Succeeded").count();
    ensure!(passed > 0, "no test of {name}: {}", done.stdout);
    Ok(passed)
}

/// The client's test, told to go where nobody listens: one that always passes would tell nothing, and
/// one that fails for any other reason as little.
fn fails_astray(world: &World) -> Result<(), Failure> {
    let stack = Stack::on(&world.cluster);
    let mut astray = settings();
    let address = "envvar.address.value=server-headless:9".to_owned();
    astray.set.push((Release::Client, address));
    stack.upgrade(Release::Client, &astray)?;
    let (name, namespace) = (Release::Client.name(), Release::Client.namespace());
    let done = world
        .cluster
        .helm(["test", name, "--namespace", namespace, TIMEOUT]);
    stack.upgrade(Release::Client, &settings())?;
    let pod = format!("{}-test", Release::Client.deployment());
    let ended = exit_code(world, namespace, &pod);
    world.kubectl(&["delete", "pod", &pod, "-n", namespace, "--ignore-not-found"])?;
    let done = done?;
    ensure!(!done.success, "passed: {}", done.stdout);
    let code = ended?;
    ensure!(code == Some(NOT_HELD), "ended with {code:?}");
    Ok(())
}

/// How a pod's only container has ended; `None` when it has not.
fn exit_code(world: &World, namespace: &str, pod: &str) -> Result<Option<u64>, Failure> {
    let pod = world.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"))?;
    let state = &pod["status"]["containerStatuses"][0]["state"];
    Ok(state["terminated"]["exitCode"].as_u64())
}

/// Every release goes back to its chart's previous version and from there to this one; of the
/// adapter no read may fail meanwhile.
pub(super) fn upgrade(world: &World) -> Outcome {
    let stack = Stack::on(&world.cluster);
    // Prometheus is one pod; while a new one starts there is nothing to read.
    for release in [Release::Monitoring, Release::Server, Release::Client] {
        let outcome = stack.downgrade(release, &settings());
        let down = outcome
            .map_err(Failure::from)
            .and_then(|()| world.wait_rolled_out(release));
        // Also when that failed: what follows wants the release as it was.
        stack.upgrade(release, &settings())?;
        world.wait_rolled_out(release)?;
        down?;
    }
    // Of every replica: one may have listed the series before the new Prometheus had them.
    world.wait("values of the server", AUTOSCALER, || {
        for _ in 0..READS_OF_ALL {
            let answer = world.values()?;
            ensure!(!items(&answer.expect(200)?).is_empty(), "{answer}");
        }
        Ok(())
    })?;
    world.wait_poll()?;
    let watch = Watch::begin(world)?;
    // Pods that differ, so that one version's take over from the other's.
    let mut before = settings();
    let mark = "podAnnotations.e2e/version=previous".to_owned();
    before.set.push((Release::MetricsAdapter, mark));
    let outcome = under_polling(world, |tally| {
        let old = uids(world)?;
        stack.downgrade(Release::MetricsAdapter, &before)?;
        replaced(world, &old)?;
        some_reads(world, tally)?;
        let old = uids(world)?;
        stack.upgrade(Release::MetricsAdapter, &settings())?;
        replaced(world, &old)?;
        some_reads(world, tally)
    });
    stack.upgrade(Release::MetricsAdapter, &settings())?;
    world.wait_rolled_out(Release::MetricsAdapter)?;
    let ((), counts) = outcome?;
    watch.end(world)?;
    Ok(vec![format!(
        "{} reads while the adapter was upgraded from its previous version, none failed, slowest {:.0} ms",
        counts.good,
        counts.slowest.as_secs_f64() * 1e3
    )])
}

/// `helm install client helm/client` and `helm install server helm/server`, in the order of the
/// task, with nothing but the namespace added. The client finds the server that comes after it.
pub(super) fn as_written(world: &World) -> Outcome {
    let helm = world.cluster.layout().workspace().join("helm");
    let install = |name: &str| -> Result<(), Failure> {
        let chart = helm.join(name).display().to_string();
        let args = ["install", name, &chart, "--namespace", AS_WRITTEN];
        let args = args.into_iter().chain(["--create-namespace"]);
        world.cluster.helm(args).and_then(Output::checked)?;
        Ok(())
    };
    let outcome = ["client", "server"]
        .into_iter()
        .try_for_each(install)
        .and_then(|()| served(world));
    world.delete(&format!("/api/v1/namespaces/{AS_WRITTEN}"))?;
    world.wait("that namespace to go", AUTOSCALER, || {
        let answer = world
            .admin()
            .get(&format!("/api/v1/namespaces/{AS_WRITTEN}"))?;
        ensure!(answer.status == 404, "{answer}");
        Ok(())
    })?;
    outcome
}

/// Waits until both run, and has both tell by their own tests that requests are answered.
fn served(world: &World) -> Outcome {
    let mut remarks = Vec::new();
    for name in ["client", "server"] {
        let deployment = format!("deployment/{name}-{AS_WRITTEN}");
        world.kubectl(&["rollout", "status", &deployment, "-n", AS_WRITTEN, TIMEOUT])?;
        tested(world, name, AS_WRITTEN)?;
        remarks.push(format!(
            "helm install {name} helm/{name}: installed, tested"
        ));
    }
    Ok(remarks)
}
