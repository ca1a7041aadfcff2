//! A kind that comes after the adapter's start: a CRD whose objects have metrics.

use serde_json::json;

use super::{
    Failure, Outcome, ensure,
    signal::{Signal, tell},
    world::{AUTOSCALER, PODS, Pod, World, condition, items},
};
use crate::{progress::now, stack::NAMESPACE};

const GROUP: &str = "e2e.example.com";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const METRIC: &str = "e2e_widget_size";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let definition = format!("{DEFINITIONS}/widgets.{GROUP}");
    world.delete(&definition)?;
    world.wait("the end of the earlier definition", PODS, || {
        let answer = world.admin().get(&definition)?;
        ensure!(answer.status == 404, "{answer}");
        Ok(())
    })?;
    let outcome = check(world, &definition);
    world.delete(&definition)?;
    outcome
}

fn check(world: &World, definition: &str) -> Outcome {
    let before = world.adapters()?;
    let value = |name: &'static str| [("namespace", NAMESPACE), ("widget", name)];
    tell(
        world,
        &[
            Signal {
                name: METRIC,
                labels: &value("one"),
                value: 7.0,
            },
            Signal {
                name: METRIC,
                labels: &value("two"),
                value: 8.5,
            },
        ],
    )?;
    world.create(DEFINITIONS, &crd())?;
    world.wait("the new kind", PODS, || {
        let established = condition(&world.get(definition)?, "Established");
        ensure!(established["status"] == "True", "{established}");
        Ok(())
    })?;
    let widgets = format!("/apis/{GROUP}/v1/namespaces/{NAMESPACE}/widgets");
    for name in ["one", "two"] {
        let widget = json!({
            "apiVersion": format!("{GROUP}/v1"),
            "kind": "Widget",
            "metadata": { "name": name, "labels": { "size": name } },
        });
        world.wait("a widget", PODS, || world.create(&widgets, &widget))?;
    }
    let begun = now();
    let all = format!(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/widgets.{GROUP}/*/{METRIC}"
    );
    // Each read may come to another pod of the adapter's.
    world.wait("metrics of widgets", AUTOSCALER, || {
        let list = world.get(&all)?;
        ensure!(items(&list).len() == 2, "{list}");
        Ok(())
    })?;
    for path in [
        all.replace('*', "two"),
        format!("{all}?labelSelector=size%3Dtwo"),
    ] {
        world.wait("metrics of one widget", AUTOSCALER, || second(world, &path))?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let uids = |pods: &[Pod]| -> Vec<(String, u64)> {
        let mut uids: Vec<_> = pods
            .iter()
            .map(|pod| (pod.uid.clone(), pod.restarts))
            .collect();
        uids.sort();
        uids
    };
    let after = world.adapters()?;
    ensure!(uids(&before) == uids(&after), "the adapter has restarted");
    Ok(vec![format!(
        "served {seconds:.0} s after the first object"
    )])
}

/// Fails unless there is the second widget and nothing else.
fn second(world: &World, path: &str) -> Result<(), Failure> {
    let list = world.get(path)?;
    let [item] = items(&list) else {
        return Err(Failure::new(format!("{path}: not one item: {list}")));
    };
    ensure!(
        item["value"] == "8500m"
            && item["describedObject"]["kind"] == "Widget"
            && item["describedObject"]["apiVersion"] == format!("{GROUP}/v1"),
        "{path}: {item}"
    );
    Ok(())
}

fn crd() -> serde_json::Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{GROUP}") },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    })
}
