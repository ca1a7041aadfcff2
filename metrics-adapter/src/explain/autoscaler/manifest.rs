//! `autoscaling/v2` in YAML, read as strictly as the API server reads it: unknown fields and values
//! that it would refuse are errors, what is left out has its defaults.

mod wire;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::super::behavior::{Behavior, Policy, ScalingRules, Select, Step};
use super::super::controller::Bounds;
use super::{Autoscaler, ManifestError, Metric, Source, Target, Workload};
use crate::model::{Operator, Requirement, Selector};
use wire::{Head, Manifest};

const KIND: &str = "HorizontalPodAutoscaler";
const VERSION: &str = "autoscaling/v2";
/// The API server's limits.
const MAX_PERIOD: u32 = 1800;
const MAX_WINDOW: u32 = 3600;

/// What is wrong, naming the field.
type Wrong = String;

/// Reads the one HPA of a file; documents of other kinds beside it do not count.
///
/// # Errors
/// [`ManifestError`], naming the file and the line or field.
pub fn read(path: &Path) -> Result<Autoscaler, ManifestError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ManifestError::Read {
        path: path.to_owned(),
        cause,
    })?;
    parse(&text).map_err(|message| ManifestError::Content {
        path: path.to_owned(),
        message,
    })
}

/// Parses the text of a file, or what kube-apiserver answers.
///
/// # Errors
/// What is wrong, naming the line or the field.
pub fn parse(text: &str) -> Result<Autoscaler, Wrong> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for document in documents(text) {
        let head: Option<Head> = serde_saphyr::from_str(&document).map_err(told)?;
        match head {
            None => {}
            Some(head) if head.kind == KIND && head.api_version == VERSION => found.push(document),
            Some(head) if head.kind == KIND => {
                let version = head.api_version;
                return Err(format!(
                    "apiVersion: {version:?}, but only {VERSION} is read"
                ));
            }
            Some(head) => others.push(format!("{} of {}", head.kind, head.api_version)),
        }
    }
    match (&found[..], &others[..]) {
        ([document], _) => {
            let manifest: Manifest = serde_saphyr::from_str(document).map_err(told)?;
            check(manifest)
        }
        ([], []) => Err(format!("there is no {KIND} in it, nor anything else")),
        ([], others) => {
            let others = others.join(", ");
            Err(format!("kind: there is no {KIND} in it, only {others}"))
        }
        (several, _) => Err(format!(
            "there are {} of {KIND} in it, not one",
            several.len()
        )),
    }
}

/// The documents of a stream, each behind as many empty lines as stand before it, so that
/// positions are those of the file.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (index, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            documents.push("\n".repeat(index + 1));
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// The first line alone: position and cause.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: serde_saphyr::Error) -> Wrong {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn check(manifest: Manifest) -> Result<Autoscaler, Wrong> {
    let spec = manifest.spec;
    let bounds = Bounds {
        min: spec.min_replicas.unwrap_or(1),
        max: spec.max_replicas,
    };
    if bounds.min < 1 {
        return Err(
            "spec.minReplicas: must be 1 or more; 0 takes the feature gate HPAScaleToZero, which \
             is not simulated"
                .to_owned(),
        );
    }
    if bounds.max < bounds.min {
        return Err(format!(
            "spec.maxReplicas: {} is less than spec.minReplicas, {}",
            bounds.max, bounds.min
        ));
    }
    let mut metrics = Vec::new();
    for (index, metric) in spec.metrics.into_iter().flatten().enumerate() {
        let field = format!("spec.metrics[{index}]");
        metrics.push(metric.check(&field)?);
    }
    if metrics.is_empty() {
        // As the API server fills it in.
        metrics.push(Metric {
            source: Source::Resource {
                resource: "cpu".to_owned(),
                container: None,
            },
            target: Target::Utilization(80),
        });
    }
    let behavior = spec.behavior.map(|behavior| {
        let field = "spec.behavior";
        Ok::<_, Wrong>(Behavior {
            up: rules(
                &format!("{field}.scaleUp"),
                behavior.scale_up,
                ScalingRules::up(),
            )?,
            down: rules(
                &format!("{field}.scaleDown"),
                behavior.scale_down,
                ScalingRules::down(),
            )?,
        })
    });
    Ok(Autoscaler {
        name: manifest.metadata.name,
        namespace: manifest.metadata.namespace,
        workload: Workload {
            kind: spec.scale_target_ref.kind,
            name: spec.scale_target_ref.name,
        },
        bounds,
        metrics,
        behavior: behavior.transpose()?,
    })
}

