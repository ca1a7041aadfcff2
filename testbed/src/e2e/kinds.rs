//! Every kind of metric that an HPA knows besides Pods: Object (a Service), Object (a Namespace),
//! External, to zero and from zero, and Resource. One HPA each, all at the same time, because each
//! looks every 15 s only.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Failure, Outcome, ensure, idle,
    signal::{Signal, tell},
    world::{AUTOSCALER, World, condition},
};
use crate::progress::now;

const NAMESPACE: &str = "e2e-kinds";
/// Deployments, and HPAs of the same name.
const SERVICE: &str = "service";
const SPACE: &str = "namespace";
const QUEUE: &str = "queue";
const CPU: &str = "cpu";

/// CPU counts for a pod only when the whole window of its sample lies after it got ready.
const CPU_KNOWN: Duration = Duration::from_secs(180);

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    idle::namespace(world, NAMESPACE)?;
    let outcome = check(world);
    idle::forget(world, NAMESPACE)?;
    outcome
}

fn check(world: &World) -> Outcome {
    values(world, [0.0, 0.0, 0.0])?;
    install(world)?;
    let begun = now();
    let mut remarks = vec![format!("to zero {}", scaled(world, [1, 1, 0])?)];
    // Older ones have no such condition, and go on from zero all the same.
    if world.cluster.layout().kubernetes().number() >= 36 {
        let zero = condition(&hpa(world, QUEUE)?, "ScaledToZero");
        ensure!(zero["status"] == "True", "ScaledToZero: {zero}");
    }

    // Targets are 10 per pod.
    values(world, [30.0, 20.0, 25.0])?;
    let up = scaled(world, [3, 2, 3])?;
    for name in [SERVICE, SPACE, QUEUE] {
        let active = condition(&hpa(world, name)?, "ScalingActive");
        ensure!(active["status"] == "True", "{name}: {active}");
    }
    remarks.push(format!("from 1, 1, 0 to 3, 2, 3 {up}"));

    values(world, [0.0, 0.0, 0.0])?;
    remarks.push(format!("and back {}", scaled(world, [1, 1, 0])?));

    world.wait("one pod for idle CPU", CPU_KNOWN, || {
        ensure!(replicas(world, CPU)? == 1, "{}", hpa(world, CPU)?["status"]);
        Ok(())
    })?;
    let metric = &hpa(world, CPU)?["status"]["currentMetrics"][0];
    ensure!(
        metric["type"] == "Resource" && metric["resource"]["current"]["averageValue"].is_string(),
        "{metric}"
    );
    remarks.push(format!(
        "2 to 1 by CPU within {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(remarks)
}

/// Of the Service, of the namespace, of the queue.
fn values(world: &World, values: [f64; 3]) -> Result<(), Failure> {
    let namespace = ("namespace", NAMESPACE);
    tell(
        world,
        &[
            Signal {
                name: "e2e_service_backlog",
                labels: &[namespace, ("service", SERVICE)],
                value: values[0],
            },
            Signal {
                name: "e2e_namespace_backlog",
                labels: &[namespace],
                value: values[1],
            },
            Signal {
                name: "e2e_queue_length",
                labels: &[namespace, ("queue", "orders")],
                value: values[2],
            },
            // Not selected by the HPA.
            Signal {
                name: "e2e_queue_length",
                labels: &[namespace, ("queue", "others")],
                value: 1000.0,
            },
        ],
    )
}

fn install(world: &World) -> Result<(), Failure> {
    let target = json!({ "type": "AverageValue", "averageValue": "10" });
    let object = |kind: &str, name: &str, metric: &str| {
        json!({
            "type": "Object",
            "object": {
                "describedObject": { "apiVersion": "v1", "kind": kind, "name": name },
                "metric": { "name": metric },
                "target": target,
            },
        })
    };
    let queue = json!({
        "type": "External",
        "external": {
            "metric": {
                "name": "e2e_queue_length",
                "selector": { "matchLabels": { "queue": "orders" } },
            },
            "target": target,
        },
    });
    let cpu = json!({
        "type": "Resource",
        "resource": {
            "name": "cpu", "target": { "type": "AverageValue", "averageValue": "500m" },
        },
    });
    let apps = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    let core = format!("/api/v1/namespaces/{NAMESPACE}/services");
    world.create(&core, &idle::service(SERVICE))?;
    for (name, replicas, least, metric) in [
        (
            SERVICE,
            1,
            1,
            object("Service", SERVICE, "e2e_service_backlog"),
        ),
        (
            SPACE,
            1,
            1,
            object("Namespace", NAMESPACE, "e2e_namespace_backlog"),
        ),
        (QUEUE, 1, 0, queue),
        (CPU, 2, 1, cpu),
    ] {
        world.create(&apps, &idle::deployment(name, replicas))?;
        world.create(&autoscalers(), &autoscaler(name, least, &metric))?;
    }
    Ok(())
}

fn autoscaler(name: &str, least: u32, metric: &Value) -> Value {
    let at_once = json!({ "stabilizationWindowSeconds": 0 });
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": name },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
            "minReplicas": least,
            "maxReplicas": 4,
            "behavior": { "scaleUp": at_once, "scaleDown": at_once },
            "metrics": [metric],
        },
    })
}

/// Waits until Service, namespace and queue have so many ready pods; how long that took.
fn scaled(world: &World, wanted: [u64; 3]) -> Result<String, Failure> {
    let begun = now();
    world.wait(&format!("{wanted:?} pods"), AUTOSCALER, || {
        let mut seen = [0; 3];
        for (seen, name) in seen.iter_mut().zip([SERVICE, SPACE, QUEUE]) {
            *seen = replicas(world, name)?;
        }
        if seen == wanted {
            return Ok(());
        }
        let mut why = format!("{seen:?}");
        for name in [SERVICE, SPACE, QUEUE] {
            let active = condition(&hpa(world, name)?, "ScalingActive");
            why.push_str(&format!("; {name}: {}", active["message"]));
        }
        Err(Failure::new(why))
    })?;
    Ok(format!("in {:.0} s", begun.elapsed().as_secs_f64()))
}

/// Pods of a Deployment, all of them ready; until they are, an error.
fn replicas(world: &World, name: &str) -> Result<u64, Failure> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    let deployment = world.get(&path)?;
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let wanted = count(&deployment["spec"]["replicas"]);
    let status = &deployment["status"];
    ensure!(
        count(&status["replicas"]) == wanted && count(&status["readyReplicas"]) == wanted,
        "{name}: {wanted} wanted: {status}"
    );
    Ok(wanted)
}

fn autoscalers() -> String {
    format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers")
}

fn hpa(world: &World, name: &str) -> Result<Value, Failure> {
    world.get(&format!("{}/{name}", autoscalers()))
}
