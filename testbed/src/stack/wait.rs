//! The conditions of an installed stack. Law: each says what is seen instead while it waits.

use std::time::Duration;

use serde_json::Value;

use super::{HPA, NAMESPACE, Release, Stack};
use crate::{
    cluster::wait_until,
    error::{Error, Result},
};

/// What the HPA reads first: requests/s of each pod.
pub const REQUESTS_METRIC: &str = "travelaudience_gserver_operations_ops_per_second";
/// What the HPA reads second: mean latency of each pod, in seconds.
pub const LATENCY_METRIC: &str = "travelaudience_gserver_operations_ops_duration_mean_seconds";

/// The APIServices that the adapter's chart registers.
const API_SERVICES: [&str; 2] = [
    "v1beta1.custom.metrics.k8s.io",
    "v1beta2.custom.metrics.k8s.io",
];

/// Pods start in seconds; metrics take two scrapes, an evaluation and a relist; the HPA looks every
/// 15 s. Enough for all of that on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

impl Stack {
    /// Waits until a release's Deployment has all its pods, of the current revision and available.
    ///
    /// # Errors
    /// When it does not, with the Deployment's own message.
    pub fn wait_available(&self, release: Release) -> Result<()> {
        let (namespace, name) = (release.namespace(), release.deployment());
        wait_until(&format!("deployment {name} available"), PATIENCE, || {
            let deployment = self.get(&["deployment", name, "-n", namespace])?;
            available(&deployment)
        })
        .map_err(|error| self.explained(error, release))
    }

    /// Waits until the kube-apiserver reaches the adapter, for both versions of the API.
    ///
    /// # Errors
    /// When it does not, with the condition's own message.
    pub fn wait_api_services(&self) -> Result<()> {
        wait_until("APIServices available", PATIENCE, || {
            for name in API_SERVICES {
                let service = self.get(&["apiservice", name])?;
                condition(&service, "Available").map_err(|seen| format!("{name}: {seen}"))?;
            }
            Ok(())
        })
        .map_err(|error| self.explained(error, Release::MetricsAdapter))
    }

    /// Waits until the API serves both metrics for every pod of the server that will stay.
    ///
    /// # Errors
    /// When it does not, with what it serves instead.
    pub fn wait_metrics(&self) -> Result<()> {
        wait_until("metrics served", PATIENCE, || {
            let pods = self.get(&["pods", "-n", NAMESPACE, "-l", "app=server"])?;
            let pods = staying(&pods);
            for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
                let list = self
                    .cluster
                    .get_raw(&metric_path(metric))
                    .map_err(|error| error.to_string())?;
                let served = |pod: &&str| {
                    let items = list["items"].as_array();
                    let mut items = items.into_iter().flatten();
                    items.any(|item| item["describedObject"]["name"] == **pod)
                };
                if pods.is_empty() {
                    return Err("there are no pods".to_owned());
                }
                if let Some(pod) = pods.iter().find(|pod| !served(pod)) {
                    return Err(format!("no {metric} for pod {pod}"));
                }
            }
            Ok(())
        })
        .map_err(|error| self.explained(error, Release::MetricsAdapter))
    }

    /// Waits until the HPA can compute a number of pods, and shows a value for each metric.
    ///
    /// # Errors
    /// When it does not, with the condition's own message.
    pub fn wait_hpa(&self) -> Result<()> {
        wait_until("HPA active", PATIENCE, || {
            let hpa = self.get(&["hpa", HPA, "-n", NAMESPACE])?;
            condition(&hpa, "ScalingActive")?;
            let wanted = hpa["spec"]["metrics"].as_array().map_or(0, Vec::len);
            let current = hpa["status"]["currentMetrics"].as_array();
            let current = current
                .into_iter()
                .flatten()
                .filter(|metric| metric["pods"]["current"]["averageValue"].is_string())
                .count();
            if current == wanted {
                Ok(())
            } else {
                Err(format!("{current} of {wanted} metrics have a value"))
            }
        })
        .map_err(|error| self.explained(error, Release::MetricsAdapter))
    }

    fn get(&self, args: &[&str]) -> std::result::Result<Value, String> {
        self.cluster
            .kubectl_json([&["get"], args].concat())
            .map_err(|error| error.to_string())
    }

    /// The end of the pods' log helps more than the condition alone.
    fn explained(&self, error: Error, release: Release) -> Error {
        let Error::Timeout { what, within, last } = error else {
            return error;
        };
        let pods = format!("deployment/{}", release.deployment());
        let log = self
            .cluster
            .logs(release.namespace(), &pods)
            .unwrap_or_else(|error| error.to_string());
        let mut tail: Vec<&str> = log.lines().rev().take(5).collect();
        tail.reverse();
        Error::Timeout {
            what,
            within,
            last: format!("{last}\nthe log of {pods} ends:\n{}", tail.join("\n")),
        }
    }
}

