//! Load up, several pods; load off, one again: by the stock HPA, and without a failed call. What
//! `explain` tells of it agrees, and a replay of the recorded history comes to the same.

use std::time::Duration;

use serde_json::Value;

use super::{
    CLIENTS, Failure, Outcome, ensure, explained,
    hpa::{Rescale, rescales},
    quantity, replay,
    world::{AUTOSCALER, PODS, World, items, text},
};
use crate::{progress::now, stack::Release};

/// 30 requests/s at 12 per pod.
const LOAD: u32 = 3;
const PODS_UNDER_LOAD: usize = 3;

/// Counters of failed calls, on either side.
const FAILURES: [(&str, &str); 2] = [
    ("client", "loadclient_errors_total"),
    ("server", "server_errors_total"),
];

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let servers = world.servers()?;
    ensure!(servers.len() == 1, "not one server: {servers:?}");
    let at_first = rescales(world)?;
    let before = failures_now(world)?;
    let begun = now();

    world.scale(Release::Client, LOAD)?;
    world.wait("several ready pods", AUTOSCALER, || {
        let pods = world.servers()?;
        let ready = pods.iter().filter(|pod| pod.ready).count();
        let hpa = world.hpa()?;
        ensure!(
            ready >= PODS_UNDER_LOAD,
            "{ready} ready, {} wanted",
            hpa.desired()
        );
        Ok(())
    })?;
    let up = begun.elapsed();
    announced(world, &at_first, "above target")?;
    let spread = world.wait("load on every pod", PODS, || load_on_every_pod(world))?;
    world.wait("the HPA seeing all pods", AUTOSCALER, || {
        let hpa = world.hpa()?;
        ensure!(hpa.current() >= PODS_UNDER_LOAD as u64, "{}", hpa.current());
        hpa.active()?;
        hpa.holds("AbleToScale").map(drop)
    })?;
    let under_load = explained::agrees(world)?;

    let rescaled = rescales(world)?;
    let turned = now();
    world.scale(Release::Client, CLIENTS)?;
    world.wait("one pod again", AUTOSCALER + PODS, || {
        let pods = world.servers()?;
        ensure!(pods.len() == 1 && pods[0].ready, "{} pods", pods.len());
        Ok(())
    })?;
    let down = turned.elapsed();
    announced(world, &rescaled, "below target")?;
    world.wait("the HPA at one pod", AUTOSCALER, || {
        let (desired, current) = (world.hpa()?.desired(), world.hpa()?.current());
        ensure!(desired == 1 && current == 1, "{current}, wants {desired}");
        Ok(())
    })?;

    explained::agrees(world)?;
    no_failures(world, before, begun.elapsed())?;
    let replayed = replay::agrees(world, &at_first, 1)?;
    Ok(vec![
        format!(
            "{PODS_UNDER_LOAD} pods ready {:.0} s after the load step, at {spread}",
            up.as_secs_f64()
        ),
        format!(
            "one pod {:.0} s after the load went, no failed call",
            down.as_secs_f64()
        ),
        under_load,
        replayed,
    ])
}

/// Waits for the controller's event of a rescale that was not announced before.
fn announced(world: &World, before: &[Rescale], why: &str) -> Result<(), Failure> {
    world.wait("the event SuccessfulRescale", PODS, || {
        let events = rescales(world)?;
        let new = events
            .iter()
            .any(|event| event.message.contains(why) && event.is_new_since(before));
        ensure!(new, "{events:?}");
        Ok(())
    })
}

/// Each pod's own rate, from the API that the HPA reads.
fn load_on_every_pod(world: &World) -> Result<String, Failure> {
    let ready: Vec<String> = world
        .servers()?
        .into_iter()
        .filter(|pod| pod.ready)
        .map(|pod| pod.name)
        .collect();
    let list = world.values()?.expect(200)?;
    let rate = |item: &Value| {
        item["value"]
            .as_str()
            .and_then(quantity::parse)
            .unwrap_or(0.0)
    };
    let rates: Vec<(String, f64)> = items(&list)
        .iter()
        .map(|item| (text(&item["describedObject"]["name"]), rate(item)))
        .collect();
    ensure!(
        ready
            .iter()
            .all(|pod| rates.iter().any(|(name, rate)| name == pod && *rate > 0.0)),
        "{ready:?} have {rates:?}"
    );
    let shown: Vec<String> = rates.iter().map(|(_, rate)| format!("{rate:.1}")).collect();
    Ok(format!("{} requests/s", shown.join(" + ")))
}

fn failures_now(world: &World) -> Result<[f64; 2], Failure> {
    let mut sums = [0.0; 2];
    for (sum, (app, counter)) in sums.iter_mut().zip(FAILURES) {
        *sum = world.query(&format!("sum({counter}{{app=\"{app}\"}})"))?;
    }
    Ok(sums)
}

/// Counts failures of all pods since the start, also of those that are gone: every counter begins
/// with 0 when its pod does, so its maximum over the time is what the pod has counted.
fn no_failures(world: &World, before: [f64; 2], elapsed: Duration) -> Result<(), Failure> {
    // Two scrapes more than the time, so that the first and last moments are in it.
    let range = elapsed.as_secs() + 10;
    for (before, (app, counter)) in before.into_iter().zip(FAILURES) {
        let each = format!("max_over_time({counter}{{app=\"{app}\"}}[{range}s])");
        let after = world.query(&format!("sum({each})"))?;
        ensure!(
            after <= before,
            "{counter} went from {before} to {after}: calls failed"
        );
    }
    Ok(())
}
