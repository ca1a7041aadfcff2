//! The stack as installed: pods and APIServices, discovery, values in every form, refusals, and
//! how far the containers are confined.

use reqwest::Method;
use serde_json::Value;

use super::{
    Failure, Outcome,
    container::Process,
    ensure, quantity,
    world::{API_SERVICES, AUTOSCALER, PODS, World, api_service, items, pods_path, text},
};
use crate::stack::{LATENCY_METRIC, NAMESPACE, REQUESTS_METRIC, Release};

const GROUP: &str = "/apis/custom.metrics.k8s.io";
const VERSIONS: [&str; 2] = ["v1beta1", "v1beta2"];

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let containers = pods(world)?;
    api_services(world)?;
    discovery(world)?;
    values(world)?;
    namespace_values(world)?;
    refusals(world)?;
    Ok(vec![format!(
        "{containers} containers are confined: not root, no capability, read-only"
    )])
}

/// All ready, none restarted, each confined. Says how many containers that are.
fn pods(world: &World) -> Result<usize, Failure> {
    let mut seen = 0;
    for release in Release::ALL {
        world.wait_rolled_out(release)?;
        let instance = format!("app.kubernetes.io/instance={}", release.name());
        let pods = world.wait("all pods ready", PODS, || {
            let pods = world.pods(release.namespace(), &instance)?;
            ensure!(
                !pods.is_empty() && pods.iter().all(|pod| pod.ready && !pod.terminating),
                "{pods:?}"
            );
            Ok(pods)
        })?;
        for pod in pods {
            ensure!(pod.restarts == 0, "{} has restarted: {pod:?}", pod.name);
            for container in &pod.containers {
                seen += 1;
                for process in Process::of(container)? {
                    let wrong = process.looseness()?;
                    ensure!(wrong.is_empty(), "{} {}", pod.name, wrong.join(", "));
                }
            }
        }
    }
    Ok(seen)
}

fn api_services(world: &World) -> Result<(), Failure> {
    world.all_available()?;
    for name in API_SERVICES {
        let spec = &world.get(&api_service(name))?["spec"];
        ensure!(
            spec.get("insecureSkipTLSVerify").is_none(),
            "{name} skips the verification of certificates: {spec}"
        );
        ensure!(spec["caBundle"].is_string(), "{name} has no caBundle");
    }
    Ok(())
}

