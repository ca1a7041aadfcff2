//! Reads what an HPA's controller reads.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::super::autoscaler::{self, Autoscaler, Metric as HpaMetric, Source};
use super::super::cluster::{Answer, Cluster, encode};
use super::super::controller::{Controller, Flags};
use super::super::document::Document;
use super::super::metric::{Explained, Metric, Refusal, Subject, Which, explain as explain_metric};
use super::super::pod::{Patience, Pod};
use super::super::proposal::{Situation, Unknown};
use super::measure::{self, Measured};
use super::verdict::{Facts, verdict};
use super::{MetricReport, Report, Status, wire};

/// What surrounds the metrics.
struct Surroundings<'a, C> {
    cluster: &'a C,
    namespace: &'a str,
    scale: wire::Scale,
    pods: Vec<wire::Pod>,
}

/// A metric without values.
struct NoValue {
    cause: String,
    advice: Vec<String>,
    explanation: Option<Box<Document>>,
    /// Only the user may not see them.
    is_forbidden: bool,
}

/// Values, and what the adapter tells of them, or why it does not.
struct Values {
    measured: Measured,
    explanation: Option<Box<Document>>,
    unexplained: Option<Refusal>,
}

/// Explains an HPA at a time.
///
/// # Errors
/// [`Refusal`] where the HPA, its target or its pods cannot be read.
pub async fn explain(
    cluster: &impl Cluster,
    namespace: &str,
    name: &str,
    now: Timestamp,
) -> Result<Report, Refusal> {
    let within = format!("/apis/autoscaling/v2/namespaces/{}", encode(namespace));
    let path = format!("{within}/horizontalpodautoscalers/{}", encode(name));
    let text: serde_json::Value = read(cluster, &path, "the HPA").await?;
    let wrong = |problem: String| Refusal {
        cause: format!("the HPA cannot be read: {problem}"),
        advice: Vec::new(),
    };
    let autoscaler = autoscaler::parse(&text.to_string()).map_err(wrong)?;
    let hpa: wire::Hpa = serde_json::from_value(text).map_err(|error| wrong(error.to_string()))?;
    let target = &hpa.spec.scale_target_ref;
    let plural = plural(cluster, target).await?;
    let path = format!(
        "{}/namespaces/{}/{plural}/{}/scale",
        root(&target.api_version),
        encode(namespace),
        encode(&target.name)
    );
    let scale: wire::Scale = read(cluster, &path, "the scale of its target").await?;
    let path = format!(
        "/api/v1/namespaces/{}/pods?labelSelector={}",
        encode(namespace),
        encode(&scale.status.selector)
    );
    let pods: wire::List<wire::Pod> = read(cluster, &path, "the pods of its target").await?;
    let surroundings = Surroundings {
        cluster,
        namespace,
        scale,
        pods: pods.items,
    };
    Ok(report(&surroundings, name, &autoscaler, hpa, now).await)
}

