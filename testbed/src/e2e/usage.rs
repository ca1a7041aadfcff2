//! metrics.k8s.io in metrics-server's place: `kubectl top`, tables, and who may read.

use serde_json::json;

use super::{
    Failure, Outcome,
    access::token,
    ensure, idle,
    wire::Caller,
    world::{ADAPTER, PODS, World, items},
};
use crate::{layout::NODE_NAME, stack::Release};

const NAMESPACE: &str = "e2e-usage";
const VIEWER: &str = "viewer";
const NOBODY: &str = "nobody";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let node = world.wait("a node in kubectl top", PODS, || top_node(world))?;
    let pods = world.wait("every pod in kubectl top", PODS, || top_pods(world))?;
    containers(world)?;
    table(world)?;
    idle::namespace(world, NAMESPACE)?;
    let outcome = readers(world);
    idle::forget(world, NAMESPACE)?;
    outcome?;
    Ok(vec![format!("{pods} pods; {node}")])
}

/// `node0  341m  17%  2911Mi  37%`.
fn top_node(world: &World) -> Result<String, Failure> {
    let shown = world.kubectl(&["top", "nodes", "--no-headers"])?;
    let fields: Vec<&str> = shown.split_whitespace().collect();
    let [name, cpu, cpu_share, memory, memory_share] = fields.as_slice() else {
        return Err(Failure::new(format!("not one node: {shown}")));
    };
    ensure!(
        *name == NODE_NAME
            && cpu.ends_with('m')
            && *cpu != "0m"
            && memory.ends_with("Mi")
            && *memory != "0Mi"
            && [cpu_share, memory_share]
                .iter()
                .all(|share| share.ends_with('%')),
        "{shown}"
    );
    Ok(fields.join(" "))
}

/// Every pod of the stack has a line; small ones use less than 1 MiB.
fn top_pods(world: &World) -> Result<usize, Failure> {
    let shown = world.kubectl(&["top", "pods", "--all-namespaces", "--no-headers"])?;
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for release in Release::ALL {
        let instance = format!("app.kubernetes.io/instance={}", release.name());
        for pod in world.pods(release.namespace(), &instance)? {
            let found = lines
                .iter()
                .find(|line| line[..2] == [release.namespace(), &pod.name]);
            let memory = found.and_then(|line| line.get(3));
            ensure!(
                memory.is_some_and(|memory| memory.ends_with("Mi")),
                "{} in:\n{shown}",
                pod.name
            );
        }
    }
    Ok(lines.len())
}

fn containers(world: &World) -> Result<(), Failure> {
    let shown = world.kubectl(&["top", "pods", "--containers", "--namespace", ADAPTER])?;
    let of_adapter = |line: &&str| line.split_whitespace().nth(1) == Some("metrics-adapter");
    let pods = world.adapters()?.len();
    ensure!(shown.lines().filter(of_adapter).count() == pods, "{shown}");
    Ok(())
}

/// What `kubectl get` shows comes from the adapter as a Table.
fn table(world: &World) -> Result<(), Failure> {
    let shown = world.kubectl(&["get", "pods.metrics.k8s.io", "--namespace", ADAPTER])?;
    let headings: Vec<&str> = shown
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    ensure!(headings == ["NAME", "CPU", "MEMORY", "WINDOW"], "{shown}");
    Ok(())
}

/// Who may view pods sees their usage, others do not: the chart's aggregated role.
fn readers(world: &World) -> Result<(), Failure> {
    let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
    for account in [VIEWER, NOBODY] {
        world.create(&accounts, &json!({ "metadata": { "name": account } }))?;
    }
    world.create(
        &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings"),
        &json!({
            "metadata": { "name": VIEWER },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view",
            },
            "subjects": [{
                "kind": "ServiceAccount", "name": VIEWER, "namespace": NAMESPACE,
            }],
        }),
    )?;
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods");
    let viewer = world.apiserver(&Caller::token(&token(world, NAMESPACE, VIEWER)?))?;
    let list = world.wait("the viewer's role to count", PODS, || {
        viewer.get(&path)?.expect(200)
    })?;
    ensure!(items(&list).is_empty(), "there are no pods: {list}");
    let everywhere = "/apis/metrics.k8s.io/v1beta1/pods";
    viewer.get(everywhere)?.refusal(403, "Forbidden")?;
    let nobody = world.apiserver(&Caller::token(&token(world, NAMESPACE, NOBODY)?))?;
    nobody.get(&path)?.refusal(403, "Forbidden")?;
    Ok(())
}
