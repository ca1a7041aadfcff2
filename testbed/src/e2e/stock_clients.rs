//! The stock Go clients read every form of a metric, in JSON and in protobuf.

use super::{
    Failure, Outcome, ensure, idle,
    signal::{Signal, tell},
    world::{AUTOSCALER, World, items},
};
use crate::{command, layout::NODE_NAME};

/// A namespace, a Service and the label of two pods.
const NAMESPACE: &str = "e2e-clients";

const POD_METRIC: &str = "e2e_pod_size";
const NODE_METRIC: &str = "e2e_node_size";
const SERVICE_METRIC: &str = "e2e_service_backlog";
const NAMESPACE_METRIC: &str = "e2e_namespace_backlog";
const EXTERNAL_METRIC: &str = "e2e_queue_length";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    idle::namespace(world, NAMESPACE)?;
    let outcome = check(world);
    idle::forget(world, NAMESPACE)?;
    outcome
}

fn check(world: &World) -> Outcome {
    let apps = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    world.create(&apps, &idle::deployment(NAMESPACE, 2))?;
    let services = format!("/api/v1/namespaces/{NAMESPACE}/services");
    world.create(&services, &idle::service(NAMESPACE))?;
    let selector = format!("app={NAMESPACE}");
    let pods = world.wait("two pods", AUTOSCALER, || {
        let pods = world.pods(NAMESPACE, &selector)?;
        ensure!(
            pods.len() == 2 && pods.iter().all(|pod| pod.ready),
            "{pods:?}"
        );
        Ok(pods)
    })?;
    values(world, [&pods[0].name, &pods[1].name])?;
    wait_served(world)?;
    read(world, &selector)
}

fn values(world: &World, pods: [&str; 2]) -> Result<(), Failure> {
    let (namespace, case) = (("namespace", NAMESPACE), ("case", "clients"));
    let signal = |name, labels, value| Signal {
        name,
        labels,
        value,
    };
    tell(
        world,
        &[
            signal(POD_METRIC, &[namespace, case, ("pod", pods[0])], 1.5),
            signal(POD_METRIC, &[namespace, case, ("pod", pods[1])], 0.000_9),
            signal(NODE_METRIC, &[namespace, ("node", NODE_NAME)], 4_200.0),
            signal(SERVICE_METRIC, &[namespace, ("service", NAMESPACE)], -3.0),
            signal(NAMESPACE_METRIC, &[namespace], 1e6),
            signal(EXTERNAL_METRIC, &[namespace, case, ("queue", "a")], 6.25),
            signal(EXTERNAL_METRIC, &[namespace, ("case", "other")], 7.0),
        ],
    )
}

/// New names are listed with the next relist, and usage takes two scrapes.
fn wait_served(world: &World) -> Result<(), Failure> {
    let custom = "/apis/custom.metrics.k8s.io/v1beta2";
    let inside = format!("{custom}/namespaces/{NAMESPACE}");
    for (path, count) in [
        (format!("{inside}/pods/*/{POD_METRIC}"), 2),
        (format!("{custom}/nodes/*/{NODE_METRIC}"), 1),
        (format!("{inside}/services/*/{SERVICE_METRIC}"), 1),
        (format!("{inside}/metrics/{NAMESPACE_METRIC}"), 1),
        (
            format!(
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{EXTERNAL_METRIC}"
            ),
            2,
        ),
        (
            format!("/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"),
            2,
        ),
    ] {
        world.wait("metrics for the clients", AUTOSCALER, || {
            let list = world.get(&path)?;
            ensure!(items(&list).len() == count, "{path}: {list}");
            Ok(())
        })?;
    }
    Ok(())
}

fn read(world: &World, selector: &str) -> Outcome {
    let layout = world.cluster.layout();
    let mut program = world.cluster.command(layout.bin().join("clients"));
    program
        .arg("--kubeconfig")
        .arg(layout.kubeconfig())
        .args(["--namespace", NAMESPACE, "--node", NODE_NAME])
        .args(["--pods", selector, "--service", NAMESPACE])
        .args(["--pod-metric", POD_METRIC, "--node-metric", NODE_METRIC])
        .args(["--service-metric", SERVICE_METRIC])
        .args(["--namespace-metric", NAMESPACE_METRIC])
        .args(["--external-metric", EXTERNAL_METRIC]);
    let done = command::capture(&mut program)?;
    let checks = done.stdout.lines().filter(|line| line.starts_with("ok "));
    let checks = checks.count();
    ensure!(
        done.success,
        "after {checks} good checks:\n{}{}",
        done.stdout,
        done.stderr
    );
    Ok(vec![format!("{checks} checks in JSON and protobuf")])
}