/// Where the API serves a metric of all the server's pods.
pub(crate) fn metric_path(metric: &str) -> String {
    format!(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/pods/*/{metric}?labelSelector=app%3Dserver"
    )
}

/// `Err` says how far a Deployment is.
fn available(deployment: &Value) -> std::result::Result<(), String> {
    let status = &deployment["status"];
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let observed = status["observedGeneration"] == deployment["metadata"]["generation"];
    let (updated, available, all) = (
        count("updatedReplicas"),
        count("availableReplicas"),
        count("replicas"),
    );
    if observed && updated == wanted && available == wanted && all == wanted {
        Ok(())
    } else {
        Err(format!(
            "{available} of {wanted} pods available, {updated} up to date, {all} in all"
        ))
    }
}

/// Names of the pods that are not about to end: after an upgrade the old ones still answer a while.
fn staying(pods: &Value) -> Vec<&str> {
    let items = pods["items"].as_array();
    items
        .into_iter()
        .flatten()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .filter_map(|pod| pod["metadata"]["name"].as_str())
        .collect()
}

/// `Err` is the message of a condition that is not true.
fn condition(object: &Value, kind: &str) -> std::result::Result<(), String> {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    match found {
        Some(condition) if condition["status"] == "True" => Ok(()),
        Some(condition) => Err(format!(
            "{kind} is {}: {}",
            condition["status"].as_str().unwrap_or_default(),
            condition["message"].as_str().unwrap_or_default()
        )),
        None => Err(format!("no condition {kind} yet")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_available_when_all_pods_of_the_current_revision_are() {
        let mut deployment = json!({
            "metadata": { "generation": 2 },
            "spec": { "replicas": 2 },
            "status": {
                "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
            },
        });
        assert_eq!(available(&deployment), Ok(()));
        deployment["status"]["availableReplicas"] = json!(1);
        assert_eq!(
            available(&deployment),
            Err("1 of 2 pods available, 2 up to date, 2 in all".to_owned())
        );
        deployment["status"] = json!({ "observedGeneration": 1 });
        assert!(available(&deployment).is_err(), "no status yet");
        let none = json!({
            "metadata": { "generation": 1 },
            "spec": { "replicas": 0 },
            "status": { "observedGeneration": 1 },
        });
        assert_eq!(available(&none), Ok(()), "none are wanted");
    }

    #[test]
    fn a_pod_that_is_about_to_end_does_not_stay() {
        let pods = json!({ "items": [
            { "metadata": { "name": "old", "deletionTimestamp": "2025-01-01T00:00:00Z" } },
            { "metadata": { "name": "new" } },
        ] });
        assert_eq!(staying(&pods), ["new"]);
        assert!(staying(&Value::Null).is_empty());
    }

    #[test]
    fn a_condition_that_is_false_says_why() {
        let object = json!({ "status": { "conditions": [
            { "type": "AbleToScale", "status": "True" },
            { "type": "ScalingActive", "status": "False", "message": "no metrics" },
        ] } });
        assert_eq!(condition(&object, "AbleToScale"), Ok(()));
        assert_eq!(
            condition(&object, "ScalingActive"),
            Err("ScalingActive is False: no metrics".to_owned())
        );
        assert_eq!(
            condition(&json!({}), "Ready"),
            Err("no condition Ready yet".to_owned())
        );
    }
}
