//! `explain RESOURCE/METRIC` and `explain external/METRIC`: asks a running adapter through
//! kube-apiserver, as an HPA does, and tells what it answers, or why it does not.

mod refusal;
mod text;

use std::fmt;

pub use refusal::Refusal;
pub use text::text;

use super::cluster::{Answer, Cluster, encode};
use super::document::{API_VERSION, Document};
use super::style::Style;

/// Kinds whose metrics are in no namespace.
const ROOT: [&str; 2] = ["nodes", "persistentvolumes"];

/// A metric, as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// What it is of.
    pub subject: Subject,
    /// The namespace; nodes have none.
    pub namespace: String,
    /// Its name.
    pub metric: String,
    /// Restriction on the series; as typed.
    pub metric_selector: String,
}

/// What a metric is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Objects of a kind, such as `pods` or `deployments.apps`.
    Objects {
        /// The kind.
        resource: String,
        /// Which of them.
        which: Which,
    },
    /// Nothing in the cluster.
    External,
}

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one of this name.
    Name(String),
    /// Those that a selector matches; as typed.
    Selector(String),
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Explained {
    /// The adapter's answer.
    Told(Box<Document>),
    /// There is none.
    Refused(Refusal),
    /// The user may not have it; of the metric that says nothing.
    Forbidden(Refusal),
}

impl Metric {
    /// The APIService that serves it.
    pub(super) const fn api_service(&self) -> &'static str {
        match self.subject {
            Subject::Objects { .. } => "v1beta2.custom.metrics.k8s.io",
            Subject::External => "v1beta1.external.metrics.k8s.io",
        }
    }

    /// Where its values are, without a query.
    pub(super) fn path(&self) -> String {
        let (namespace, metric) = (encode(&self.namespace), encode(&self.metric));
        let Subject::Objects { resource, which } = &self.subject else {
            let group = "/apis/external.metrics.k8s.io/v1beta1";
            return format!("{group}/namespaces/{namespace}/{metric}");
        };
        let group = "/apis/custom.metrics.k8s.io/v1beta2";
        let name = match which {
            Which::Name(name) => encode(name),
            Which::Selector(_) => "*".to_owned(),
        };
        match resource.as_str() {
            "namespaces" => match which {
                Which::Name(name) => {
                    format!("{group}/namespaces/{}/metrics/{metric}", encode(name))
                }
                Which::Selector(_) => format!("{group}/namespaces/{namespace}/metrics/{metric}"),
            },
            root if ROOT.contains(&root) => format!("{group}/{root}/{name}/{metric}"),
            other => {
                let resource = encode(other);
                format!("{group}/namespaces/{namespace}/{resource}/{name}/{metric}")
            }
        }
    }

    /// The parameters of a request for its values.
    pub(super) fn parameters(&self) -> Vec<String> {
        let mut parameters = Vec::new();
        let (objects, series) = match &self.subject {
            Subject::External => ("", "labelSelector"),
            Subject::Objects { which, .. } => match which {
                Which::Selector(selector) => (selector.as_str(), "metricLabelSelector"),
                Which::Name(_) => ("", "metricLabelSelector"),
            },
        };
        if !objects.is_empty() {
            parameters.push(format!("labelSelector={}", encode(objects)));
        }
        if !self.metric_selector.is_empty() {
            parameters.push(format!("{series}={}", encode(&self.metric_selector)));
        }
        parameters
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::External => write!(f, "external/{} in {}", self.metric, self.namespace),
            Subject::Objects { resource, .. } if ROOT.contains(&resource.as_str()) => {
                write!(f, "{resource}/{}", self.metric)
            }
            Subject::Objects { resource, .. } => {
                write!(f, "{resource}/{} in {}", self.metric, self.namespace)
            }
        }
    }
}

/// Asks for an explanation.
pub async fn explain(cluster: &impl Cluster, metric: &Metric) -> Explained {
    let mut parameters = metric.parameters();
    parameters.push("explain=true".to_owned());
    let path = format!("{}?{}", metric.path(), parameters.join("&"));
    let answer = match cluster.get(&path).await {
        Ok(answer) => answer,
        // The adapter may be what does not answer, behind a kube-apiserver that does.
        Err(problem) => {
            let answer = Answer {
                status: 504,
                body: problem,
            };
            return Explained::Refused(Refusal::of(cluster, metric, &answer).await);
        }
    };
    if let Ok(document) = answer.read::<Document>()
        && document.api_version == API_VERSION
    {
        return Explained::Told(Box::new(document));
    }
    let refusal = Refusal::of(cluster, metric, &answer).await;
    match answer.status {
        401 | 403 => Explained::Forbidden(refusal),
        _ => Explained::Refused(refusal),
    }
}

impl Explained {
    /// Whether there are values, and none is missing.
    pub const fn is_well(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Forbidden(_) => false,
            Self::Told(document) => document.cause.is_none(),
        }
    }

    /// The whole, for people.
    pub fn text(&self, metric: &Metric, style: Style) -> String {
        match self {
            Self::Refused(refusal) | Self::Forbidden(refusal) => {
                refusal.text(&metric.to_string(), style)
            }
            Self::Told(document) => text(metric, document, style),
        }
    }
}

#[cfg(test)]
mod tests;
