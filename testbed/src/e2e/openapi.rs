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
    let shown = world.wait("an explanation of PodMetrics", AUTOSCALER, || {
        world.kubectl(&["explain", "pods.metrics.k8s.io"])
    })?;
    ensure!(
        ["PodMetrics", "containers", "timestamp", "window"]
            .iter()
            .all(|word| shown.contains(word)),
        "{shown}"
    );
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

/// What kube-apiserver finds fault with in the OpenAPI of our APIServices. That nobody answers (503)
/// while the pods start or restart is no fault of the documents.
fn complaints(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.starts_with(['E', 'W']))
        .filter(|line| line.to_lowercase().contains("openapi"))
        .filter(|line| API_SERVICES.iter().any(|name| line.contains(name)))
        .filter(|line| !line.contains("503"))
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
                    \"v1beta1.external.metrics.k8s.io\" failed with: 404";
        let away = ours.replace("404", "ResponseCode: 503");
        let other = ours.replace("external.metrics.k8s.io", "example.com");
        let fine = ours.replace("E1121", "I1121");
        let log = [ours, &away, &other, &fine].join("\n");
        assert_eq!(complaints(&log), [ours]);
    }
}
