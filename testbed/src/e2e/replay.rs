//! `metrics-adapter simulate` over what has just happened: from Prometheus' history it must come to
//! the rescales that the stock controller made.

use std::{fs, process::Command};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Failure, ensure,
    hpa::{Rescale, rescales},
    world::{ADAPTER, World, text},
};
use crate::{
    command, images,
    layout::Layout,
    stack::{HPA, NAMESPACE},
};

/// kube-controller-manager's default.
const SYNC_PERIOD: SignedDuration = SignedDuration::from_secs(15);
/// Events have whole seconds, and are written after the sync began.
const EVENT_DELAY: SignedDuration = SignedDuration::from_secs(2);
/// Syncs before the first rescale: time at rest.
const BEFORE: i32 = 8;
/// Every pod that Prometheus knows, ready or not.
const PODS: &str = "count by (pod) (up{app=\"server\"})";

/// A number of replicas, and since when.
type Step = (i64, Timestamp);

/// Replays the time since `before`, when so many replicas were there. Gives a remark.
pub(super) fn agrees(world: &World, before: &[Rescale], replicas: u32) -> Result<String, Failure> {
    let made = made(&rescales(world)?, before)?;
    let Some((_, first)) = made.first() else {
        return Err(Failure::new("the controller has not rescaled"));
    };
    // The controller's own moments.
    let from = *first - SYNC_PERIOD * BEFORE;
    let report = simulate(world, from, replicas)?;
    let told = told(&report)?;
    let sizes = |steps: &[Step]| -> Vec<i64> { steps.iter().map(|(size, _)| *size).collect() };
    ensure!(
        sizes(&made) == sizes(&told),
        "the controller made {made:?}, simulate {told:?}"
    );
    let apart = made.iter().zip(&told).map(|((_, made), (_, told))| {
        let apart = made.duration_since(*told);
        apart.abs()
    });
    let most = apart.max().unwrap_or_default();
    ensure!(
        most <= SYNC_PERIOD + EVENT_DELAY,
        "{} s apart: the controller made {made:?}, simulate {told:?}",
        most.as_secs()
    );
    let sizes: Vec<String> = sizes(&made).iter().map(ToString::to_string).collect();
    Ok(format!(
        "simulate takes the controller's steps, {replicas} -> {}, at most {} s apart",
        sizes.join(" -> "),
        most.as_secs()
    ))
}

/// The steps that the controller has announced since `before`, in their order.
fn made(now: &[Rescale], before: &[Rescale]) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for event in now.iter().filter(|event| event.is_new_since(before)) {
        let size = size(&event.message);
        let at = event.last.parse().ok();
        let (Some(size), Some(at)) = (size, at) else {
            return Err(Failure::new(format!("not a rescale: {event:?}")));
        };
        steps.push((size, at));
    }
    steps.sort_by_key(|(_, at)| *at);
    Ok(steps)
}

/// The replicas of `New size: 3; reason: ...`.
fn size(message: &str) -> Option<i64> {
    let (size, _) = message.strip_prefix("New size: ")?.split_once(';')?;
    size.parse().ok()
}

/// The steps of the only candidate.
fn told(report: &Value) -> Result<Vec<Step>, Failure> {
    let rescales = report["candidates"][0]["rescales"].as_array();
    let steps = rescales.into_iter().flatten().map(|rescale| {
        let at = text(&rescale["time"]).parse().ok();
        rescale["to"].as_i64().zip(at)
    });
    steps
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::new(format!("not a report: {}", report["candidates"])))
}

/// Runs the program that the image has, with the adapter's rules and the HPA as the cluster has
/// them, in the cluster's network, which the calling thread is in.
fn simulate(world: &World, from: Timestamp, replicas: u32) -> Result<Value, Failure> {
    let layout = world.cluster.layout();
    let path =
        format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
    let hpa = written(layout, "replay-hpa.yaml", &world.get(&path)?.to_string())?;
    let path = format!("/api/v1/namespaces/{ADAPTER}/configmaps/{ADAPTER}");
    let rules = text(&world.get(&path)?["data"]["config.yaml"]);
    let rules = written(layout, "replay-rules.yaml", &rules)?;
    let prometheus = world.cluster.service_ip("monitoring", "prometheus")?;
    let mut command = Command::new(images::program(layout, ADAPTER));
    command
        .args(["simulate", &hpa, "--as-recorded", "--output=json"])
        .arg(format!("--config={rules}"))
        .arg(format!("--prometheus-url=http://{prometheus}:9090"))
        .arg(format!("--from={from}"))
        .arg(format!("--replicas={replicas}"))
        .arg(format!("--pods-query={PODS}"));
    Ok(command::capture(&mut command)?.json()?)
}

/// A file of the testbed's with this text, by its path.
fn written(layout: &Layout, name: &str, text: &str) -> Result<String, Failure> {
    let path = layout.state().join("e2e").join(name);
    let directory = layout.state().join("e2e");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_read_from_events_and_reports() {
        assert_eq!(
            size("New size: 3; reason: pods metric above target"),
            Some(3)
        );
        assert_eq!(size("scaled to 3"), None);
        let time = "2026-01-31T12:00:15Z";
        let report =
            json!({ "candidates": [{ "rescales": [{ "time": time, "from": 1, "to": 3 }] }] });
        assert_eq!(told(&report).unwrap(), [(3, time.parse().unwrap())]);
        assert!(told(&json!({ "candidates": [{ "rescales": [{}] }] })).is_err());
    }
}
