//! What every scenario sees of the cluster and may do to it. Reads go to the API itself: kubectl
//! would need a process each, and scenarios look often.

use std::{cell::OnceCell, fs, net::SocketAddr, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    CLIENTS, Failure, ensure,
    hpa::{Hpa, Polls},
    wire::{Answer, Caller, Client, Wire},
};
use crate::{
    cluster::{Cluster, wait_until},
    command::Output,
    layout::{APISERVER, NODE_ADDRESS},
    stack::{HPA, NAMESPACE, REQUESTS_METRIC, Release},
};

/// The adapter's namespace, Deployment and Service.
pub(super) const ADAPTER: &str = "metrics-adapter";
/// The APIServices that the adapter serves.
pub(super) const API_SERVICES: [&str; 4] = [
    "v1beta1.custom.metrics.k8s.io",
    "v1beta2.custom.metrics.k8s.io",
    "v1beta1.external.metrics.k8s.io",
    "v1beta1.metrics.k8s.io",
];
/// How long a pod may take to start or to go. A server's pod drains for 5 s.
pub(super) const PODS: Duration = Duration::from_secs(60);
/// How long the HPA may take to see something new and to act: a window of 30 s must fill, and it
/// looks every 15 s.
pub(super) const AUTOSCALER: Duration = Duration::from_secs(120);

/// Requests/s by which the load is known to have arrived: [`CLIENTS`] make 10.
const MIN_RATE: f64 = 8.0;

/// The stock controller-manager's own metrics.
const CONTROLLER_MANAGER_PORT: u16 = 10257;

/// One scenario's view.
pub(super) struct World {
    /// The cluster.
    pub(super) cluster: Cluster,
    wire: Wire,
    admin: Client,
    controllers: Client,
    prometheus: OnceCell<Client>,
}

/// A pod, as far as scenarios look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) ready: bool,
    /// When Ready last changed.
    pub(super) ready_since: String,
    pub(super) terminating: bool,
    pub(super) restarts: u64,
    pub(super) ip: String,
    /// Ids of the running containers, without the runtime's prefix.
    pub(super) containers: Vec<String>,
}

impl World {
    /// Moves the calling thread into the cluster's network, for good.
    pub(super) fn enter(cluster: &Cluster) -> Result<Self, Failure> {
        let wire = Wire::enter()?;
        let caller = Caller::certificate(identity(cluster, "admin")?);
        let authority = pki(cluster, "ca.crt")?;
        let admin = wire.client(APISERVER, None, Some(&authority), &caller)?;
        let controllers = format!("https://{NODE_ADDRESS}:{CONTROLLER_MANAGER_PORT}");
        let controllers = wire.client(&controllers, None, Some(&authority), &caller)?;
        Ok(Self {
            cluster: cluster.clone(),
            wire,
            admin,
            controllers,
            prometheus: OnceCell::new(),
        })
    }

    // Clients.

    /// kube-apiserver as its administrator sees it.
    pub(super) fn admin(&self) -> &Client {
        &self.admin
    }

    /// Whoever speaks plain HTTP there, such as `http://10.96.0.7:80`.
    pub(super) fn plain(&self, base: &str) -> Result<Client, Failure> {
        self.wire.client(base, None, None, &Caller::anonymous())
    }

    /// kube-apiserver, for any caller.
    pub(super) fn apiserver(&self, caller: &Caller) -> Result<Client, Failure> {
        let authority = pki(&self.cluster, "ca.crt")?;
        self.wire.client(APISERVER, None, Some(&authority), caller)
    }

    /// The adapter's Service without the aggregator in between, by the name and with the
    /// authority that kube-apiserver goes by.
    pub(super) fn adapter(&self, caller: &Caller) -> Result<Client, Failure> {
        self.adapter_trusting(&self.ca_bundle()?, caller)
    }

    /// As [`Self::adapter`], with any authority.
    pub(super) fn adapter_trusting(
        &self,
        authority: &[u8],
        caller: &Caller,
    ) -> Result<Client, Failure> {
        let name = format!("{ADAPTER}.{ADAPTER}.svc");
        let address = SocketAddr::new(self.cluster.service_ip(ADAPTER, ADAPTER)?, 443);
        self.wire.client(
            &format!("https://{name}"),
            Some((&name, address)),
            Some(authority),
            caller,
        )
    }

    /// The authority (PEM) that the APIService trusts.
    pub(super) fn ca_bundle(&self) -> Result<Vec<u8>, Failure> {
        let template = "go-template={{.spec.caBundle | base64decode}}";
        let bundle = self.kubectl(&["get", "apiservice", API_SERVICES[1], "-o", template])?;
        Ok(bundle.into_bytes())
    }

    // Reading.

