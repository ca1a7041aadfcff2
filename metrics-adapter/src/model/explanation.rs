//! Why a metric has the values that it has, or none: what a request would get, and the way to it.
//!
//! Lists are bounded, whatever the cluster or Prometheus holds; they say how much there is.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::sample::Labels;
use super::{ExternalQuery, GroupResource, MetricQuery, ProviderError, Quantity};

/// The request that is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainQuery {
    /// For a custom metric.
    Custom(MetricQuery),
    /// For an external metric.
    External(ExternalQuery),
}

/// The way from a request to its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// How many values the request gets, or why it gets none.
    pub outcome: Result<usize, ProviderError>,
    /// Why there is no value, or one less than objects; `None` where nothing is missing.
    pub cause: Option<Cause>,
    /// The rule that serves the metric.
    pub rule: Option<RuleState>,
    /// Where there is no such metric: the rules of its API that might make it.
    pub candidates: Bounded<RuleState>,
    /// The objects that are asked about; none for external metrics.
    pub objects: Option<Selected>,
    /// What Prometheus is asked.
    pub questions: Vec<Question>,
    /// What it answers to the first of them.
    pub samples: Bounded<RawSample>,
    /// What becomes of that.
    pub values: Bounded<Served>,
    /// What is left out.
    pub dropped: Bounded<Dropped>,
    /// What else there is of that name, or nearly so.
    pub related: Related,
}

impl Explanation {
    /// An explanation of what comes of a request, of which nothing else is known yet.
    pub fn new(outcome: Result<usize, ProviderError>) -> Self {
        Self {
            outcome,
            cause: None,
            rule: None,
            candidates: Bounded::default(),
            objects: None,
            questions: Vec::new(),
            samples: Bounded::default(),
            values: Bounded::default(),
            dropped: Bounded::default(),
            related: Related::default(),
        }
    }
}

/// The first of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded<T> {
    /// Those that are told.
    pub shown: Vec<T>,
    /// How many there are.
    pub count: usize,
}

impl<T> Bounded<T> {
    /// So many are told.
    pub const LIMIT: usize = 50;

    /// Adds one, which is told if there is room.
    pub fn push(&mut self, item: T) {
        self.count += 1;
        if self.shown.len() < Self::LIMIT {
            self.shown.push(item);
        }
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            shown: Vec::new(),
            count: 0,
        }
    }
}

impl<T> FromIterator<T> for Bounded<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut bounded = Self::default();
        for item in items {
            bounded.push(item);
        }
        bounded
    }
}

/// Why something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One word for programs.
    pub reason: Reason,
    /// One sentence for people.
    pub message: String,
}

/// The kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The cluster has no such kind of object, or it is not known yet.
    UnknownKind,
    /// No rule makes a metric of this name.
    NoRule,
    /// The series query of the rule that would make it finds no series.
    NoSeries,
    /// The series query of a rule fails.
    SeriesQueryFails,
    /// Prometheus has not been asked yet which series there are.
    NotAskedYet,
    /// The cluster has not a kind that the rule names, so the rule makes no metrics.
    RuleRefused,
    /// The rule makes the metric, but no label of its series names this kind of object.
    LabelNotMapped,
    /// The metric is there, on another kind of object, or on the other API.
    OtherKind,
    /// No object is selected.
    NoObjects,
    /// The objects cannot be selected at the moment.
    ObjectsUnknown,
    /// The rule cannot be turned into a query.
    NoQuery,
    /// Prometheus fails.
    PrometheusFails,
    /// The result has no label with the objects' names.
    NoGroupBy,
    /// The series are those of other namespaces.
    OtherNamespace,
    /// The series are those of other objects.
    OtherObjects,
    /// The newest sample is too old.
    Stale,
    /// There are series, and the query makes nothing of them.
    EmptyResult,
    /// There is no sample at all.
    NoSample,
    /// There are samples that are no values.
    Unusable,
}

