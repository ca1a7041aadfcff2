//! Why the adapter did not answer, found out with the user's own rights.

use serde::{Deserialize, Serialize};

use super::super::cluster::{Answer, Cluster};
use super::super::style::{Lines, Style};
use super::{Metric, Subject};

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The true cause in a sentence.
    pub cause: String,
    /// What helps; the first line is the most telling one.
    pub advice: Vec<String>,
}

/// An APIService, as far as it tells whether it works.
#[derive(Deserialize)]
struct ApiService {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// kube-apiserver itself does not answer.
    pub(in crate::explain) fn unreachable(problem: &str) -> Self {
        Self {
            cause: format!("kube-apiserver cannot be reached: {problem}"),
            advice: vec!["is it the right kubeconfig, and the right context?".to_owned()],
        }
    }

    /// Something else than an explanation was answered.
    pub(super) async fn of(cluster: &impl Cluster, metric: &Metric, answer: &Answer) -> Self {
        match answer.status {
            200 => Self {
                cause: format!(
                    "whoever serves {} does not know explain=true: it is another adapter, or an \
                     older one",
                    metric.api_service()
                ),
                advice: vec!["values are served all the same".to_owned()],
            },
            401 => Self {
                cause: "kube-apiserver does not know the user: 401 Unauthorized".to_owned(),
                advice: vec![
                    "the credentials of the kubeconfig are wrong, or have expired".to_owned(),
                ],
            },
            403 => Self::forbidden(metric, answer),
            _ => Self::of_api_service(cluster, metric, answer).await,
        }
    }

    /// Which rule of RBAC is missing: kube-apiserver judges the request for values, the adapter the
    /// explanation.
    fn forbidden(metric: &Metric, answer: &Answer) -> Self {
        let message = answer.message();
        let is_adapters = message.contains("/explain/");
        let rule = if is_adapters {
            let path = metric.path();
            let below = match path.split_once("/namespaces/") {
                Some((group, within)) => {
                    let namespace = within.split('/').next().unwrap_or_default();
                    format!("{group}/namespaces/{namespace}/*")
                }
                None => path,
            };
            format!("{{nonResourceURLs: [\"/explain{below}\"], verbs: [get]}}")
        } else {
            let (group, resource) = match &metric.subject {
                Subject::Objects { resource, .. } if resource == "namespaces" => (
                    "custom.metrics.k8s.io",
                    format!("metrics/{}", metric.metric),
                ),
                Subject::Objects { resource, .. } => (
                    "custom.metrics.k8s.io",
                    format!("{resource}/{}", metric.metric),
                ),
                Subject::External => ("external.metrics.k8s.io", metric.metric.clone()),
            };
            format!("{{apiGroups: [{group}], resources: [\"{resource}\"], verbs: [get, list]}}")
        };
        let missing = if is_adapters {
            "to explain it"
        } else {
            "to read the metric at all"
        };
        Self {
            cause: format!("RBAC does not allow {missing}: {message}"),
            advice: vec![
                format!("a ClusterRole with this rule, bound to the user, allows it: {rule}"),
                "apiVersion: rbac.authorization.k8s.io/v1".to_owned(),
                "kind: ClusterRole".to_owned(),
                "metadata: {name: metrics-adapter-explain}".to_owned(),
                format!("rules: [{rule}]"),
            ],
        }
    }

    async fn of_api_service(cluster: &impl Cluster, metric: &Metric, answer: &Answer) -> Self {
        let name = metric.api_service();
        let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}");
        let said = answer.message();
        let found = match cluster.get(&path).await {
            Ok(found) => found,
            Err(problem) => return Self::unreachable(&problem),
        };
        if found.status == 404 {
            return Self {
                cause: format!("there is no APIService {name}: nothing serves this API"),
                advice: vec![
                    "the chart metrics-adapter makes it, where its rules are of this API"
                        .to_owned(),
                ],
            };
        }
        let service: ApiService = match found.read() {
            Ok(service) => service,
            Err(problem) => {
                return Self {
                    cause: said,
                    advice: vec![format!(
                        "the APIService {name} cannot be looked at: {problem}"
                    )],
                };
            }
        };
        let mut conditions = service.status.conditions.into_iter();
        let available = conditions.find(|condition| condition.r#type == "Available");
        match available {
            Some(Condition {
                status,
                reason,
                message,
                ..
            }) if status != "True" => Self {
                cause: format!("the APIService {name} is not available: {reason}: {message}"),
                advice: vec![
                    advice(&reason, &message).to_owned(),
                    format!("answered: {said}"),
                ],
            },
            _ if answer.status == 404 => Self {
                cause: format!(
                    "the adapter has no rules of this API, so that it is not there: {said}"
                ),
                advice: vec![format!("the APIService {name} is there and available")],
            },
            _ => Self {
                cause: said,
                advice: vec![format!("the APIService {name} is there and available")],
            },
        }
    }

    /// For people: cause and advice first.
    pub fn text(&self, what: &str, style: Style) -> String {
        let mut lines = Lines::default();
        lines.headline(what, &style.bad(&self.cause));
        for line in &self.advice {
            lines.add(1, line);
        }
        lines.into_text()
    }
}

/// What to do about an APIService that is not available, by kube-apiserver's reasons.
fn advice(reason: &str, message: &str) -> &'static str {
    if message.contains("x509") || message.contains("certificate") {
        return "its caBundle is not the authority of the adapter's certificate, or the certificate \
                has another name";
    }
    match reason {
        "MissingEndpoints" | "EndpointsNotFound" => {
            "no pod of the adapter is ready: look at its /readyz, and at the Service's selector"
        }
        "ServiceNotFound" => "the Service that it names does not exist",
        _ => "kube-apiserver does not reach the adapter: is there a NetworkPolicy or a firewall?",
    }
}
