//! The HPA's algorithm against the stock controller's own functions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics_adapter::explain::autoscaler::{Metric, Source, Target};
use metrics_adapter::explain::behavior::{Behavior, Policy, ScalingRules, Select, Step};
use metrics_adapter::explain::controller::{Bounds, Controller, Flags};
use metrics_adapter::explain::pod::{Patience, Phase, Pod, Readiness, Reading, Readings, Status};
use metrics_adapter::explain::proposal::{self, PodTarget, Situation, Tolerance};
use metrics_adapter::model::Selector;
use serde_json::Value;

use super::{read, text};

fn now() -> Timestamp {
    Timestamp::from_second(946_771_200).unwrap()
}

fn ago(value: &Value) -> Option<Timestamp> {
    value.as_u64().map(|s| now() - Duration::from_secs(s))
}

fn int(value: &Value) -> i32 {
    i32::try_from(value.as_i64().unwrap()).unwrap()
}

/// Thousandths to parts of one, as Go's `AsApproximateFloat64`.
fn parts(value: &Value) -> f64 {
    value.as_f64().unwrap() * 0.001
}

fn pod(index: usize, told: &Value) -> (Pod, Option<Reading>) {
    let state = text(told, 0).as_bytes();
    let status = match state[1] {
        b'T' => Some(Status::True),
        b'F' => Some(Status::False),
        b'U' => Some(Status::Unknown),
        _ => None,
    };
    let since = ago(&told[4]).unwrap_or(Timestamp::UNIX_EPOCH);
    let pod = Pod {
        name: format!("p{index}").into(),
        phase: match state[0] {
            b'P' => Phase::Pending,
            b'F' => Phase::Failed,
            b'S' => Phase::Succeeded,
            _ => Phase::Running,
        },
        deleted: state[0] == b'D',
        started: ago(&told[3]),
        readiness: status.map(|status| Readiness { status, since }),
        request: told[2].as_i64(),
    };
    let reading = told[1].as_i64().map(|value| Reading {
        value,
        timestamp: ago(&told[5]).unwrap_or_else(now),
        window: Duration::from_secs(told[6].as_u64().unwrap_or(0)),
    });
    (pod, reading)
}

#[test]
fn proposals_are_those_of_the_stock_calculator() {
    let (_, cases) = read("hpa-proposal");
    let mut told = 0;
    for case in &cases {
        let listed = case[5].as_array().map_or(&[][..], Vec::as_slice);
        let (mut pods, mut readings) = (Vec::new(), Readings::new());
        for (pod, reading) in listed
            .iter()
            .enumerate()
            .map(|(index, told)| pod(index, told))
        {
            readings.extend(reading.map(|reading| (Arc::clone(&pod.name), reading)));
            pods.push(pod);
        }
        let situation = Situation {
            current: int(&case[1]),
            pods: &pods,
            tolerance: Tolerance {
                up: parts(&case[3]),
                down: parts(&case[4]),
            },
            patience: Patience::default(),
            now: now(),
        };
        let target = case[2].as_i64().unwrap();
        let kind = text(case, 0);
        let proposal = match kind {
            "object" | "external" => {
                proposal::of_whole(&situation, case[6].as_i64().unwrap(), target)
            }
            "object/pod" | "external/pod" => {
                let value = case[6].as_i64().unwrap();
                Ok(proposal::of_whole_per_pod(&situation, value, target))
            }
            _ => {
                let target = match kind.strip_suffix('%') {
                    Some(_) => PodTarget::Utilization(int(&case[2])),
                    None => PodTarget::AverageValue(target),
                };
                proposal::of_pods(&situation, readings, target, kind.starts_with("cpu"))
            }
        };
        let proposal = proposal.ok();
        let replicas = proposal.map(|proposal| i64::from(proposal.replicas));
        assert_eq!(replicas, case[7].as_i64(), "{case}");
        // Without replicas there is no mean.
        if !(kind.ends_with("/pod") && situation.current == 0) {
            let usage = proposal.map(|proposal| proposal.usage);
            assert_eq!(usage, case[8].as_i64(), "usage of {case}");
            told += usize::from(usage.is_some());
        }
    }
    assert!(told > 1000, "only {told} proposals have a usage");
}