async fn report<C: Cluster>(
    surroundings: &Surroundings<'_, C>,
    name: &str,
    autoscaler: &Autoscaler,
    hpa: wire::Hpa,
    now: Timestamp,
) -> Report {
    let flags = Flags::default();
    let mut controller = Controller::new(autoscaler.bounds, autoscaler.behavior.clone(), flags);
    let tolerance = controller.tolerance();
    let current = surroundings.scale.spec.replicas;
    let in_status = hpa.status.current_metrics.unwrap_or_default();
    let (mut metrics, mut proposals) = (Vec::new(), Vec::new());
    let mut is_forbidden = false;
    for (place, metric) in autoscaler.metrics.iter().enumerate() {
        let described = hpa.spec.metrics.get(place);
        let described = described.and_then(|metric| metric.object.as_ref());
        let measured = surroundings
            .measured(metric, described.map(|object| &object.described_object))
            .await;
        let mut report = MetricReport {
            name: metric.source.to_string(),
            target: metric.target.to_string(),
            usage: None,
            status: measure::in_status(&metric.source, place, &in_status),
            ratio: None,
            is_tolerated: false,
            replicas: None,
            missing: Vec::new(),
            unready: Vec::new(),
            cause: None,
            advice: Vec::new(),
            explanation: None,
            unexplained: None,
        };
        let proposal = match measured {
            Err(none) => {
                (report.cause, report.advice) = (Some(none.cause), none.advice);
                report.explanation = none.explanation;
                is_forbidden |= none.is_forbidden;
                Err(Unknown::NoValue)
            }
            Ok(values) => {
                let of = |pod| measure::pod(pod, &metric.source);
                let pods: Vec<Pod> = surroundings.pods.iter().map(of).collect();
                let situation = Situation {
                    current,
                    pods: &pods,
                    tolerance,
                    patience: Patience::default(),
                    now,
                };
                let replicas = surroundings.scale.status.replicas;
                let judged = measure::judge(metric, values.measured, &situation, replicas);
                (report.missing, report.unready) = (judged.missing, judged.unready);
                report.explanation = values.explanation;
                if let Some(refusal) = values.unexplained {
                    (report.unexplained, report.advice) = (Some(refusal.cause), refusal.advice);
                }
                match &judged.proposal {
                    Ok(proposal) => {
                        report.usage = Some(measure::written(proposal.usage, metric.target));
                        report.ratio = Some(proposal.ratio);
                        report.is_tolerated = tolerance.covers(proposal.ratio);
                        report.replicas = Some(proposal.replicas);
                    }
                    Err(unknown) => report.cause = Some(unknown.to_string()),
                }
                judged.proposal
            }
        };
        metrics.push(report);
        proposals.push(proposal);
    }
    let decision = controller.sync(now, current, &proposals);
    let failed = metrics.iter().find_map(|metric| {
        let cause = metric.cause.as_deref()?;
        Some((metric.name.as_str(), cause, metric.advice.as_slice()))
    });
    let moved = metrics.iter().filter_map(|metric| {
        let (now, then) = (metric.usage.as_deref()?, metric.status.as_deref()?);
        (now != then).then_some((metric.name.as_str(), now, then))
    });
    let bounds = [autoscaler.bounds.min, autoscaler.bounds.max];
    let verdict = verdict(&Facts {
        bounds,
        replicas: current,
        wanted: decision.wanted,
        desired: hpa.status.desired_replicas,
        conditions: &hpa.status.conditions,
        failed,
        is_forbidden,
        moved: moved.collect(),
    });
    Report {
        namespace: surroundings.namespace.to_owned(),
        name: name.to_owned(),
        workload: autoscaler.workload.to_string(),
        verdict,
        bounds,
        replicas: current,
        wanted: decision.wanted,
        status: Status {
            current_replicas: hpa.status.current_replicas,
            desired_replicas: hpa.status.desired_replicas,
            last_scale_time: hpa.status.last_scale_time,
            conditions: hpa.status.conditions,
        },
        pods: surroundings.pods.len(),
        metrics,
    }
}