fn discovery(world: &World) -> Result<(), Failure> {
    let listed = [REQUESTS_METRIC, LATENCY_METRIC].map(|metric| format!("pods/{metric}"));
    // As kubectl asks, through the aggregator.
    for version in VERSIONS {
        let path = format!("{GROUP}/{version}");
        let document: Value = world.cluster.get_raw(&path)?;
        ensure!(
            document["kind"] == "APIResourceList"
                && document["groupVersion"] == format!("custom.metrics.k8s.io/{version}"),
            "{document}"
        );
        let resources = document["resources"].as_array();
        for name in &listed {
            let found = resources
                .into_iter()
                .flatten()
                .find(|resource| resource["name"] == name.as_str());
            ensure!(
                found.is_some_and(|it| it["namespaced"] == true
                    && it["kind"] == "MetricValueList"
                    && it["verbs"] == serde_json::json!(["get"])),
                "{name} in {document}"
            );
        }
    }
    let group = world.get(GROUP)?;
    let versions: Vec<String> = group["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|version| text(&version["version"]))
        .collect();
    ensure!(
        VERSIONS
            .iter()
            .all(|version| versions.iter().any(|it| it == version)),
        "{group}"
    );
    // The aggregated form, as the aggregator has put it together.
    world.wait("the group in aggregated discovery", AUTOSCALER, || {
        aggregated(world)
    })?;
    // client-go leaves out what has a slash, so there is nothing to show: but no error either.
    let shown = world
        .cluster
        .kubectl(["api-resources", "--api-group=custom.metrics.k8s.io"])?;
    ensure!(shown.success && shown.stderr.is_empty(), "{}", shown.stderr);
    Ok(())
}

fn aggregated(world: &World) -> Result<(), Failure> {
    let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let answer = world
        .admin()
        .send(Method::GET, "/apis", &[("Accept", form)])?;
    let document = answer.expect(200)?;
    let group = items(&document)
        .iter()
        .find(|group| group["metadata"]["name"] == "custom.metrics.k8s.io");
    let group = group.ok_or_else(|| Failure::new(format!("no such group: {answer}")))?;
    for wanted in VERSIONS {
        let version = group["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|version| version["version"] == wanted);
        let version = version.ok_or_else(|| Failure::new(format!("no {wanted} in {group}")))?;
        ensure!(version["freshness"] == "Current", "{version}");
        let pods = version["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|resource| resource["resource"] == "pods");
        let subresources = pods.and_then(|pods| pods["subresources"].as_array());
        for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
            ensure!(
                subresources
                    .into_iter()
                    .flatten()
                    .any(|it| it["subresource"] == metric),
                "{metric} in {version}"
            );
        }
    }
    Ok(())
}

/// By name, by `*`, by labels of the objects and of the series.
fn values(world: &World) -> Result<(), Failure> {
    let servers = world.servers()?;
    let [server] = servers.as_slice() else {
        return Err(Failure::new(format!("not one server: {servers:?}")));
    };
    for version in VERSIONS {
        for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
            let all = pods_path(version, "*", metric);
            for path in [
                pods_path(version, &server.name, metric),
                all.clone(),
                format!("{all}?labelSelector=app%3Dserver"),
                format!("{all}?labelSelector=app%20in%20(server,other)"),
                format!("{all}?metricLabelSelector=app%3Dserver"),
            ] {
                let list = world.admin().get(&path)?.expect(200)?;
                ensure!(
                    list["kind"] == "MetricValueList"
                        && list["apiVersion"] == format!("custom.metrics.k8s.io/{version}"),
                    "{path}: {list}"
                );
                let [item] = items(&list) else {
                    return Err(Failure::new(format!("{path}: not one item: {list}")));
                };
                let object = &item["describedObject"];
                ensure!(
                    object["kind"] == "Pod"
                        && object["name"] == server.name.as_str()
                        && object["namespace"] == NAMESPACE,
                    "{path}: {item}"
                );
                check_value(version, metric, item)?;
            }
            // The client's pods are there, and have no such metric.
            let none = format!("{all}?metricLabelSelector=app%3Dother");
            let list = world.admin().get(&none)?.expect(200)?;
            ensure!(items(&list).is_empty(), "{none}: {list}");
        }
    }
    Ok(())
}

/// The value of a namespace as a whole.
fn namespace_values(world: &World) -> Result<(), Failure> {
    for version in VERSIONS {
        for metric in [REQUESTS_METRIC, LATENCY_METRIC] {
            let path = format!("{GROUP}/{version}/namespaces/{NAMESPACE}/metrics/{metric}");
            let list = world.admin().get(&path)?.expect(200)?;
            let [item] = items(&list) else {
                return Err(Failure::new(format!("{path}: not one item: {list}")));
            };
            let object = &item["describedObject"];
            ensure!(
                object["kind"] == "Namespace" && object["name"] == NAMESPACE,
                "{path}: {item}"
            );
            check_value(version, metric, item)?;
        }
    }
    Ok(())
}

/// A version's own field names, a positive quantity, a timestamp in whole seconds.
fn check_value(version: &str, metric: &str, item: &Value) -> Result<(), Failure> {
    let name = if version == "v1beta1" {
        &item["metricName"]
    } else {
        &item["metric"]["name"]
    };
    ensure!(name == metric, "{item}");
    let value = item["value"].as_str().and_then(quantity::parse);
    ensure!(value.is_some_and(|value| value > 0.0), "{item}");
    let timestamp = text(&item["timestamp"]);
    ensure!(
        timestamp.len() == "2024-01-01T00:00:00Z".len() && timestamp.ends_with('Z'),
        "{item}"
    );
    Ok(())
}

fn refusals(world: &World) -> Result<(), Failure> {
    let admin = world.admin();
    let get = |path: String| admin.get(&path);
    for version in VERSIONS {
        let known = pods_path(version, "*", REQUESTS_METRIC);
        let message = get(pods_path(version, "*", "no_such_metric"))?.refusal(404, "NotFound")?;
        ensure!(
            message.contains("the server could not find the metric no_such_metric for pods"),
            "{message}"
        );
        get(pods_path(version, "no-such-pod", REQUESTS_METRIC))?.refusal(404, "NotFound")?;
        get(format!("{known}?labelSelector=app%3Dno-such-app"))?.refusal(404, "NotFound")?;
        get(format!(
            "{GROUP}/{version}/namespaces/{NAMESPACE}/metrics/no_such_metric"
        ))?
        .refusal(404, "NotFound")?;
        for parameter in ["labelSelector", "metricLabelSelector"] {
            let message =
                get(format!("{known}?{parameter}=a%20b%20c"))?.refusal(400, "BadRequest")?;
            ensure!(message.contains(parameter), "{message}");
        }
        get(format!("{GROUP}/{version}/namespaces/{NAMESPACE}/foo"))?.refusal(400, "BadRequest")?;
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            admin
                .send(method, &known, &[])?
                .refusal(405, "MethodNotAllowed")?;
        }
    }
    Ok(())
}
