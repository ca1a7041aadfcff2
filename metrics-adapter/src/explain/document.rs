//! An explanation as JSON: what the adapter answers to `explain=true`, and what `explain` reads.
//!
//! Law: fields are added and never change their meaning while [`API_VERSION`] is the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::explanation::{self as told, Bounded, Origin, Purpose};
use crate::model::sample::Labels;

/// The version of the format.
pub const API_VERSION: &str = "explain.metrics-adapter/v1";
/// The only kind of document.
pub const KIND: &str = "Explanation";

/// The way from a request to its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// What the request gets without `explain=true`.
    pub outcome: Outcome,
    /// Why something is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The rule that serves the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Rules that might make a metric that is not there.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub candidates: List<Rule>,
    /// The objects that are asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
    /// What Prometheus is asked.
    #[serde(default)]
    pub queries: Vec<Query>,
    /// What it answers to the first of them.
    #[serde(default)]
    pub samples: List<Sample>,
    /// The values that are served.
    #[serde(default)]
    pub values: List<Value>,
    /// What is left out.
    #[serde(default)]
    pub dropped: List<Dropped>,
    /// What else there is.
    #[serde(default)]
    pub related: Related,
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// HTTP status.
    pub code: u16,
    /// The message of the `Status` for an error; how many values otherwise.
    pub message: String,
}

/// Why something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// One word, see [`told::Reason`].
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// A list of which only the first items may be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List<T> {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub items: Vec<T>,
}

impl<T> List<T> {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn of<U>(bounded: Bounded<U>, item: impl Fn(U) -> T) -> Self {
        Self {
            count: bounded.count,
            items: bounded.shown.into_iter().map(item).collect(),
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            count: 0,
            items: Vec::new(),
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its place in the rules file, such as `rules[0]`.
    pub place: String,
    /// Its `seriesQuery`.
    pub series_query: String,
    /// The series that the metric is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// How many series its query found last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_found: Option<usize>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// Why it fails now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The objects that are asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objects {
    /// Their kind, such as `pods` or `deployments.apps`.
    pub resource: String,
    /// Their names.
    pub names: List<String>,
}

/// A query, and where its answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// `values`, `ages`; of an explanation alone `namespaces`, `objects`, `present`,
    /// `lastSeen`.
    pub purpose: String,
    /// As it is sent.
    pub promql: String,
    /// `memory`, `shared` or `asked`.
    pub source: String,
    /// How old the answer is, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// How old it may be.
    pub max_age_seconds: f64,
    /// Why it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A sample as Prometheus tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// None for a scalar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// A text, for it may be `NaN` or `inf`.
    pub value: String,
    /// When it was true.
    pub timestamp: Timestamp,
}

/// A value that is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The labels of an external metric's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// A quantity.
    pub value: String,
    /// When it was true.
    pub timestamp: Timestamp,
    /// Which field of the rule put it there, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// What is left out: an object, or a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The sample's labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Why.
    pub reason: String,
}

/// What else there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Related {
    /// Where else there is a metric of that name: `pods`, `external`.
    #[serde(default)]
    pub elsewhere: Vec<String>,
    /// Metrics with nearly the same name.
    #[serde(default)]
    pub similar: Vec<String>,
    /// Namespaces that have the series.
    #[serde(default)]
    pub namespaces: List<String>,
    /// Names that the series of the namespace carry.
    #[serde(default)]
    pub names: List<String>,
}

impl Document {
    /// Writes down what was told.
    pub fn new(told: told::Explanation, outcome: Outcome) -> Self {
        let text = |text: std::sync::Arc<str>| text.to_string();
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            outcome,
            cause: told.cause.map(|cause| Cause {
                reason: cause.reason.word().to_owned(),
                message: cause.message,
            }),
            rule: told.rule.map(Rule::from),
            candidates: List::of(told.candidates, Rule::from),
            objects: told.objects.map(|objects| Objects {
                resource: objects.resource.to_string(),
                names: List::of(objects.names, text),
            }),
            queries: told.questions.into_iter().map(Query::from).collect(),
            samples: List::of(told.samples, |sample| Sample {
                labels: sample.labels.as_ref().map(written),
                value: sample.value.to_string(),
                timestamp: sample.timestamp,
            }),
            values: List::of(told.values, |value| Value {
                object: value.object.map(text),
                labels: value.labels.as_ref().map(written),
                value: value.value.to_string(),
                timestamp: value.timestamp,
                instead: value.instead,
            }),
            dropped: List::of(told.dropped, |dropped| Dropped {
                object: dropped.object.map(text),
                labels: dropped.labels.as_ref().map(written),
                reason: dropped.reason,
            }),
            related: Related {
                elsewhere: told.related.elsewhere,
                similar: told.related.similar,
                namespaces: List::of(told.related.namespaces, text),
                names: List::of(told.related.names, text),
            },
        }
    }
}

impl From<told::RuleState> for Rule {
    fn from(rule: told::RuleState) -> Self {
        Self {
            place: rule.place.to_string(),
            series_query: rule.series_query.to_string(),
            series: rule.series.map(|series| series.to_string()),
            series_found: rule.found,
            last_success: rule.last_success,
            error: rule.error,
        }
    }
}

impl From<told::Question> for Query {
    fn from(question: told::Question) -> Self {
        let purpose = match question.purpose {
            Purpose::Values => "values",
            Purpose::Ages => "ages",
            Purpose::Namespaces => "namespaces",
            Purpose::Objects => "objects",
            Purpose::Present => "present",
            Purpose::LastSeen => "lastSeen",
        };
        let source = match question.origin {
            Origin::Memory => "memory",
            Origin::Shared => "shared",
            Origin::Asked => "asked",
        };
        Self {
            purpose: purpose.to_owned(),
            promql: question.promql.to_string(),
            source: source.to_owned(),
            age_seconds: question.age.map(|age| age.as_secs_f64()),
            max_age_seconds: question.bound.as_secs_f64(),
            error: question.error,
        }
    }
}

fn written(labels: &Labels) -> BTreeMap<String, String> {
    let pair = |(name, value): (&std::sync::Arc<str>, &std::sync::Arc<str>)| {
        (name.to_string(), value.to_string())
    };
    labels.iter().map(pair).collect()
}