fn scaling_rules(told: &Value, default: ScalingRules) -> ScalingRules {
    if told.is_null() {
        return default;
    }
    let policies = told[3].as_array().map(|policies| {
        let policy = |told: &Value| Policy {
            step: match text(told, 0) {
                "Pods" => Step::Pods(int(&told[1])),
                _ => Step::Percent(int(&told[1])),
            },
            period: Duration::from_secs(told[2].as_u64().unwrap()),
        };
        policies.iter().map(policy).collect()
    });
    ScalingRules {
        window: told[0].as_u64().map(Duration::from_secs).or(default.window),
        tolerance: (!told[1].is_null()).then(|| parts(&told[1])),
        select: match told[2].as_str() {
            Some("Min") => Select::Min,
            Some("Disabled") => Select::Disabled,
            _ => Select::Max,
        },
        policies: policies.unwrap_or(default.policies),
    }
}

/// Stands for the condition that is not set where replicas are out of bounds.
const OUT_OF_BOUNDS: &str = "";

/// A metric of a run, as far as reasons tell it.
fn metric(told: &Value) -> Metric {
    let (metric, selector) = ("m".to_owned(), Selector::EVERYTHING);
    Metric {
        source: match text(told, 0) {
            "pods" => Source::Pods { metric, selector },
            _ => Source::External { metric, selector },
        },
        target: Target::AverageValue(told[1].as_i64().unwrap()),
    }
}

#[test]
fn runs_are_those_of_the_stock_controller() {
    let (_, cases) = read("hpa-run");
    let mut rescaled = 0;
    let mut reasons = BTreeSet::new();
    for case in &cases {
        let behavior = case[3].as_array().map(|told| Behavior {
            up: scaling_rules(&told[0], ScalingRules::up()),
            down: scaling_rules(&told[1], ScalingRules::down()),
        });
        let bounds = Bounds {
            min: int(&case[0]),
            max: int(&case[1]),
        };
        let mut controller = Controller::new(bounds, behavior, Flags::default());
        let (mut now, mut replicas) = (now(), int(&case[2]));
        let metrics = case[4].as_array().unwrap();
        let sources: Vec<Metric> = metrics.iter().map(metric).collect();
        for (index, sync) in case[5].as_array().unwrap().iter().enumerate() {
            now += Duration::from_secs(sync[0].as_u64().unwrap());
            let pods: Vec<Pod> = (0..replicas)
                .map(|index| Pod::ready(format!("p{index}").into()))
                .collect();
            let situation = Situation {
                current: replicas,
                pods: &pods,
                tolerance: controller.tolerance(),
                patience: Patience::default(),
                now,
            };
            let propose = |(index, metric): (usize, &Value)| {
                let target = metric[1].as_i64().unwrap();
                let value = sync[1 + index].as_i64();
                let value = value.ok_or(proposal::Unknown::NoValue)?;
                match text(metric, 0) {
                    "external" => proposal::of_whole(&situation, value, target),
                    "external/pod" => Ok(proposal::of_whole_per_pod(&situation, value, target)),
                    _ => {
                        let reading = Reading {
                            value,
                            timestamp: now,
                            window: Duration::ZERO,
                        };
                        let names = pods.iter().map(|pod| Arc::clone(&pod.name));
                        let readings = names.map(|name| (name, reading)).collect();
                        let target = PodTarget::AverageValue(target);
                        proposal::of_pods(&situation, readings, target, false)
                    }
                }
            };
            let proposals: Vec<_> = metrics.iter().enumerate().map(propose).collect();
            let decision = controller.sync(now, replicas, &proposals);
            let expected = int(&sync[1 + metrics.len()]);
            assert_eq!(decision.desired, expected, "sync {index} of {case}");
            let word = decision.reason.word(&sources);
            let told = sync[2 + metrics.len()].as_str().unwrap_or(OUT_OF_BOUNDS);
            let is_out = !(bounds.min..=bounds.max).contains(&replicas);
            let agrees = match told {
                // The bounds themselves are no condition.
                OUT_OF_BOUNDS => is_out && ["TooManyReplicas", "TooFewReplicas"].contains(&word),
                // A rescale takes the place of the condition that tells of a stabilization.
                "DesiredWithinRange" if expected != replicas => {
                    [told, "ScaleUpStabilized", "ScaleDownStabilized"].contains(&word)
                }
                _ => word == told,
            };
            assert!(agrees, "{word} for {told} in sync {index} of {case}");
            reasons.insert(word);
            rescaled += i32::from(expected != replicas);
            replicas = expected;
        }
    }
    assert!(
        rescaled > 500,
        "only {rescaled} of the syncs change anything"
    );
    let all = [
        "DesiredWithinRange",
        "FailedGetExternalMetric",
        "FailedGetPodsMetric",
        "ScaleDownLimit",
        "ScaleDownStabilized",
        "ScaleUpLimit",
        "ScaleUpStabilized",
        "ScalingDisabled",
        "TooFewReplicas",
        "TooManyReplicas",
    ];
    assert!(reasons.into_iter().eq(all), "a reason never occurs");
}
