//! From values to what a metric asks for, by the controller's arithmetic.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::autoscaler::{Metric, Source, Target};
use super::super::pod::{Groups, Phase, Pod, Readiness, Reading, Readings, Status};
use super::super::proposal::{self, PodTarget, Proposal, Situation, Unknown};
use super::wire;
use crate::model::Quantity;

/// What a metric's values are.
pub(super) enum Measured {
    /// One per pod.
    Pods(Readings),
    /// One for the whole, in thousandths.
    Whole(i64),
}

/// What a metric asks for.
pub(super) struct Judged {
    pub(super) proposal: Result<Proposal, Unknown>,
    pub(super) missing: Vec<String>,
    pub(super) unready: Vec<String>,
}

/// Judges one metric. `replicas` is the number in the status of the target's scale.
pub(super) fn judge(
    metric: &Metric,
    measured: Measured,
    situation: &Situation<'_>,
    replicas: i32,
) -> Judged {
    let (mut missing, mut unready) = (Vec::new(), Vec::new());
    let is_cpu = metric.source.is_cpu();
    let proposal = match (measured, metric.target) {
        (Measured::Pods(readings), target) => {
            let Situation {
                pods,
                patience,
                now,
                ..
            } = *situation;
            let groups = Groups::new(pods, &readings, is_cpu, patience, now);
            let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
            (missing, unready) = (names(&groups.missing), names(&groups.unready));
            let target = match target {
                Target::Utilization(percents) => PodTarget::Utilization(percents),
                Target::AverageValue(milli) | Target::Value(milli) => {
                    PodTarget::AverageValue(milli)
                }
            };
            proposal::of_pods(situation, readings, target, is_cpu)
        }
        (Measured::Whole(usage), Target::AverageValue(target)) => {
            let situation = Situation {
                current: replicas,
                ..*situation
            };
            Ok(proposal::of_whole_per_pod(&situation, usage, target))
        }
        (Measured::Whole(usage), Target::Value(target)) => {
            proposal::of_whole(situation, usage, target)
        }
        // No valid HPA has such a target.
        (Measured::Whole(_), Target::Utilization(_)) => Err(Unknown::NoReadings),
    };
    Judged {
        proposal,
        missing,
        unready,
    }
}

/// A usage as the HPA's status writes it.
pub(super) fn written(usage: i64, target: Target) -> String {
    match target {
        Target::Utilization(_) => format!("{usage} %"),
        Target::Value(_) | Target::AverageValue(_) => Quantity::from_milli(usage).to_string(),
    }
}

