//! The request counter, installed from its chart: it counts every request once and no probe, in the
//! words that were asked for, and an HPA scales it by what its pods count.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Failure, Outcome, ensure, idle,
    world::{AUTOSCALER, PODS, Pod, World, items},
};
use crate::progress::now;

const NAMESPACE: &str = "e2e-counter";
/// Deployment, Service and HPA.
const NAME: &str = "request-counter";
const PODS_OF: &str = "app.kubernetes.io/name=request-counter";
const METRIC: &str = "server_counter_requests_per_second";
const PORT: u16 = 8083;

/// Servers of the chart's own values.
const REPLICAS: usize = 3;
/// Requests of the conversation, before and after a time with probes only.
const TALK: u64 = 12;
/// Requests per second of the load: 3.5 pods by the HPA, which wants 10 per pod.
const RATE: u32 = 35;
/// What the HPA makes of it.
const LOADED: RangeInclusive<u64> = 3..=5;
/// Requests of the load in flight at most: the rate holds while an answer takes less than 228 ms.
const IN_FLIGHT: usize = 8;

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    idle::namespace(world, NAMESPACE)?;
    let outcome = check(world);
    idle::forget(world, NAMESPACE)?;
    outcome
}

fn check(world: &World) -> Outcome {
    install(world, &[])?;
    ready(world, REPLICAS)?;
    let address = world.cluster.service_ip(NAMESPACE, NAME)?;
    let base = format!("http://{address}:{PORT}");
    let mut talk = Conversation::default();
    talk.go_on(world, &base)?;
    let scraped = probed(world)?;
    talk.go_on(world, &base)?;
    let mut remarks = vec![format!(
        "{} answers of {} instances, 1 to {}, to the byte; {scraped} scrapes between and no gap",
        talk.cluster,
        talk.instances.len(),
        talk.cluster
    )];
    remarks.push(scaled(world, &base)?);
    Ok(remarks)
}

/// The chart as it is, or with more values.
fn install(world: &World, sets: &[&str]) -> Result<(), Failure> {
    let chart = world
        .cluster
        .layout()
        .workspace()
        .join("helm/requestcounter");
    let chart = chart.display().to_string();
    let mut args = vec!["upgrade", "--install", "requestcounter", &chart];
    args.extend(["--namespace", NAMESPACE]);
    for set in sets {
        args.extend(["--set", set]);
    }
    world.cluster.helm(args)?.checked()?;
    Ok(())
}

/// Waits until so many servers and their Redis are ready, and nobody else is there.
fn ready(world: &World, replicas: usize) -> Result<Vec<Pod>, Failure> {
    world.wait(&format!("{replicas} ready servers"), PODS, || {
        let redis = world.pods(NAMESPACE, "app.kubernetes.io/name=redis")?;
        ensure!(redis.iter().any(|pod| pod.ready), "redis: {redis:?}");
        let pods = world.pods(NAMESPACE, PODS_OF)?;
        let good = pods.iter().all(|pod| pod.ready && !pod.terminating);
        ensure!(good && pods.len() == replicas, "{pods:?}");
        Ok(pods)
    })
}

/// What was counted, by the answers.
#[derive(Default)]
struct Conversation {
    cluster: u64,
    instances: BTreeMap<String, u64>,
}

impl Conversation {
    /// Some more requests, one after the other.
    fn go_on(&mut self, world: &World, base: &str) -> Result<(), Failure> {
        let pods = world.pods(NAMESPACE, PODS_OF)?;
        for _ in 0..TALK {
            // A new client each time: one connection would stay with one pod.
            let answer = world.plain(base)?.get("/")?;
            ensure!(answer.status == 200, "{answer}");
            let host = host(&answer.text).unwrap_or_default();
            ensure!(
                pods.iter().any(|pod| pod.name == host),
                "{host:?}: {answer}"
            );
            let instance = self.instances.entry(host.to_owned()).or_default();
            *instance += 1;
            self.cluster += 1;
            let expected = words(host, *instance, self.cluster);
            ensure!(
                answer.text == expected,
                "{:?} instead of {expected:?}",
                answer.text
            );
        }
        Ok(())
    }
}

/// The answer that was asked for.
fn words(host: &str, instance: u64, cluster: u64) -> String {
    format!(
        "You are talking to instance {host}:{PORT}.\nThis is request {instance} to this instance \
         and request {cluster} to the cluster.\n"
    )
}

fn host(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("instance ")?;
    rest.split_once(':').map(|(host, _)| host)
}

/// Waits until every server was scraped several times, 5 s apart, and so probed some more; how
/// often all of them were scraped.
fn probed(world: &World) -> Result<f64, Failure> {
    let series = format!("server_counter_instance_requests_total{{namespace=\"{NAMESPACE}\"}}");
    world.wait("scrapes of the servers", PODS, || {
        let least = world.query(&format!("min(count_over_time({series}[5m]))"))?;
        let servers = world.query(&format!("count({series})"))?;
        ensure!(
            least >= 4.0 && servers >= 3.0,
            "{least} scrapes of one of {servers} servers"
        );
        world.query(&format!("sum(count_over_time({series}[5m]))"))
    })
}