    /// GET at kube-apiserver, as its administrator, that must succeed.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.admin.get(path)?.expect(200)
    }

    /// kubectl that must succeed; its standard output.
    pub(super) fn kubectl(&self, args: &[&str]) -> Result<String, Failure> {
        Ok(self.cluster.kubectl(args).and_then(Output::checked)?.stdout)
    }

    /// Waits for a condition; a failure of the probe is what is seen instead.
    pub(super) fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        mut probe: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        Ok(wait_until(what, within, || {
            probe().map_err(|failure| failure.to_string())
        })?)
    }

    /// The pods with a label.
    pub(super) fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, Failure> {
        let selector = selector.replace('=', "%3D");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        let list = self.get(&path)?;
        Ok(list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Pod::of)
            .collect())
    }

    /// The adapter's pods.
    pub(super) fn adapters(&self) -> Result<Vec<Pod>, Failure> {
        self.pods(ADAPTER, "app=metrics-adapter")
    }

    /// The server's pods.
    pub(super) fn servers(&self) -> Result<Vec<Pod>, Failure> {
        self.pods(NAMESPACE, "app=server")
    }

    /// The server's HPA.
    pub(super) fn hpa(&self) -> Result<Hpa, Failure> {
        let path =
            format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
        Ok(Hpa::new(self.get(&path)?))
    }

    /// How often the HPA controller has read Pods metrics, and how often in vain.
    pub(super) fn polls(&self) -> Result<Polls, Failure> {
        let answer = self.controllers.get("/metrics")?;
        ensure!(answer.status == 200, "{answer}");
        Ok(Polls::parse(&answer.text))
    }

    /// Waits until the HPA has read both metrics once more.
    pub(super) fn wait_poll(&self) -> Result<(), Failure> {
        let before = self.polls()?;
        self.wait("a good poll by the HPA", AUTOSCALER, || {
            let now = self.polls()?;
            ensure!(now.good >= before.good + 2, "{before:?}, now {now:?}");
            Ok(())
        })
    }

    /// When an APIService last became available. Fails when it is not.
    pub(super) fn available_since(&self, name: &str) -> Result<String, Failure> {
        let service = self.get(&api_service(name))?;
        let condition = condition(&service, "Available");
        ensure!(
            condition["status"] == "True",
            "APIService {name} is not available: {condition}"
        );
        Ok(text(&condition["lastTransitionTime"]))
    }

    /// Fails unless all APIServices are available; since when.
    pub(super) fn all_available(&self) -> Result<Vec<String>, Failure> {
        API_SERVICES
            .iter()
            .map(|name| self.available_since(name))
            .collect()
    }

    /// What the adapter says of the server's pods.
    pub(super) fn values(&self) -> Result<Answer, Failure> {
        self.admin.get(&metric_path(REQUESTS_METRIC))
    }

    /// Prometheus.
    pub(super) fn prometheus(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.prometheus.get() {
            return Ok(client);
        }
        let address = self.cluster.service_ip("monitoring", "prometheus")?;
        let base = format!("http://{address}:9090");
        let client = self.wire.client(&base, None, None, &Caller::anonymous())?;
        Ok(self.prometheus.get_or_init(|| client))
    }

    /// An instant query's samples, as the API writes them.
    pub(super) fn samples(&self, promql: &str) -> Result<Vec<Value>, Failure> {
        let promql: String = promql.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self
            .prometheus()?
            .get(&format!("/api/v1/query?query={promql}"))?
            .expect(200)?;
        let result = answer["data"]["result"].as_array();
        result
            .cloned()
            .ok_or_else(|| Failure::new(format!("no result: {answer}")))
    }

    /// An instant query's only value.
    pub(super) fn query(&self, promql: &str) -> Result<f64, Failure> {
        match self.samples(promql)?.as_slice() {
            [one] => one["value"][1]
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Failure::new(format!("not a number: {one}"))),
            others => Err(Failure::new(format!(
                "{} series instead of one: {others:?}",
                others.len()
            ))),
        }
    }

    /// A pod's own metrics, as text.
    pub(super) fn metrics_of(&self, pod: &Pod, port: u16) -> Result<String, Failure> {
        let base = format!("http://{}:{port}", pod.ip);
        let nobody = Caller::anonymous();
        let client = self.wire.client(&base, None, None, &nobody)?;
        let answer = client.get("/metrics")?;
        ensure!(answer.status == 200, "{answer}");
        Ok(answer.text)
    }

    // Changing.

    /// Sets a Deployment's replicas.
    pub(super) fn scale(&self, release: Release, replicas: u32) -> Result<(), Failure> {
        let (namespace, name) = (release.namespace(), release.deployment());
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale");
        self.merge(&path, &json!({ "spec": { "replicas": replicas } }))
    }

    /// Merges fields into an object.
    pub(super) fn merge(&self, path: &str, fields: &Value) -> Result<(), Failure> {
        self.admin
            .write(Method::PATCH, path, "application/merge-patch+json", fields)?
            .expect(200)
            .map(drop)
    }

    /// Creates an object; `path` is the collection's.
    pub(super) fn create(&self, path: &str, object: &Value) -> Result<Value, Failure> {
        self.admin
            .write(Method::POST, path, "application/json", object)?
            .expect(201)
    }

    /// Deletes an object, if it is there.
    pub(super) fn delete(&self, path: &str) -> Result<(), Failure> {
        let answer = self.admin.send(Method::DELETE, path, &[])?;
        ensure!(
            matches!(answer.status, 200 | 202 | 404),
            "deletion: {answer}"
        );
        Ok(())
    }

    /// Sets the least number of pods that the HPA keeps.
    pub(super) fn set_min_replicas(&self, replicas: u32) -> Result<(), Failure> {
        let path =
            format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
        self.merge(&path, &json!({ "spec": { "minReplicas": replicas } }))
    }

    /// Waits until a Deployment has exactly its pods, all ready, none left of an earlier state.
    pub(super) fn wait_rolled_out(&self, release: Release) -> Result<(), Failure> {
        let (namespace, name) = (release.namespace(), release.deployment());
        self.wait(&format!("{name} rolled out"), PODS, || {
            let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
            let deployment = self.get(&path)?;
            let status = &deployment["status"];
            let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
            let all_are = |field: &str| status[field].as_u64().unwrap_or(0) == wanted;
            ensure!(
                status["observedGeneration"] == deployment["metadata"]["generation"]
                    && ["replicas", "updatedReplicas", "availableReplicas"]
                        .iter()
                        .all(|field| all_are(field)),
                "{status}"
            );
            let labels = &deployment["spec"]["selector"]["matchLabels"];
            let selector: Vec<String> = labels
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                .collect();
            let pods = self.pods(namespace, &selector.join(","))?;
            ensure!(pods.len() as u64 == wanted, "{} pods: {pods:?}", pods.len());
            Ok(())
        })
    }

    /// Puts everything back that a scenario, failed perhaps, may have left otherwise, and waits
    /// until the stack is at rest: one server, the clients' load in the HPA, all pods ready.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        self.scale(Release::Client, CLIENTS)?;
        self.scale(Release::Monitoring, 1)?;
        self.set_min_replicas(1)?;
        self.wait("the server at one pod", AUTOSCALER, || {
            let hpa = self.hpa()?;
            ensure!(hpa.desired() == 1, "the HPA wants {}", hpa.desired());
            hpa.active()?;
            let rate = hpa.value(REQUESTS_METRIC).unwrap_or(0.0);
            ensure!(rate > MIN_RATE, "the HPA sees {rate} requests/s");
            let answer = self.values()?;
            ensure!(items(&answer.expect(200)?).len() == 1, "{answer}");
            Ok(())
        })?;
        for release in Release::ALL {
            self.wait_rolled_out(release)?;
        }
        self.all_available().map(drop)
    }
}