fn rules(
    field: &str,
    given: Option<wire::Rules>,
    mut rules: ScalingRules,
) -> Result<ScalingRules, Wrong> {
    let Some(given) = given else {
        return Ok(rules);
    };
    if let Some(seconds) = given.stabilization_window_seconds {
        if seconds > MAX_WINDOW {
            return Err(format!(
                "{field}.stabilizationWindowSeconds: {seconds} is more than {MAX_WINDOW}"
            ));
        }
        rules.window = Some(Duration::from_secs(seconds.into()));
    }
    if let Some(tolerance) = given.tolerance {
        if tolerance.0 < 0 {
            return Err(format!("{field}.tolerance: must be 0 or more"));
        }
        // As Go's AsApproximateFloat64 multiplies.
        #[allow(clippy::cast_precision_loss)]
        let tolerance = tolerance.0 as f64 * 0.001;
        rules.tolerance = Some(tolerance);
    }
    rules.select = match given.select_policy.as_deref() {
        None | Some("Max") => Select::Max,
        Some("Min") => Select::Min,
        Some("Disabled") => Select::Disabled,
        Some(other) => {
            return Err(format!(
                "{field}.selectPolicy: {other:?} is none of Max, Min and Disabled"
            ));
        }
    };
    if let Some(policies) = given.policies {
        let policy = |(index, policy): (usize, wire::Policy)| {
            let field = format!("{field}.policies[{index}]");
            if !(1..=MAX_PERIOD).contains(&policy.period_seconds) {
                return Err(format!("{field}.periodSeconds: must be 1 to {MAX_PERIOD}"));
            }
            if policy.value < 1 {
                return Err(format!("{field}.value: must be 1 or more"));
            }
            let step = match policy.kind.as_str() {
                "Pods" => Step::Pods(policy.value),
                "Percent" => Step::Percent(policy.value),
                other => return Err(format!("{field}.type: {other:?} is not Pods or Percent")),
            };
            Ok(Policy {
                step,
                period: Duration::from_secs(policy.period_seconds.into()),
            })
        };
        rules.policies = policies
            .into_iter()
            .enumerate()
            .map(policy)
            .collect::<Result<_, _>>()?;
        if rules.policies.is_empty() {
            return Err(format!("{field}.policies: must not be empty"));
        }
    }
    Ok(rules)
}

impl wire::Metric {
    fn check(self, field: &str) -> Result<Metric, Wrong> {
        let given = [
            ("pods", self.pods.is_some()),
            ("object", self.object.is_some()),
            ("external", self.external.is_some()),
            ("resource", self.resource.is_some()),
            ("containerResource", self.container_resource.is_some()),
        ];
        let expected = match self.kind.as_str() {
            "Pods" => "pods",
            "Object" => "object",
            "External" => "external",
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            other => return Err(format!("{field}.type: {other:?} is no type of a metric")),
        };
        if let Some((other, _)) = given.iter().find(|(name, is)| *is && *name != expected) {
            let kind = self.kind;
            return Err(format!("{field}.{other}: does not go with type {kind}"));
        }
        let inner = format!("{field}.{expected}");
        let (source, target) = if let Some(pods) = self.pods {
            let (metric, selector) = pods.metric.check(&inner)?;
            (Source::Pods { metric, selector }, pods.target)
        } else if let Some(object) = self.object {
            let (metric, selector) = object.metric.check(&inner)?;
            let source = Source::Object {
                metric,
                selector,
                kind: object.described_object.kind,
                object: object.described_object.name,
            };
            (source, object.target)
        } else if let Some(external) = self.external {
            let (metric, selector) = external.metric.check(&inner)?;
            (Source::External { metric, selector }, external.target)
        } else if let Some(resource) = self.resource.or(self.container_resource) {
            let source = Source::Resource {
                resource: resource.name,
                container: resource.container,
            };
            (source, resource.target)
        } else {
            return Err(format!("{inner}: is missing"));
        };
        let target = target.check(&format!("{inner}.target"), &source)?;
        Ok(Metric { source, target })
    }
}

impl wire::Identifier {
    fn check(self, field: &str) -> Result<(String, Selector), Wrong> {
        let field = format!("{field}.metric.selector");
        let mut requirements = Vec::new();
        let selector = self.selector.unwrap_or_default();
        for (key, value) in selector.match_labels.into_iter().flatten() {
            requirements.push(Requirement {
                key,
                operator: Operator::Equals,
                values: BTreeSet::from([value]),
            });
        }
        for expression in selector.match_expressions.into_iter().flatten() {
            requirements.push(Requirement {
                key: expression.key,
                operator: match expression.operator.as_str() {
                    "In" => Operator::In,
                    "NotIn" => Operator::NotIn,
                    "Exists" => Operator::Exists,
                    "DoesNotExist" => Operator::DoesNotExist,
                    other => {
                        return Err(format!(
                            "{field}.matchExpressions: {other:?} is no operator"
                        ));
                    }
                },
                values: expression.values.into_iter().flatten().collect(),
            });
        }
        let selector = Selector::new(requirements).map_err(|error| format!("{field}: {error}"))?;
        Ok((self.name, selector))
    }
}

impl wire::Target {
    fn check(self, field: &str, source: &Source) -> Result<Target, Wrong> {
        let positive = |name: &str, value: i64| {
            if value > 0 {
                return Ok(value);
            }
            Err(format!("{field}.{name}: must be more than 0"))
        };
        let missing = |name: &str| format!("{field}.{name}: is missing");
        let of_pods = source.is_per_pod();
        let is_resource = matches!(source, Source::Resource { .. });
        match self.kind.as_str() {
            "Value" if !of_pods => {
                let value = self.value.ok_or_else(|| missing("value"))?;
                positive("value", value.0).map(Target::Value)
            }
            "AverageValue" => {
                let value = self.average_value.ok_or_else(|| missing("averageValue"))?;
                positive("averageValue", value.0).map(Target::AverageValue)
            }
            "Utilization" if is_resource => {
                let value = self.average_utilization;
                let value = value.ok_or_else(|| missing("averageUtilization"))?;
                positive("averageUtilization", value.into())?;
                Ok(Target::Utilization(value))
            }
            other => Err(format!(
                "{field}.type: {other:?} does not go with this metric"
            )),
        }
    }
}

#[cfg(test)]
mod tests;
