//! The HPA as the stock controller keeps it, and the scenario that it shows real values.

use serde_json::Value;

use super::{
    Failure, Outcome, ensure, quantity,
    world::{AUTOSCALER, World, condition, text},
};
use crate::stack::{HPA, LATENCY_METRIC, NAMESPACE, REQUESTS_METRIC};

/// A HorizontalPodAutoscaler.
#[derive(Debug)]
pub(super) struct Hpa(Value);

impl Hpa {
    pub(super) fn new(object: Value) -> Self {
        Self(object)
    }

    /// How many pods the controller wants now.
    pub(super) fn desired(&self) -> u64 {
        self.0["status"]["desiredReplicas"].as_u64().unwrap_or(0)
    }

    /// How many pods it has seen.
    pub(super) fn current(&self) -> u64 {
        self.0["status"]["currentReplicas"].as_u64().unwrap_or(0)
    }

    /// The current average of a Pods metric.
    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        let metrics = self.0["status"]["currentMetrics"].as_array();
        let found = metrics
            .into_iter()
            .flatten()
            .find(|entry| entry["pods"]["metric"]["name"] == metric)?;
        quantity::parse(found["pods"]["current"]["averageValue"].as_str()?)
    }

    /// Since when metrics are read. Fails when they are not.
    pub(super) fn active(&self) -> Result<String, Failure> {
        self.holds("ScalingActive")
    }

    /// Since when a condition is true. Fails, with the controller's message, when it is not.
    pub(super) fn holds(&self, kind: &str) -> Result<String, Failure> {
        let condition = condition(&self.0, kind);
        ensure!(condition["status"] == "True", "{kind}: {condition}");
        Ok(text(&condition["lastTransitionTime"]))
    }

    /// The reason and message of metrics not being read; `None` while they are.
    pub(super) fn inactive(&self) -> Option<String> {
        let condition = condition(&self.0, "ScalingActive");
        (condition["status"] == "False").then(|| {
            format!(
                "{}: {}",
                text(&condition["reason"]),
                text(&condition["message"])
            )
        })
    }
}

/// How often the HPA controller has computed a number of pods from a Pods metric. All HPAs count, but
/// only one has such metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Polls {
    /// With a value.
    pub(super) good: u64,
    /// Without.
    pub(super) bad: u64,
}

impl Polls {
    /// From kube-controller-manager's own metrics.
    pub(super) fn parse(metrics: &str) -> Self {
        const NAME: &str = "horizontal_pod_autoscaler_controller_metric_computation_total{";
        let mut polls = Self { good: 0, bad: 0 };
        for line in metrics.lines() {
            let Some(series) = line.strip_prefix(NAME) else {
                continue;
            };
            let Some((labels, count)) = series.rsplit_once("} ") else {
                continue;
            };
            if !labels.contains("metric_type=\"Pods\"") {
                continue;
            }
            let count = count.trim().parse().unwrap_or(0);
            if labels.contains("error=\"none\"") {
                polls.good += count;
            } else {
                polls.bad += count;
            }
        }
        polls
    }
}

/// A rescale that the controller has announced, once or several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rescale {
    /// The event's; an HPA before this one may have left events with the same words.
    uid: String,
    /// The controller's words.
    pub(super) message: String,
    count: u64,
    /// When it was announced last.
    pub(super) last: String,
}

impl Rescale {
    /// Whether it was announced (again) since `earlier`.
    pub(super) fn is_new_since(&self, earlier: &[Self]) -> bool {
        let known = earlier.iter().find(|known| known.uid == self.uid);
        known.is_none_or(|known| self.count > known.count)
    }
}