impl<C: Cluster> Surroundings<'_, C> {
    /// The values of a metric, with what the adapter tells of them.
    async fn measured(
        &self,
        metric: &HpaMetric,
        described: Option<&wire::Reference>,
    ) -> Result<Values, NoValue> {
        let asked = match &metric.source {
            Source::Resource { .. } => {
                return Ok(Values {
                    measured: self.usage(&metric.source).await?,
                    explanation: None,
                    unexplained: None,
                });
            }
            Source::Pods { metric, selector } => {
                let which = Which::Selector(self.scale.status.selector.clone());
                self.metric(metric, &selector.to_string(), "pods".to_owned(), which)
            }
            Source::Object {
                metric,
                selector,
                kind,
                object,
            } => {
                let reference = described.cloned().unwrap_or_else(|| wire::Reference {
                    kind: kind.clone(),
                    ..wire::Reference::default()
                });
                let plural = plural(self.cluster, &reference).await;
                let plural = plural.map_err(NoValue::from)?;
                let resource = match reference.api_version.split_once('/') {
                    Some((group, _)) => format!("{plural}.{group}"),
                    None => plural,
                };
                let which = Which::Name(object.clone());
                self.metric(metric, &selector.to_string(), resource, which)
            }
            Source::External { metric, selector } => Metric {
                subject: Subject::External,
                namespace: self.namespace.to_owned(),
                metric: metric.clone(),
                metric_selector: selector.to_string(),
            },
        };
        let document = match explain_metric(self.cluster, &asked).await {
            Explained::Told(document) => document,
            // The HPA's controller asks for no explanation, and may have values all the same.
            Explained::Refused(refusal) => {
                let values = self.unexplained(metric, &asked, refusal.clone()).await;
                return values.ok_or_else(|| refusal.into());
            }
            Explained::Forbidden(refusal) => {
                let values = self.unexplained(metric, &asked, refusal.clone()).await;
                return values.ok_or_else(|| NoValue {
                    is_forbidden: true,
                    ..refusal.into()
                });
            }
        };
        let fails = |cause: String| NoValue {
            cause,
            advice: document
                .cause
                .iter()
                .map(|cause| format!("reason: {}", cause.reason))
                .collect(),
            explanation: Some(document.clone()),
            is_forbidden: false,
        };
        let cause = || {
            let cause = document.cause.as_ref();
            cause.map_or_else(
                || document.outcome.message.clone(),
                |cause| cause.message.clone(),
            )
        };
        if document.outcome.code != 200 {
            return Err(fails(cause()));
        }
        let measured = self.values(metric, &asked).await;
        let measured = measured.map_err(|refusal| fails(refusal.cause))?;
        Ok(Values {
            measured: measured.ok_or_else(|| fails(cause()))?,
            explanation: Some(document),
            unexplained: None,
        })
    }

    /// Values without an explanation, if there are any.
    async fn unexplained(
        &self,
        metric: &HpaMetric,
        asked: &Metric,
        refusal: Refusal,
    ) -> Option<Values> {
        let measured = self.values(metric, asked).await.ok()??;
        Some(Values {
            measured,
            explanation: None,
            unexplained: Some(refusal),
        })
    }

    /// The values as the HPA gets them: an explanation names the first ones only.
    async fn values(
        &self,
        metric: &HpaMetric,
        asked: &Metric,
    ) -> Result<Option<Measured>, Refusal> {
        let path = format!("{}?{}", asked.path(), asked.parameters().join("&"));
        let values: wire::List<wire::MetricValue> = read(self.cluster, &path, "the values").await?;
        let items = &values.items;
        Ok(match &metric.source {
            _ if items.is_empty() => None,
            Source::Object { .. } | Source::External { .. } => {
                measure::sum(items).map(Measured::Whole)
            }
            Source::Pods { .. } | Source::Resource { .. } => {
                Some(Measured::Pods(measure::readings(items)))
            }
        })
    }

    fn metric(&self, metric: &str, selector: &str, resource: String, which: Which) -> Metric {
        Metric {
            subject: Subject::Objects { resource, which },
            namespace: self.namespace.to_owned(),
            metric: metric.to_owned(),
            metric_selector: selector.to_owned(),
        }
    }

    /// What the pods use of a resource.
    async fn usage(&self, source: &Source) -> Result<Measured, NoValue> {
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods?labelSelector={}",
            encode(self.namespace),
            encode(&self.scale.status.selector)
        );
        let answer = self.cluster.get(&path).await;
        let is_forbidden = answer
            .as_ref()
            .is_ok_and(|answer| matches!(answer.status, 401 | 403));
        let list: Result<wire::List<wire::PodMetrics>, _> = document(answer, "the pods' usage");
        let list = list.map_err(|refusal| NoValue {
            is_forbidden,
            ..refusal.into()
        })?;
        Ok(Measured::Pods(measure::usage(&list.items, source)))
    }
}

impl From<Refusal> for NoValue {
    fn from(refusal: Refusal) -> Self {
        Self {
            cause: refusal.cause,
            advice: refusal.advice,
            explanation: None,
            is_forbidden: false,
        }
    }
}

/// The plural name of a kind, by the discovery document of its group.
async fn plural(cluster: &impl Cluster, target: &wire::Reference) -> Result<String, Refusal> {
    let group = root(&target.api_version);
    let list: wire::ResourceList = read(cluster, &group, "the kinds of its target's group").await?;
    let mut resources = list.resources.into_iter();
    let found = resources.find(|one| one.kind == target.kind && !one.name.contains('/'));
    found.map(|one| one.name).ok_or_else(|| Refusal {
        cause: format!(
            "the cluster has no kind {} of {:?}",
            target.kind, target.api_version
        ),
        advice: Vec::new(),
    })
}

/// Where a group is.
fn root(api_version: &str) -> String {
    match api_version {
        "" => "/api/v1".to_owned(),
        core if !core.contains('/') => format!("/api/{core}"),
        other => format!("/apis/{other}"),
    }
}

async fn read<T: DeserializeOwned>(
    cluster: &impl Cluster,
    path: &str,
    what: &str,
) -> Result<T, Refusal> {
    document(cluster.get(path).await, what)
}

fn document<T: DeserializeOwned>(answer: Result<Answer, String>, what: &str) -> Result<T, Refusal> {
    let answer = answer.map_err(|problem| Refusal::unreachable(&problem))?;
    answer.read().map_err(|problem| Refusal {
        cause: format!("{what} cannot be read: {problem}"),
        advice: Vec::new(),
    })
}
