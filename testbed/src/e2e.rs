//! The end-to-end tests: named scenarios on the real cluster, with the whole stack installed.
//!
//! Law: a scenario asserts on what the cluster does, waits for conditions under a deadline and
//! never for a time, and leaves the stack as it found it; `World::settle` makes sure of that
//! before the next one. Scenarios that only read, or only touch objects of their own, run beside
//! one that mostly waits.

mod access;
mod alerts;
mod charts;
mod container;
mod counter;
mod dashboards;
mod etcd;
mod evidence;
mod explained;
mod front_proxy;
mod guide;
mod hpa;
mod idle;
mod image;
mod installed;
mod kinds;
mod late_kind;
mod openapi;
mod outage;
mod poller;
mod quantity;
mod releases;
mod replay;
mod restart;
mod rollout;
mod scaling;
mod signal;
mod steady;
mod stock_clients;
mod usage;
mod wire;
mod world;

use std::{thread, time::Duration};

use world::World;

use crate::{
    binaries,
    cluster::Cluster,
    component::Options,
    images,
    progress::{now, say, step},
    setup,
    stack::{HPA, NAMESPACE, Release, Settings, Stack},
    up,
};

/// What a scenario has measured, one remark each; or why it failed.
type Outcome = Result<Vec<String>, Failure>;

/// Why a scenario failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self(error.to_string())
    }
}

/// Fails the scenario unless something holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err($crate::e2e::Failure::new(format!($($message)+)));
        }
    };
}
use ensure;

/// One scenario.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    about: &'static str,
    run: fn(&World) -> Outcome,
    /// Whether it may run while another one waits.
    beside: bool,
}

/// All scenarios. Those that run beside another one follow it.
const SCENARIOS: [Scenario; 26] = [
    Scenario {
        name: "installed",
        about: "pods, APIServices, discovery, values, refusals, confinement",
        run: installed::run,
        beside: false,
    },
    Scenario {
        name: "image-contents",
        about: "our images hold their program, the adapter's the CA roots, and nothing else",
        run: image::run,
        beside: true,
    },
    Scenario {
        name: "hpa-kinds",
        about: "Object, Namespace, External to and from zero, CPU: each scales",
        run: kinds::run,
        beside: true,
    },
    Scenario {
        name: "request-counter",
        about: "its chart, its answers to the byte, no probe counted; an HPA scales it",
        run: counter::run,
        beside: true,
    },
    Scenario {
        name: "stock-clients",
        about: "every form of a read in JSON and protobuf, by the stock Go clients",
        run: stock_clients::run,
        beside: true,
    },
    Scenario {
        name: "kubectl-top",
        about: "nodes, pods, containers, tables; who may view pods sees usage",
        run: usage::run,
        beside: true,
    },
    Scenario {
        name: "hpa",
        about: "the HPA shows real values of both metrics",
        run: hpa::run,
        beside: false,
    },
    Scenario {
        name: "scale-up-and-down",
        about: "load up: several pods; load off: one again; no failed call; simulate agrees",
        run: scaling::run,
        beside: false,
    },
    Scenario {
        name: "dashboards",
        about: "every panel's query of this stack's dashboards returns data",
        run: dashboards::run,
        beside: true,
    },
    Scenario {
        name: "late-kind",
        about: "metrics of a kind that comes after the adapter, without a restart",
        run: late_kind::run,
        beside: true,
    },
    Scenario {
        name: "openapi",
        about: "kubectl explains PodMetrics; kube-apiserver finds no fault",
        run: openapi::run,
        beside: true,
    },
    Scenario {
        name: "charts-dry-run",
        about: "kube-apiserver accepts every branch of every chart",
        run: charts::run,
        beside: true,
    },
    Scenario {
        name: "guide-dry-run",
        about: "kube-apiserver accepts the objects in docs/migration.md and access.md",
        run: guide::run,
        beside: true,
    },
    Scenario {
        name: "rbac-denial",
        about: "no right, no value; a right to one metric is to that one",
        run: access::run,
        beside: true,
    },
    Scenario {
        name: "forged-front-proxy",
        about: "X-Remote-User counts with the front proxy's certificate only",
        run: front_proxy::run,
        beside: true,
    },
    Scenario {
        name: "alerts",
        about: "no alert of the adapter has fired while nothing was broken",
        run: alerts::run,
        beside: false,
    },
    Scenario {
        name: "prometheus-gone",
        about: "the HPA holds and then goes on; discovery, readiness and namespaces work",
        run: outage::run,
        beside: false,
    },
    Scenario {
        name: "apiserver-restart",
        about: "the adapter survives a restart of kube-apiserver",
        run: restart::apiserver,
        beside: false,
    },
    Scenario {
        name: "etcd-gone",
        about: "etcd halts for 20 s: reads go on, the adapter stays, all recovers",
        run: etcd::run,
        beside: false,
    },
    Scenario {
        name: "adapter-killed",
        about: "SIGKILL for every adapter, then their pods deleted by force",
        run: restart::adapter_killed,
        beside: false,
    },
    Scenario {
        name: "bad-rules",
        about: "a rule that Prometheus refuses harms no other one",
        run: rollout::bad_rules,
        beside: false,
    },
    Scenario {
        name: "steady",
        about: "restart, upgrade and node drain of two adapters: no failed read",
        run: steady::run,
        beside: false,
    },
    Scenario {
        name: "helm-test",
        about: "the tests of every chart pass; the client's fails without a server",
        run: releases::tests,
        beside: false,
    },
    Scenario {
        name: "helm-install",
        about: "helm install client helm/client and server, as the task words it",
        run: releases::as_written,
        beside: false,
    },
    Scenario {
        name: "upgrade",
        about: "every chart from its previous version to this one; no failed read",
        run: releases::upgrade,
        beside: false,
    },
    Scenario {
        name: "compact-discovery",
        about: "few entries for many metrics; kubectl and the HPA are content",
        run: rollout::compact_discovery,
        beside: false,
    },
];