/// The rescales that the controller has announced.
pub(super) fn rescales(world: &World) -> Result<Vec<Rescale>, Failure> {
    let selector = format!(
        "involvedObject.kind%3DHorizontalPodAutoscaler,involvedObject.name%3D{HPA},\
         reason%3DSuccessfulRescale"
    );
    let path = format!("/api/v1/namespaces/{NAMESPACE}/events?fieldSelector={selector}");
    let list = world.get(&path)?;
    let events = list["items"].as_array().into_iter().flatten();
    Ok(events
        .map(|event| Rescale {
            uid: text(&event["metadata"]["uid"]),
            message: text(&event["message"]),
            count: event["count"].as_u64().unwrap_or(1),
            last: text(&event["lastTimestamp"]),
        })
        .collect())
}

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let hpa = world.wait("both metrics with load", AUTOSCALER, || {
        let hpa = world.hpa()?;
        hpa.active()?;
        hpa.holds("AbleToScale")?;
        for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
            let value = hpa.value(metric);
            // One client makes 10 requests/s; a request takes 40 ms.
            ensure!(value.is_some_and(|it| it > 0.0), "{metric} is {value:?}");
        }
        Ok(hpa)
    })?;
    let shown = world.kubectl(&["get", "hpa", HPA, "-n", NAMESPACE])?;
    ensure!(!shown.contains("<unknown>"), "kubectl shows:\n{shown}");
    let told = world.kubectl(&["describe", "hpa", HPA, "-n", NAMESPACE])?;
    for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
        ensure!(told.contains(metric), "no {metric} in:\n{told}");
    }
    ensure!(!told.contains("<unknown>"), "kubectl describes:\n{told}");
    let (rate, mean) = (hpa.value(REQUESTS_METRIC), hpa.value(LATENCY_METRIC));
    let (Some(rate), Some(mean)) = (rate, mean) else {
        return Err(Failure::new("a value is gone"));
    };
    ensure!(
        (5.0..15.0).contains(&rate) && (0.035..1.0).contains(&mean),
        "{rate} requests/s and {mean} s are not one client's 10 requests/s of 40 ms"
    );
    Ok(vec![format!(
        "{rate:.1} requests/s, mean {:.0} ms",
        mean * 1e3
    )])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn polls_are_told_apart_by_error_and_kind() {
        let name = "horizontal_pod_autoscaler_controller_metric_computation_total";
        let text = format!(
            "# HELP {name} x\n\
             {name}{{action=\"none\",error=\"none\",metric_type=\"Pods\"}} 7\n\
             {name}{{action=\"scale_up\",error=\"none\",metric_type=\"Pods\"}} 2\n\
             {name}{{action=\"none\",error=\"internal\",metric_type=\"Pods\"}} 3\n\
             {name}{{action=\"none\",error=\"none\",metric_type=\"Resource\"}} 9\n"
        );
        assert_eq!(Polls::parse(&text), Polls { good: 9, bad: 3 });
    }

    #[test]
    fn a_rescale_is_new_by_its_event_or_its_count() {
        let mk_rescale = |uid: &str, count| Rescale {
            uid: uid.to_owned(),
            message: "New size: 2".to_owned(),
            count,
            last: String::new(),
        };
        let earlier = [mk_rescale("a", 3)];
        assert!(!mk_rescale("a", 3).is_new_since(&earlier));
        assert!(mk_rescale("a", 4).is_new_since(&earlier));
        assert!(mk_rescale("b", 1).is_new_since(&earlier));
    }

    #[test]
    fn an_hpa_without_a_value_has_none() {
        let mut hpa = Hpa::new(json!({ "status": { "currentMetrics": [
            { "type": "Pods", "pods": { "metric": { "name": "m" },
                "current": { "averageValue": "9876m" } } },
            { "type": "" },
        ] } }));
        assert_eq!(hpa.value("m"), Some(9.876));
        assert_eq!(hpa.value("n"), None);
        assert_eq!(hpa.inactive(), None);
        hpa.0["status"]["conditions"] = json!([
            { "type": "ScalingActive", "status": "False", "reason": "R", "message": "M" },
        ]);
        assert_eq!(hpa.inactive().as_deref(), Some("R: M"));
        assert!(hpa.active().is_err());
    }
}