impl Pod {
    fn of(pod: &Value) -> Self {
        let ready = condition(pod, "Ready");
        let containers = || {
            pod["status"]["containerStatuses"]
                .as_array()
                .into_iter()
                .flatten()
        };
        Self {
            name: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            ready: ready["status"] == "True",
            ready_since: text(&ready["lastTransitionTime"]),
            terminating: pod["metadata"]["deletionTimestamp"].is_string(),
            restarts: containers()
                .filter_map(|container| container["restartCount"].as_u64())
                .sum(),
            ip: text(&pod["status"]["podIP"]),
            containers: containers()
                .filter_map(|container| container["containerID"].as_str())
                .filter_map(|id| id.split_once("://"))
                .map(|(_, id)| id.to_owned())
                .collect(),
        }
    }
}

/// Where the API serves a metric of all the server's pods; the HPA asks just so.
pub(super) fn metric_path(metric: &str) -> String {
    pods_path("v1beta2", "*", metric) + "?labelSelector=app%3Dserver"
}

/// Where the API serves a metric of pods in the server's namespace.
pub(super) fn pods_path(version: &str, pod: &str, metric: &str) -> String {
    format!("/apis/custom.metrics.k8s.io/{version}/namespaces/{NAMESPACE}/pods/{pod}/{metric}")
}

/// The items of a list.
pub(super) fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A string of an object; empty when it is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A condition of an object; null when it has none.
pub(super) fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind)
        .cloned()
        .unwrap_or_default()
}

/// Where an APIService is.
pub(super) fn api_service(name: &str) -> String {
    format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")
}

/// A file of the cluster's certificates.
pub(super) fn pki(cluster: &Cluster, file: &str) -> Result<Vec<u8>, Failure> {
    let path = cluster.layout().pki().join(file);
    fs::read(&path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// A client certificate of the cluster with its key, as PEM.
pub(super) fn identity(cluster: &Cluster, user: &str) -> Result<String, Failure> {
    let mut pem = pki(cluster, &format!("{user}.crt"))?;
    pem.extend(pki(cluster, &format!("{user}.key"))?);
    String::from_utf8(pem).map_err(|error| Failure::new(format!("{user}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_read_from_its_status() {
        let pod = Pod::of(&json!({
            "metadata": { "name": "server-1", "uid": "u", "deletionTimestamp": "2024-01-01T00:00:00Z" },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "t" }],
                "containerStatuses": [{ "restartCount": 2, "containerID": "containerd://abc" }],
            },
        }));
        assert!(pod.ready && pod.terminating);
        assert_eq!((pod.restarts, pod.containers), (2, vec!["abc".to_owned()]));
        assert!(!Pod::of(&json!({})).ready);
    }
}