/// An HPA takes the servers up under load and down without.
fn scaled(world: &World, base: &str) -> Result<String, Failure> {
    install(world, &["services.request-counter.replicas=null"])?;
    let file = "helm/requestcounter/autoscaling/horizontalpodautoscaler.yaml";
    let file = world.cluster.layout().workspace().join(file);
    let file = file.display().to_string();
    world
        .cluster
        .kubectl(["apply", "--namespace", NAMESPACE, "--filename", &file])?
        .checked()?;
    let hpa =
        format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}");
    // As the file, but down at once.
    let at_once = json!({ "scaleDown": { "stabilizationWindowSeconds": 0 } });
    world.merge(&hpa, &json!({ "spec": { "behavior": at_once } }))?;
    let begun = now();
    desired(world, &hpa, 1..=1)?;
    ready(world, 1)?;
    let ((pods, up), requests) = under_load(world, base, || {
        let loaded = now();
        let pods = desired(world, &hpa, LOADED)?;
        Ok((pods, loaded.elapsed().as_secs_f64()))
    })?;
    let path =
        format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/pods/*/{METRIC}");
    ensure!(!items(&world.get(&path)?).is_empty(), "no pod has {METRIC}");
    let quiet = now();
    desired(world, &hpa, 1..=1)?;
    ready(world, 1)?;
    Ok(format!(
        "HPA: 1 to {pods} in {up:.0} s under {requests} requests, back to 1 in {:.0} s; {:.0} s in all",
        quiet.elapsed().as_secs_f64(),
        begun.elapsed().as_secs_f64()
    ))
}

/// Waits until the HPA reads the metric and wants so many pods; how many.
fn desired(world: &World, hpa: &str, wanted: RangeInclusive<u64>) -> Result<u64, Failure> {
    world.wait(&format!("{wanted:?} pods by the HPA"), AUTOSCALER, || {
        let status: Value = world.get(hpa)?["status"].clone();
        let count = status["desiredReplicas"].as_u64().unwrap_or_default();
        let read = status["currentMetrics"][0]["pods"]["current"]["averageValue"].is_string();
        ensure!(read && wanted.contains(&count), "{status}");
        Ok(count)
    })
}

/// Requests at an even pace while `run` runs; what it gave, and how many were answered. One that
/// fails, fails the scenario: a server that stops serves until nobody asks it any more.
fn under_load<T>(
    world: &World,
    base: &str,
    run: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, u32), Failure> {
    let (cluster, schedule) = (&world.cluster, &Schedule::begin());
    let answered = &AtomicU32::new(0);
    let failed: &Mutex<Option<Failure>> = &Mutex::default();
    let outcome = thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(move || {
                let ask = || -> Result<(), Failure> {
                    let world = World::enter(cluster)?;
                    while schedule.next() {
                        let answer = world.plain(base)?.get("/")?;
                        ensure!(answer.status == 200, "{answer}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                };
                if let Err(failure) = ask() {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert(failure);
                }
            });
        }
        let outcome = run();
        schedule.end();
        outcome
    });
    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
    failed.take().map_or(Ok(()), Err)?;
    Ok((outcome?, answered.load(Ordering::Relaxed)))
}

/// When the load's requests are due, for several who ask: the rate does not depend on how long an
/// answer takes, and who is late catches up.
struct Schedule {
    begun: Instant,
    asked: AtomicU32,
    ended: AtomicBool,
}

impl Schedule {
    fn begin() -> Self {
        Self {
            begun: now(),
            asked: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        }
    }

    /// Waits for the next request of all; false if there is none any more.
    fn next(&self) -> bool {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        thread::sleep(until(number, self.begun.elapsed()));
        !self.ended.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// How long it is until this request is due, so long after the first one.
fn until(number: u32, passed: Duration) -> Duration {
    (Duration::from_secs(1) * number / RATE).saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_words_are_the_examples() {
        let text = "You are talking to instance host2:8083.\n\
                    This is request 2 to this instance and request 3 to the cluster.\n";
        assert_eq!(words("host2", 2, 3), text);
        assert_eq!(host(text), Some("host2"));
        assert_eq!(host("Hello\n"), None);
    }

    #[test]
    fn the_load_is_in_the_middle_of_what_the_hpa_should_want() {
        let file = "/../helm/requestcounter/autoscaling/horizontalpodautoscaler.yaml";
        let file = fs::read_to_string(env!("CARGO_MANIFEST_DIR").to_owned() + file).unwrap();
        let (_, rest) = file.split_once("averageValue: \"").unwrap();
        let per_pod: u32 = rest.split('"').next().unwrap().parse().unwrap();
        let middle = u64::midpoint(*LOADED.start(), *LOADED.end());
        assert_eq!(u64::from(RATE.div_ceil(per_pod)), middle);
        // Far enough from its neighbours that the HPA's tolerance of 10 % leaves it there.
        let pods = f64::from(RATE) / f64::from(per_pod);
        assert!(pods > 2.0 * 1.1 && pods < 5.0 / 1.1, "{pods}");
    }

    #[test]
    fn a_late_answer_delays_no_other_request() {
        let second = Duration::from_secs(1);
        assert_eq!(until(0, Duration::ZERO), Duration::ZERO);
        assert_eq!(until(RATE, Duration::ZERO), second);
        assert_eq!(until(RATE * 60, second * 59), second);
        assert_eq!(until(RATE, second * 3), Duration::ZERO, "caught up");
        assert_eq!(until(RATE * 4, second * 3), second, "and as planned again");
    }

    #[test]
    fn several_ask_by_one_schedule() {
        let schedule = &Schedule::begin();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..2 {
                        assert!(schedule.next());
                    }
                });
            }
        });
        // The sixth is due after five periods, the first at once.
        assert!(schedule.begun.elapsed() >= Duration::from_secs(1) * 5 / RATE);
        schedule.end();
        assert!(!schedule.next());
    }
}