/// How many clients make load between scenarios: 10 requests/s.
const CLIENTS: u32 = 1;

/// Brings the cluster up, installs the stack, and runs the scenarios whose names contain one of
/// the filters; all without filters. Says whether all passed.
///
/// # Errors
/// When the cluster or the stack does not come up.
pub fn run(filters: &[String]) -> crate::Result<bool> {
    let begun = now();
    // Fails when it was done before, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    setup::setup()?;
    binaries::build()?;
    let cluster = up::up(&options())?;
    images::images(&[])?;
    step("removing the HPA, for a new one to be made", || {
        forget_hpa(&cluster)
    })?;
    let stack = Stack::install(&cluster, &settings())?;
    let selected: Vec<Scenario> = SCENARIOS
        .into_iter()
        .filter(|scenario| chosen(scenario.name, filters))
        .collect();
    say(&format!(
        "ready for the end-to-end tests after {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    let (mut passed, mut failed) = (0, Vec::new());
    if let Err(error) = settle(&cluster) {
        say(&format!("    {error}"));
    }
    for group in groups(&selected) {
        for report in run_group(&stack, &group) {
            if report.passed {
                passed += 1;
            } else {
                failed.push(report.name);
            }
        }
    }
    say(&format!(
        "end-to-end tests took {:.1} s in all",
        begun.elapsed().as_secs_f64()
    ));
    if !failed.is_empty() {
        say(&format!("failed: {}", failed.join(", ")));
    }
    say(&format!("{passed} passed, {} failed", failed.len()));
    Ok(failed.is_empty())
}

/// The controller announces no more than some 25 events of an object and then one in 5 minutes, so
/// that after some runs on one cluster it would announce no rescale any more. To a new HPA it does.
fn forget_hpa(cluster: &Cluster) -> crate::Result<()> {
    let args = ["delete", "hpa", HPA, "-n", NAMESPACE, "--ignore-not-found"];
    cluster.kubectl(args)?.checked().map(drop)
}

/// Says which scenarios there are.
pub fn list() {
    for scenario in SCENARIOS {
        say(&format!("  {:<20} {}", scenario.name, scenario.about));
    }
}

/// Whether a filter chooses any scenario.
pub(crate) fn matches_any(filter: &str) -> bool {
    SCENARIOS
        .iter()
        .any(|scenario| scenario.name.contains(filter))
}

fn chosen(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

/// An HPA may take a Deployment to no pods at all with this gate only; alpha since Kubernetes 1.16.
fn options() -> Options {
    Options {
        feature_gates: Some("HPAScaleToZero=true".to_owned()),
    }
}

/// The charts' own values, but for what would only make the tests longer or heavier.
fn settings() -> Settings {
    Settings {
        clients: CLIENTS,
        // One client is 10 requests/s: three clients need three pods.
        requests_per_second: Some(12),
        // A busy machine must not make pods look slow: the rate alone decides here.
        mean_latency: Some(Duration::from_millis(200)),
        max_replicas: Some(4),
        scale_down_stabilisation: Some(Duration::from_secs(5)),
        values: vec![
            (Release::Monitoring, "testbed/values/monitoring.yaml"),
            (
                Release::MetricsAdapter,
                "testbed/values/metrics-adapter.yaml",
            ),
        ],
        ..Settings::default()
    }
}

/// One scenario with those that run beside it. Without one to wait for, they run by themselves.
fn groups(scenarios: &[Scenario]) -> Vec<Vec<Scenario>> {
    let mut groups: Vec<Vec<Scenario>> = Vec::new();
    for scenario in scenarios {
        match groups.last_mut() {
            Some(group) if scenario.beside => group.push(*scenario),
            _ => groups.push(vec![*scenario]),
        }
    }
    groups
}

/// How one scenario ended.
struct Report {
    name: &'static str,
    passed: bool,
}

fn run_group(stack: &Stack, group: &[Scenario]) -> Vec<Report> {
    let Some((first, others)) = group.split_first() else {
        return Vec::new();
    };
    let cluster = stack.cluster();
    thread::scope(|scope| {
        // Threads of their own, because they move into the cluster's network. Each has objects and
        // metrics of its own, so they need not wait for one another.
        let beside: Vec<_> = others
            .iter()
            .map(|scenario| {
                let run = || {
                    let started = now();
                    (attempt(cluster, scenario), started.elapsed())
                };
                (scenario, scope.spawn(run))
            })
            .collect();
        let outcome = step(first.name, || {
            scope
                .spawn(|| attempt(cluster, first))
                .join()
                .unwrap_or_else(|_| Err(Failure::new("the scenario panicked")))
        });
        let mut reports = vec![report(first, outcome)];
        for (scenario, running) in beside {
            let (outcome, elapsed) = running.join().unwrap_or_else(|_| {
                let failure = Failure::new("the scenario panicked");
                (Err(failure), Duration::ZERO)
            });
            let mark = if outcome.is_ok() { "" } else { "  FAILED" };
            let seconds = elapsed.as_secs_f64();
            say(&format!(
                "  {:<44} {seconds:>6.1} s beside {}{mark}",
                scenario.name, first.name
            ));
            reports.push(report(scenario, outcome));
        }
        if let Err(error) = settle(cluster) {
            say(&format!("    {error}"));
            reports[0].passed = false;
        }
        reports
    })
}

/// See [`World::settle`].
fn settle(cluster: &Cluster) -> Result<(), Failure> {
    let settle = || World::enter(cluster)?.settle();
    step("  at rest", || {
        thread::scope(|scope| {
            let settled = scope.spawn(settle).join();
            settled.unwrap_or_else(|_| Err(Failure::new("settling panicked")))
        })
    })
}

/// Runs a scenario; of a failure, collects the evidence at once.
fn attempt(cluster: &Cluster, scenario: &Scenario) -> Outcome {
    evidence::forget(cluster, scenario.name);
    let outcome = World::enter(cluster).and_then(|world| (scenario.run)(&world));
    outcome.map_err(|failure| {
        let evidence = evidence::collect(cluster, scenario.name, &failure);
        Failure::new(format!("{failure}\n{evidence}"))
    })
}

fn report(scenario: &Scenario, outcome: Outcome) -> Report {
    let passed = outcome.is_ok();
    let lines =
        outcome.unwrap_or_else(|failure| failure.to_string().lines().map(str::to_owned).collect());
    for line in lines {
        say(&format!("    {line}"));
    }
    Report {
        name: scenario.name,
        passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_filters_choose_by_part_of_a_name() {
        let names: std::collections::BTreeSet<&str> =
            SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(chosen("late-kind", &["kind".to_owned()]));
        assert!(chosen("late-kind", &[]));
        assert!(!chosen("late-kind", &["hpa".to_owned()]));
        assert!(matches_any("front"));
        assert!(!matches_any("nonsense"));
    }

    #[test]
    fn companions_join_the_scenario_before_them() {
        let all = groups(&SCENARIOS);
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), SCENARIOS.len());
        assert!(all.iter().all(|group| !group[0].beside));
        let alone: Vec<Scenario> = SCENARIOS.into_iter().filter(|it| it.beside).collect();
        let all = groups(&alone);
        assert_eq!(all.len(), 1, "they run even when nothing waits");
        assert_eq!(all[0].len(), alone.len());
    }
}