/// What the status says of a metric: the entry at its own place, since several may have one type and
/// name and differ by their selectors; or else the first one of its type and name.
pub(super) fn in_status(
    source: &Source,
    place: usize,
    current: &[wire::CurrentMetric],
) -> Option<String> {
    let of = |metric: &wire::CurrentMetric| {
        let (kind, found) = match source {
            Source::Pods { .. } => ("Pods", &metric.pods),
            Source::Object { .. } => ("Object", &metric.object),
            Source::External { .. } => ("External", &metric.external),
            Source::Resource {
                container: None, ..
            } => ("Resource", &metric.resource),
            Source::Resource { .. } => ("ContainerResource", &metric.container_resource),
        };
        let found = found.as_ref().filter(|_| metric.r#type == kind)?;
        let name = match source {
            Source::Resource { .. } => &found.name,
            _ => &found.metric.name,
        };
        (name == source.name())
            .then_some(&found.current)
            .and_then(|current| {
                let percents = current
                    .average_utilization
                    .map(|percents| format!("{percents} %"));
                percents
                    .or_else(|| current.average_value.clone())
                    .or_else(|| current.value.clone())
            })
    };
    let own = current.get(place).and_then(of);
    own.or_else(|| current.iter().find_map(of))
}

/// A pod as the controller sees it; what it requests of a resource, if that counts.
pub(super) fn pod(pod: &wire::Pod, source: &Source) -> Pod {
    let ready = pod
        .status
        .conditions
        .iter()
        .find(|one| one.r#type == "Ready");
    let readiness = ready.map(|condition| Readiness {
        status: match condition.status.as_str() {
            "True" => Status::True,
            "False" => Status::False,
            _ => Status::Unknown,
        },
        since: condition
            .last_transition_time
            .unwrap_or(Timestamp::UNIX_EPOCH),
    });
    Pod {
        name: pod.metadata.name.as_str().into(),
        phase: match pod.status.phase.as_str() {
            "Pending" => Phase::Pending,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            _ => Phase::Running,
        },
        deleted: pod.metadata.deletion_timestamp.is_some(),
        started: pod.status.start_time,
        readiness,
        request: request(pod, source),
    }
}

/// As `calculateRequests` of kubernetes' `replica_calculator.go`: what the pod requests as a whole,
/// or all of its containers, sidecars among them.
fn request(pod: &wire::Pod, source: &Source) -> Option<i64> {
    let Source::Resource {
        resource,
        container,
    } = source
    else {
        return None;
    };
    let spec = &pod.spec;
    if container.is_none()
        && let Some(whole) = spec.resources.requests.get(resource)
    {
        let overhead = spec.overhead.get(resource).and_then(|text| milli(text));
        return Some(milli(whole)?.saturating_add(overhead.unwrap_or(0)));
    }
    let is_sidecar = |one: &&wire::Container| one.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().filter(is_sidecar);
    let counts = |name: &str| container.as_deref().is_none_or(|only| only == name);
    let counted = spec.containers.iter().chain(sidecars);
    let mut counted = counted.filter(|one| counts(&one.name)).peekable();
    counted.peek()?;
    counted.try_fold(0_i64, |sum, container| {
        let request = container.resources.requests.get(resource)?;
        Some(sum.saturating_add(milli(request)?))
    })
}

/// What pods use of a resource.
pub(super) fn usage(items: &[wire::PodMetrics], source: &Source) -> Readings {
    let Source::Resource {
        resource,
        container,
    } = source
    else {
        return Readings::new();
    };
    let counts = |name: &str| container.as_deref().is_none_or(|only| only == name);
    let reading = |item: &wire::PodMetrics| {
        let mut containers = item
            .containers
            .iter()
            .filter(|one| counts(&one.name))
            .peekable();
        containers.peek()?;
        let value = containers.try_fold(0_i64, |sum, one| {
            Some(sum.saturating_add(milli(one.usage.get(resource)?)?))
        })?;
        let window = crate::config::parse_duration(&item.window).unwrap_or_default();
        let reading = Reading {
            value,
            timestamp: item.timestamp,
            window,
        };
        Some((Arc::from(item.metadata.name.as_str()), reading))
    };
    items.iter().filter_map(reading).collect()
}

/// The values of a metric of pods.
pub(super) fn readings(values: &[wire::MetricValue]) -> Readings {
    let reading = |value: &wire::MetricValue| {
        let reading = Reading {
            value: milli(&value.value)?,
            timestamp: value.timestamp,
            window: Duration::ZERO,
        };
        Some((Arc::from(value.described_object.name.as_str()), reading))
    };
    values.iter().filter_map(reading).collect()
}

/// The sum of all values, as the controller counts an external metric; `None` without any.
pub(super) fn sum(values: &[wire::MetricValue]) -> Option<i64> {
    let each = values.iter().filter_map(|value| milli(&value.value));
    each.reduce(i64::saturating_add)
}

fn milli(text: &str) -> Option<i64> {
    let quantity: Quantity = text.parse().ok()?;
    Some(quantity.milli())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn requests_are_counted_as_the_controller_does() {
        let cpu = |container: Option<&str>| Source::Resource {
            resource: "cpu".to_owned(),
            container: container.map(str::to_owned),
        };
        let of = |text: &str| json!({ "requests": { "cpu": text } });
        let app = json!({ "name": "app", "resources": of("100m") });
        let sidecar = json!({ "name": "proxy", "restartPolicy": "Always", "resources": of("50m") });
        let init = json!({ "name": "init", "resources": of("1") });
        let containers = json!({ "containers": [app], "initContainers": [init, sidecar] });
        let mut whole = containers.clone();
        whole["resources"] = of("300m");
        whole["overhead"] = json!({ "cpu": "20m" });
        let bare = json!({ "containers": [app, { "name": "bare" }] });
        let table: [(&Value, Option<&str>, Option<i64>); 7] = [
            (&containers, None, Some(150)),
            (&containers, Some("proxy"), Some(50)),
            (&containers, Some("init"), None),
            (&whole, None, Some(320)),
            (&whole, Some("app"), Some(100)),
            (&bare, None, None),
            (&bare, Some("app"), Some(100)),
        ];
        for (spec, container, expected) in table {
            let pod = json!({ "metadata": { "name": "a" }, "spec": spec });
            let pod: wire::Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(
                request(&pod, &cpu(container)),
                expected,
                "{spec} {container:?}"
            );
        }
    }
}
