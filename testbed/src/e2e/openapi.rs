//! OpenAPI of the adapter's groups, as kube-apiserver and kubectl want it.

use super::{
    Failure, Outcome, ensure,
    world::{API_SERVICES, AUTOSCALER, World},
};
use crate::cluster::Component;

/// Enough for all that kube-apiserver has said since it started.
const LINES: usize = 100_000;

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    // `kubectl explain pods.metrics.k8s.io` would explain the field `metrics` of core pods, whatever
    // is served.
    for (resource, words) in [
        ("pods", ["PodMetrics", "containers", "timestamp", "window"]),
        ("nodes", ["NodeMetrics", "usage", "timestamp", "window"]),
    ] {
        let explain = ["explain", resource, "--api-version=metrics.k8s.io/v1beta1"];
        let shown = world.wait("an explanation", AUTOSCALER, || world.kubectl(&explain))?;
        ensure!(words.iter().all(|word| shown.contains(word)), "{shown}");
    }
    let log = world.cluster.component_log(Component::Apiserver, LINES);
    let complaints = complaints(&log);
    ensure!(
        complaints.is_empty(),
        "{} lines, first and last:\n{}\n{}",
        complaints.len(),
        complaints.first().unwrap_or(&""),
        complaints.last().unwrap_or(&"")
    );
    let documents = documents(world)?;
    Ok(vec![format!(
        "{documents} documents, and no complaint in kube-apiserver's log"
    )])
}

/// Words of kube-apiserver's about an APIService behind which nobody answers, as while the pods start:
/// no fault of the documents. It is silent or says something else of a 404.
const AWAY: [&str; 2] = ["ResponseCode: 503", "could not get list of group versions"];

/// What kube-apiserver finds fault with in the OpenAPI of our APIServices.
fn complaints(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.starts_with(['E', 'W']))
        .filter(|line| line.to_lowercase().contains("openapi"))
        .filter(|line| API_SERVICES.iter().any(|name| line.contains(name)))
        .filter(|line| !AWAY.iter().any(|words| line.contains(words)))
        .collect()
}

/// Each group version has a document of its own, by the aggregator.
fn documents(world: &World) -> Result<usize, Failure> {
    let index = world.get("/openapi/v3")?;
    for name in API_SERVICES {
        let Some((version, group)) = name.split_once('.') else {
            return Err(Failure::new(format!("no version in {name}")));
        };
        let path = &index["paths"][format!("apis/{group}/{version}")]["serverRelativeURL"];
        let path = path
            .as_str()
            .ok_or_else(|| Failure::new(format!("{group}/{version} is not in /openapi/v3")))?;
        let document = world.get(path)?;
        ensure!(
            document["openapi"].is_string() && document["paths"].is_object(),
            "{path}: not OpenAPI 3"
        );
    }
    Ok(API_SERVICES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_our_documents_count() {
        let ours = "E1121 1 controller.go:102] loading OpenAPI spec for \
                    \"v1beta1.external.metrics.k8s.io\" failed with: resource not found";
        let away = ours.replace("resource not found", AWAY[0]);
        let other = ours.replace("external.metrics.k8s.io", "example.com");
        let fine = ours.replace("E1121", "I1121");
        let log = [ours, &away, &other, &fine].join("\n");
        assert_eq!(complaints(&log), [ours]);
    }
}
