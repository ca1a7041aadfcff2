//! What was found, for people and programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::example::Asked;
use super::facts::Facts;
use super::finding::{Finding, Findings, Severity};
use crate::model::QueryValue;
use crate::model::sample::Labels;
use crate::prometheus::PrometheusError;
use crate::rules::Rule;

/// Elements of a result that are told.
const ELEMENTS: usize = 5;

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The rules file.
    pub config: String,
    /// Prometheus' address; `None` where only the file was looked at.
    pub prometheus: Option<String>,
    /// How many findings are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// The rules of custom and external metrics, in the order of the file, then the queries of
    /// resource metrics.
    pub rules: Vec<RuleReport>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleReport {
    /// Its place, such as `rules[0]`.
    pub rule: String,
    /// `custom`, `external` or `resource`.
    pub api: &'static str,
    /// Its series query; nothing for resource metrics.
    pub series_query: String,
    /// How many series that found; `None` where nobody was asked.
    pub series: Option<usize>,
    /// The names of them that pass the rule's filters, sorted.
    pub names: Vec<NameReport>,
    /// How many names do not pass.
    pub filtered_names: usize,
    /// Their labels, sorted.
    pub labels: Vec<LabelReport>,
    /// Seconds between two samples of one of them.
    #[serde(rename = "scrapeIntervalSeconds", serialize_with = "seconds")]
    pub scrape_interval: Option<Duration>,
    /// Seconds since the newest sample, where there is none now.
    #[serde(rename = "newestSampleSeconds", serialize_with = "seconds")]
    pub newest_sample: Option<Duration>,
    /// The metrics that the rule serves, such as `pods/http_requests`.
    pub metrics: Vec<String>,
    /// A request, and what becomes of it.
    pub example: Option<Example>,
}

/// A name of series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameReport {
    /// The name.
    pub name: String,
    /// How many series have samples now; `None` where that is not known.
    pub series: Option<usize>,
}

/// A label of series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelReport {
    /// The label.
    pub label: String,
    /// The resource that it names, such as `pods`.
    pub resource: Option<String>,
    /// Why it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A request that the rule would answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its path.
    pub request: String,
    /// What Prometheus is asked.
    pub query: String,
    /// The beginning of the result.
    pub result: Vec<Element>,
    /// How many elements it has besides.
    pub more: usize,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One element of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Element {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value as Prometheus writes it; it may be `NaN`.
    pub value: String,
}

impl Report {
    pub(super) fn new(config: &Path, prometheus: Option<&str>) -> Self {
        Self {
            config: config.display().to_string(),
            prometheus: prometheus.map(str::to_owned),
            errors: 0,
            warnings: 0,
            findings: Vec::new(),
            rules: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn with_findings(mut self, findings: Findings) -> Self {
        self.findings = findings.sorted();
        let count = |severity| {
            let alike = self.findings.iter().filter(|it| it.severity == severity);
            alike.count()
        };
        (self.errors, self.warnings) = (count(Severity::Error), count(Severity::Warning));
        self
    }
}

impl RuleReport {
    pub(super) fn new(rule: &Rule, is_external: bool) -> Self {
        let api = if is_external { "external" } else { "custom" };
        Self::empty(rule.id().to_string(), api, rule.series_query().to_string())
    }

    const fn empty(rule: String, api: &'static str, series_query: String) -> Self {
        Self {
            rule,
            api,
            series_query,
            series: None,
            names: Vec::new(),
            filtered_names: 0,
            labels: Vec::new(),
            scrape_interval: None,
            newest_sample: None,
            metrics: Vec::new(),
            example: None,
        }
    }

    /// A query of resource metrics, by its place such as `resourceRules.cpu.nodeQuery`.
    pub(super) fn of_usage(place: String) -> Self {
        Self::empty(place, "resource", String::new())
    }

    /// Whether it is a rule of external metrics.
    pub fn is_external(&self) -> bool {
        self.api == "external"
    }

    pub(super) fn add_series(&mut self, rule: &Rule, facts: &Facts) {
        self.series = Some(facts.set.count);
        let names = facts.names();
        let count = names.len();
        let accepted = names
            .into_iter()
            .filter(|name| rule.metric_name(name).is_some());
        self.names = accepted
            .map(|name| NameReport {
                series: facts
                    .live
                    .as_ref()
                    .map(|live| live.get(name).copied().unwrap_or(0)),
                name: name.to_owned(),
            })
            .collect();
        self.filtered_names = count - self.names.len();
    }
}

impl Example {
    pub(super) fn new(asked: &Asked, answer: Result<QueryValue, PrometheusError>) -> Self {
        let (elements, error) = match answer {
            Ok(QueryValue::Vector(samples)) => {
                let element =
                    |sample: &crate::model::Sample| element(Some(&sample.labels), sample.value);
                (samples.iter().map(element).collect(), None)
            }
            Ok(QueryValue::Scalar { value, .. }) => (vec![element(None, value)], None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut result: Vec<Element> = elements;
        let more = result.len().saturating_sub(ELEMENTS);
        result.truncate(ELEMENTS);
        Self {
            request: asked.request.clone(),
            query: asked.query.clone(),
            result,
            more,
            error,
        }
    }
}

fn element(labels: Option<&Labels>, value: f64) -> Element {
    let labels = labels.into_iter().flat_map(Labels::iter);
    Element {
        labels: labels
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        value: match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        },
    }
}

fn seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}