impl Reason {
    /// In the letters that Kubernetes writes reasons in.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownKind => "UnknownKind",
            Self::NoRule => "NoRule",
            Self::NoSeries => "NoSeries",
            Self::SeriesQueryFails => "SeriesQueryFails",
            Self::NotAskedYet => "NotAskedYet",
            Self::RuleRefused => "RuleRefused",
            Self::LabelNotMapped => "LabelNotMapped",
            Self::OtherKind => "OtherKind",
            Self::NoObjects => "NoObjects",
            Self::ObjectsUnknown => "ObjectsUnknown",
            Self::NoQuery => "NoQuery",
            Self::PrometheusFails => "PrometheusFails",
            Self::NoGroupBy => "NoGroupBy",
            Self::OtherNamespace => "OtherNamespace",
            Self::OtherObjects => "OtherObjects",
            Self::Stale => "Stale",
            Self::EmptyResult => "EmptyResult",
            Self::NoSample => "NoSample",
            Self::Unusable => "Unusable",
        }
    }

    /// The cause in a sentence.
    pub fn because(self, message: impl Into<String>) -> Cause {
        Cause {
            reason: self,
            message: message.into(),
        }
    }
}

/// A rule, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleState {
    /// Its place in the rules file.
    pub place: Arc<str>,
    /// Its `seriesQuery`.
    pub series_query: Arc<str>,
    /// The series that the metric is made of.
    pub series: Option<Arc<str>>,
    /// How many series its query found last; `None` where no answer is in use.
    pub found: Option<usize>,
    /// When that was, by Prometheus' clock.
    pub last_success: Option<Timestamp>,
    /// Why it fails now, if it does.
    pub error: Option<String>,
}

/// The objects that a request is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// Their kind.
    pub resource: GroupResource,
    /// Their names.
    pub names: Bounded<Arc<str>>,
}

/// A query, and where its answer comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What it is for.
    pub purpose: Purpose,
    /// As it is sent.
    pub promql: Arc<str>,
    /// Whence a request has its answer now.
    pub origin: Origin,
    /// How old that answer is; nothing for one that fails.
    pub age: Option<Duration>,
    /// How old it may be.
    pub bound: Duration,
    /// Why it fails, if it does.
    pub error: Option<String>,
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The values.
    Values,
    /// The times of the newest samples, for `maxAge`.
    Ages,
    /// Which namespaces have series; only an explanation asks so.
    Namespaces,
    /// Which objects have series, likewise.
    Objects,
    /// Whether an external metric has series, likewise.
    Present,
    /// When there was a sample last, likewise.
    LastSeen,
}

/// Whence an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is there.
    Memory,
    /// Somebody has asked for it just now.
    Shared,
    /// It is asked for.
    Asked,
}

/// A sample as Prometheus tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSample {
    /// None for a scalar.
    pub labels: Option<Labels>,
    /// May be NaN or infinite.
    pub value: f64,
    /// When it was true, as Prometheus tells it.
    pub timestamp: Timestamp,
}

/// A value that is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// The object's name; `None` for external metrics.
    pub object: Option<Arc<str>>,
    /// The labels of an external metric's value.
    pub labels: Option<Labels>,
    /// The value.
    pub value: Quantity,
    /// When it was true.
    pub timestamp: Timestamp,
    /// Where it is none of Prometheus: which field of the rule put it there, and why.
    pub instead: Option<String>,
}

/// What is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The object without a value; `None` for a sample.
    pub object: Option<Arc<str>>,
    /// The sample's labels; `None` for an object.
    pub labels: Option<Labels>,
    /// Why.
    pub reason: String,
}

/// What else there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Related {
    /// Where else there is a metric of that name: `pods`, `external`.
    pub elsewhere: Vec<String>,
    /// Metrics with a name that is nearly the same.
    pub similar: Vec<String>,
    /// Namespaces with series of the metric, where the one that was asked for has none.
    pub namespaces: Bounded<Arc<str>>,
    /// Names that series of the namespace carry, where none is an object's.
    pub names: Bounded<Arc<str>>,
}
