//! `metrics-adapter explain hpa/server` against the stock controller: it must agree with the HPA's
//! status once that has settled.

use std::process::Command;

use serde_json::Value;

use super::{
    Failure, ensure,
    world::{ADAPTER, AUTOSCALER, World, text},
};
use crate::{
    command, images,
    stack::{HPA, NAMESPACE},
};

/// Waits until both agree: a value may move between two polls of the controller. Gives a remark.
pub(super) fn agrees(world: &World) -> Result<String, Failure> {
    world.wait("explain agreeing with the HPA", AUTOSCALER, || {
        let report = explain(world)?;
        // Where the HPA cannot be read there is no verdict, but a cause.
        let verdict = report["verdict"].get("message");
        let told = text(verdict.unwrap_or(&report["cause"]));
        ensure!(report["verdict"]["word"] == "agrees", "{told}");
        let usage =
            |metric: &Value| format!("{} {}", text(&metric["name"]), text(&metric["usage"]));
        let metrics = report["metrics"].as_array().into_iter().flatten();
        let metrics: Vec<String> = metrics.map(usage).collect();
        Ok(format!(
            "explain agrees with the HPA: {told}; {}",
            metrics.join(", ")
        ))
    })
}

/// Runs the program that the image has, in the cluster's network, which the calling thread is in.
fn explain(world: &World) -> Result<Value, Failure> {
    let layout = world.cluster.layout();
    let mut command = Command::new(images::program(layout, ADAPTER));
    command
        .args(["explain", &format!("hpa/{HPA}"), "--output=json"])
        .arg(format!("--namespace={NAMESPACE}"))
        .arg(format!("--kubeconfig={}", layout.kubeconfig().display()));
    let output = command::capture(&mut command)?;
    // It fails when it does not agree; what it printed tells why.
    serde_json::from_str(&output.stdout)
        .map_err(|_| Failure::new(format!("not a report: {} {}", output.stdout, output.stderr)))
}
