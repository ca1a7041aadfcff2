//! A HorizontalPodAutoscaler, as far as it decides about replicas.

mod manifest;
mod quantity;

use std::fmt;
use std::path::PathBuf;

pub use manifest::{parse, read};

use super::behavior::Behavior;
use super::controller::Bounds;
use crate::model::Selector;

/// Why a file is no HPA that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: cannot read the manifest: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        cause: std::io::Error,
    },
    /// It is something else, or a field is wrong.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line or field, and what is wrong.
        message: String,
    },
}

/// A valid HPA.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `scaleTargetRef`.
    pub workload: Workload,
    /// `minReplicas` and `maxReplicas`.
    pub bounds: Bounds,
    /// `metrics`, at least one.
    pub metrics: Vec<Metric>,
    /// `behavior`, with the API server's defaults filled in.
    pub behavior: Option<Behavior>,
}

/// What is scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// For instance `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// One metric and its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// What is measured.
    pub source: Source,
    /// What it should be.
    pub target: Target,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Pods`: a custom metric of each pod.
    Pods {
        /// Its name.
        metric: String,
        /// Restriction on the series.
        selector: Selector,
    },
    /// `Object`: a custom metric of one object.
    Object {
        /// Its name.
        metric: String,
        /// Restriction on the series.
        selector: Selector,
        /// The object's kind.
        kind: String,
        /// The object's name.
        object: String,
    },
    /// `External`: of nothing in the cluster.
    External {
        /// Its name.
        metric: String,
        /// Restriction on the series.
        selector: Selector,
    },
    /// `Resource` and `ContainerResource`: what pods use.
    Resource {
        /// `cpu` or `memory`.
        resource: String,
        /// One container of the pods; all without it.
        container: Option<String>,
    },
}

impl Source {
    /// The metric's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Pods { metric, .. }
            | Self::Object { metric, .. }
            | Self::External { metric, .. } => metric,
            Self::Resource { resource, .. } => resource,
        }
    }

    /// Whether it is about CPU, of which new pods need more than later.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Resource { resource, .. } if resource == "cpu")
    }

    /// Whether each pod has a value of its own.
    pub const fn is_per_pod(&self) -> bool {
        matches!(self, Self::Pods { .. } | Self::Resource { .. })
    }
}

/// The qualified name, which is another one for every metric.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, selector) = match self {
            Self::Pods { metric, selector } => (format!("pods/{metric}"), selector),
            Self::Object {
                metric,
                selector,
                kind,
                object,
            } => (format!("{kind}/{object}/{metric}"), selector),
            Self::External { metric, selector } => (format!("external/{metric}"), selector),
            Self::Resource {
                resource,
                container,
            } => {
                return match container {
                    None => write!(f, "resource/{resource}"),
                    Some(container) => write!(f, "container/{container}/{resource}"),
                };
            }
        };
        f.write_str(&name)?;
        if selector.is_everything() {
            return Ok(());
        }
        write!(f, "{{{selector}}}")
    }
}

/// What a metric should be, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The whole.
    Value(i64),
    /// Per pod.
    AverageValue(i64),
    /// Percents of what the pods request.
    Utilization(i32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::model::Quantity;
        match self {
            Self::Value(milli) => write!(f, "{} in all", Quantity::from_milli(*milli)),
            Self::AverageValue(milli) => write!(f, "{} per pod", Quantity::from_milli(*milli)),
            Self::Utilization(percents) => write!(f, "{percents} % of the requests"),
        }
    }
}
