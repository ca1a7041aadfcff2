//! Prometheus goes and comes back. Meanwhile the HPA holds what it has, and nothing that does not
//! need Prometheus notices.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{
    Failure, Outcome, ensure,
    hpa::{Rescale, rescales},
    wire::{Caller, Client},
    world::{AUTOSCALER, PODS, World, identity},
};
use crate::{
    progress::now,
    stack::{REQUESTS_METRIC, Release},
};

/// How many discovery documents of each kind are asked for.
const DISCOVERIES: usize = 50;
/// For the slowest of them; without other load it takes a few milliseconds.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(1);

/// An answer must come within 10 s, good or bad: an HPA worker waits for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(11);

/// Time for a namespace with one object to go; it takes some 6 s.
const NAMESPACE_GONE: Duration = Duration::from_secs(45);
const NAMESPACE: &str = "e2e-short-lived";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    // Two pods where the load needs one: from now on only missing values keep the second.
    world.set_min_replicas(2)?;
    world.wait("two servers", AUTOSCALER, || {
        let pods = world.servers()?;
        ensure!(
            pods.len() == 2 && pods.iter().all(|pod| pod.ready) && world.hpa()?.current() == 2,
            "{pods:?}"
        );
        Ok(())
    })?;
    world.scale(Release::Monitoring, 0)?;
    world.wait("the end of Prometheus", PODS, || {
        let pods = world.pods("monitoring", "app=prometheus")?;
        ensure!(pods.is_empty(), "{pods:?}");
        Ok(())
    })?;
    world.set_min_replicas(1)?;
    let polls = world.polls()?;
    let before = State::now(world)?;
    let reason = world.wait("ScalingActive=False", AUTOSCALER, || {
        let reason = world.hpa()?.inactive();
        reason.ok_or_else(|| Failure::new("active"))
    })?;
    ensure!(reason.starts_with("FailedGetPodsMetric"), "{reason}");

    let discovery = discovery_stays(world)?;
    let refused = world.values()?;
    ensure!(
        (500..600).contains(&refused.status) && refused.elapsed < ANSWER_LIMIT,
        "after {:?}: {refused}",
        refused.elapsed
    );
    let gone = namespace_goes(world)?;
    // Two full looks without values, in each of which the second pod could have gone.
    world.wait("two looks in vain", AUTOSCALER, || {
        let now = world.polls()?;
        ensure!(now.bad >= polls.bad + 4, "{polls:?}, now {now:?}");
        Ok(())
    })?;
    let after = State::now(world)?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    ensure!(world.hpa()?.inactive().is_some(), "the HPA is active again");

    let back = now();
    world.scale(Release::Monitoring, 1)?;
    world.wait("the HPA to go on", AUTOSCALER, || world.hpa()?.active())?;
    let active = back.elapsed();
    world.wait("one server again", AUTOSCALER, || {
        let pods = world.servers()?;
        ensure!(pods.len() == 1, "{} pods", pods.len());
        Ok(())
    })?;
    Ok(vec![
        format!("discovery meanwhile: {discovery}; a namespace went in {gone:.1} s"),
        format!(
            "the HPA held 2 pods, was active {:.0} s after Prometheus came, and went on to 1",
            active.as_secs_f64()
        ),
    ])
}

/// All that must stay as it is.
#[derive(Debug, PartialEq, Eq)]
struct State {
    servers: Vec<String>,
    desired: u64,
    rescales: Vec<Rescale>,
    /// Name, since when ready, restarts.
    adapters: Vec<(String, bool, String, u64)>,
    available_since: Vec<String>,
}

impl State {
    fn now(world: &World) -> Result<Self, Failure> {
        let adapters = world.adapters()?.into_iter();
        Ok(Self {
            servers: world.servers()?.into_iter().map(|pod| pod.uid).collect(),
            desired: world.hpa()?.desired(),
            rescales: rescales(world)?,
            adapters: adapters
                .map(|pod| (pod.name, pod.ready, pod.ready_since, pod.restarts))
                .collect(),
            available_since: world.all_available()?,
        })
    }
}

/// Through the aggregator and directly, in both forms, complete and fast.
fn discovery_stays(world: &World) -> Result<String, Failure> {
    let group = "/apis/custom.metrics.k8s.io/v1beta2";
    let legacy = ("application/json", group);
    let aggregated = (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "/apis",
    );
    let caller = Caller::certificate(identity(&world.cluster, "admin")?);
    let (through, direct) = (world.apiserver(&caller)?, world.adapter(&caller)?);
    let mut slowest = Vec::new();
    for (client, (accept, path)) in [(&through, legacy), (&direct, legacy), (&direct, aggregated)] {
        slowest.push(slowest_of_many(client, accept, path)?);
    }
    let shown: Vec<String> = slowest
        .iter()
        .map(|time| format!("{:.0}", time.as_secs_f64() * 1e3))
        .collect();
    ensure!(
        slowest.iter().all(|time| *time < DISCOVERY_LIMIT),
        "discovery took {} ms",
        shown.join(", ")
    );
    Ok(format!("slowest of {DISCOVERIES} {} ms", shown.join(", ")))
}

fn slowest_of_many(client: &Client, accept: &str, path: &str) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..DISCOVERIES {
        let answer = client.send(Method::GET, path, &[("Accept", accept)])?;
        ensure!(
            answer.status == 200 && answer.text.contains(REQUESTS_METRIC),
            "{answer}"
        );
        times.push(answer.elapsed);
    }
    times
        .into_iter()
        .max()
        .ok_or_else(|| Failure::new("no request was made"))
}

/// Deleting a namespace asks every API group, ours among them. Says how many seconds it took.
pub(super) fn namespace_goes(world: &World) -> Result<f64, Failure> {
    let object = |name: &str| json!({ "metadata": { "name": name } });
    world.create("/api/v1/namespaces", &object(NAMESPACE))?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}");
    world.create(&format!("{path}/configmaps"), &object("something"))?;
    let begun = now();
    world.delete(&path)?;
    world.wait("the namespace's end", NAMESPACE_GONE, || {
        let answer = world.admin().get(&path)?;
        ensure!(answer.status == 404, "{answer}");
        Ok(())
    })?;
    Ok(begun.elapsed().as_secs_f64())
}
