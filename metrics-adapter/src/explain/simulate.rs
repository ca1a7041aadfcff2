//! `metrics-adapter simulate`: recorded history, replayed through the HPA's algorithm.
//!
//! What was recorded is read once (`history`); each candidate then has a controller of its own
//! that is asked at every sync (`replay`). Law: what is assumed and not recorded is told in the
//! report, next to the figures that depend on it.

mod chart;
mod history;
mod markup;
mod naming;
mod picture;
mod question;
mod replay;
mod report;
mod scale;
mod table;
mod variant;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use naming::split;
pub use picture::picture;
pub use report::{Report, Shown};
pub use table::table;
pub use variant::{Change, Variant};

use super::autoscaler::{self, Autoscaler, ManifestError, Source};
use super::controller::Flags;
use crate::config::ConfigError;
use crate::prometheus::range::RangeClient;
use crate::prometheus::{PrometheusError, QueryClient};
use crate::rules::RuleError;
use history::{PodFilter, Timeline};
use naming::Given;
use question::{Catalogued, Question};
use replay::{Recording, Settings, replay};

/// kubectl's, and so of manifests that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// A pod's name.
type PodName = Arc<str>;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Manifests, at least one; each is a candidate.
    pub files: Vec<PathBuf>,
    /// Changes of the first manifest; each is one more candidate.
    pub variants: Vec<Variant>,
    /// The rules file.
    pub rules: Option<PathBuf>,
    /// PromQL in the place of the rules', by metric: its name, or its qualified name.
    pub queries: BTreeMap<String, String>,
    /// How the metrics of pods follow the number of pods, by metric.
    pub models: BTreeMap<String, Model>,
    /// PromQL whose values are shown beside, by a name of their own.
    pub shown: Vec<(String, String)>,
    /// Which pods belong to the workload: a regular expression for the whole name.
    pub pods: Option<String>,
    /// PromQL that tells which pods there were.
    pub pods_query: Option<String>,
    /// PromQL that tells how many replicas there were.
    pub replicas_query: Option<String>,
    /// Replicas at the beginning; as recorded without it.
    pub replicas: Option<i32>,
    /// What a pod requests, in thousandths, by resource.
    pub requests: BTreeMap<String, i64>,
    /// The namespace, in the place of the manifest's.
    pub namespace: Option<String>,
    /// The first moment.
    pub from: Moment,
    /// The last moment.
    pub to: Moment,
    /// Time between two syncs.
    pub sync_period: Duration,
    /// Time from a new pod to its first value.
    pub startup: Duration,
    /// The controller's flags.
    pub flags: Flags,
    /// What the metrics of pods are taken from.
    pub mode: Mode,
}

/// A moment, as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Duration),
    /// A time.
    At(Timestamp),
}

/// How a metric of pods follows the number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The sum over all pods is what was recorded, in equal shares.
    Split,
    /// Every pod has the mean that was recorded.
    Recorded,
}

impl Model {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Recorded => "recorded",
        }
    }
}

/// What the metrics of pods are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The pods that there would have been, by the models.
    Modelled,
    /// The pods that there were, with their own values.
    AsRecorded,
}

/// Why there is no simulation. Names the flag, the file or the metric.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The rules file cannot be used.
    #[error("{}", with_cause(.0))]
    Rules(ConfigError),
    /// A rule in it cannot be used.
    #[error("--config {}: {rule}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// The rule and what is wrong.
        rule: RuleError,
    },
    /// A flag does not go with the manifests, or with the history.
    #[error("{flag}: {reason}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A metric cannot be had.
    #[error("metric {metric}: {reason}")]
    Metric {
        /// The metric.
        metric: String,
        /// Why not.
        reason: String,
    },
    /// A candidate cannot be replayed.
    #[error("candidate {candidate}: {reason}")]
    Candidate {
        /// The file, or what was typed.
        candidate: String,
        /// Why not.
        reason: String,
    },
    /// Prometheus gave no answer.
    #[error("{}", unanswered(what, cause))]
    Prometheus {
        /// What was asked.
        what: String,
        /// What came of it.
        cause: PrometheusError,
    },
}

fn with_cause(error: &ConfigError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Where no answer came at all, it is the address that is in question.
fn unanswered(what: &str, error: &PrometheusError) -> String {
    match error {
        PrometheusError::Connect { .. } => format!("--prometheus-url: {error}"),
        PrometheusError::Timeout(_) => format!("{what}: {error} (--prometheus-timeout)"),
        _ => format!("{what}: {error}"),
    }
}

fn flag(flag: &'static str, reason: impl Into<String>) -> SimulateError {
    SimulateError::Flag {
        flag,
        reason: reason.into(),
    }
}

/// One candidate.
struct Candidate {
    name: String,
    autoscaler: Autoscaler,
    /// The place of each metric among those of all candidates.
    places: Vec<usize>,
    /// The controller's own, where the HPA has none.
    tolerance: f64,
}

/// Reads manifests, rules and history, and replays it for every candidate.
///
/// # Errors
/// [`SimulateError`].
pub async fn simulate<C: QueryClient + RangeClient>(
    client: &C,
    options: &Options,
) -> Result<Report, SimulateError> {
    let (candidates, sources) = candidates(options)?;
    let first = &candidates[0].autoscaler;
    let given = Given::new(options, &sources)?;
    let timeline = timeline(options, client.present())?;
    let namespace = options.namespace.as_deref().or(first.namespace.as_deref());
    let filter = PodFilter::new(options.pods.as_deref(), &first.workload)?;

    let (questions, mut notes) =
        questions(client, options, &sources, &given, namespace, timeline).await?;
    let mut metrics = Vec::with_capacity(sources.len());
    for (source, question) in sources.iter().zip(&questions) {
        let (history, note) = history::fetch(client, source, question, timeline, &filter).await?;
        metrics.push(history);
        notes.extend(note);
    }
    let mut shown = Vec::with_capacity(options.shown.len());
    for (name, promql) in &options.shown {
        shown.push(Shown {
            name: name.clone(),
            query: promql.clone(),
            values: history::shown(client, name, promql, timeline).await?,
        });
    }
    let pods = match &options.pods_query {
        Some(promql) => Some(history::pods(client, promql, timeline, &filter).await?),
        None => None,
    };
    let replicas = match &options.replicas_query {
        Some(promql) => Some(history::replicas(client, promql, timeline).await?),
        None => None,
    };
    let recording = Recording::new(timeline, metrics, pods, replicas);
    let initial = options.replicas.or_else(|| recording.first_replicas());
    let initial = initial.ok_or_else(|| {
        let reason = "nothing that was recorded tells how many pods there were at the beginning";
        flag("--replicas", reason)
    })?;
    let settings = Settings {
        mode: options.mode,
        models: given.models,
        startup: options.startup,
        requests: given.requests,
        initial,
        flags: options.flags,
    };
    notes.extend(filter.told(&recording.pods));
    notes.extend(assumptions(options, &sources, &settings));
    if namespace.is_none() {
        notes.push(format!(
            "the manifest names no namespace: {DEFAULT_NAMESPACE} is assumed (--namespace)"
        ));
    }
    let mut runs = Vec::with_capacity(candidates.len());
    for candidate in &candidates {
        let Candidate {
            name,
            autoscaler,
            places,
            ..
        } = candidate;
        let run = replay(&recording, autoscaler, places, &settings);
        runs.push(run.map_err(|reason| SimulateError::Candidate {
            candidate: name.clone(),
            reason,
        })?);
    }
    Ok(report::assemble(&report::Material {
        namespace: namespace.unwrap_or(DEFAULT_NAMESPACE),
        candidates: &candidates,
        sources: &sources,
        questions: &questions,
        recording: &recording,
        shown,
        settings: &settings,
        runs: &runs,
        notes,
    }))
}

/// The manifests, then the variants of the first one; and the metrics of all, each once.
fn candidates(options: &Options) -> Result<(Vec<Candidate>, Vec<Source>), SimulateError> {
    let mut named: Vec<(String, Autoscaler)> = Vec::new();
    for path in &options.files {
        let autoscaler = autoscaler::read(path)?;
        if let Some((_, first)) = named.first()
            && (&first.workload, &first.namespace) != (&autoscaler.workload, &autoscaler.namespace)
        {
            return Err(ManifestError::Content {
                path: path.clone(),
                message: format!(
                    "spec.scaleTargetRef: {} is not what {} is about, or in another namespace",
                    autoscaler.workload,
                    options.files[0].display()
                ),
            }
            .into());
        }
        named.push((path.display().to_string(), autoscaler));
    }
    let Some((_, first)) = named.first().cloned() else {
        return Err(flag("FILE", "at least one manifest is needed"));
    };
    for variant in &options.variants {
        let changed = variant
            .apply(&first)
            .map_err(|reason| flag("--candidate", format!("{variant}: {reason}")))?;
        named.push((variant.to_string(), changed));
    }
    let mut sources: Vec<Source> = Vec::new();
    let mut candidates = Vec::new();
    for (name, autoscaler) in named {
        let mut places = Vec::new();
        for metric in &autoscaler.metrics {
            let known = sources.iter().position(|source| *source == metric.source);
            places.push(known.unwrap_or(sources.len()));
            if known.is_none() {
                sources.push(metric.source.clone());
            }
        }
        candidates.push(Candidate {
            name,
            autoscaler,
            places,
            tolerance: options.flags.tolerance,
        });
    }
    Ok((candidates, sources))
}

fn timeline(options: &Options, now: Timestamp) -> Result<Timeline, SimulateError> {
    let at = |moment| match moment {
        Moment::At(at) => Ok(at),
        Moment::Ago(length) => now.checked_sub(length),
    };
    let from = at(options.from).map_err(|error| flag("--from", error.to_string()))?;
    let to = at(options.to).map_err(|error| flag("--to", error.to_string()))?;
    if from >= to {
        return Err(flag("--from", format!("{from} is not before --to, {to}")));
    }
    Timeline::new(from, to, options.sync_period).ok_or_else(|| {
        flag(
            "--sync-period",
            "there are more than 200000 syncs in that time",
        )
    })
}

/// What Prometheus is asked for each metric, and what is to be said about that.
async fn questions<C: QueryClient>(
    client: &C,
    options: &Options,
    sources: &[Source],
    given: &Given<'_>,
    namespace: Option<&str>,
    timeline: Timeline,
) -> Result<(Vec<Question>, Vec<String>), SimulateError> {
    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
    let open = sources.iter().enumerate();
    let open = open.filter(|(place, _)| !given.queries.contains_key(place));
    let open: Vec<&Source> = open.map(|(_, source)| source).collect();
    let catalogued = match &options.rules {
        Some(path) if !open.is_empty() => {
            Some(Catalogued::read(client, path, &open, timeline).await?)
        }
        _ => None,
    };
    let mut notes: Vec<String> = catalogued.iter().flat_map(Catalogued::notes).collect();
    let mut questions = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let question = match (given.queries.get(&place), &catalogued) {
            (Some(promql), _) => Question::given(source, promql),
            (None, Some(catalogued)) => catalogued.question(source, namespace)?,
            (None, None) => {
                return Err(SimulateError::Metric {
                    metric: source.to_string(),
                    reason: format!(
                        "give the adapter's rules (--config FILE) or a query (--query {}=PROMQL)",
                        source.name()
                    ),
                });
            }
        };
        notes.extend(question.notes.iter().cloned());
        questions.push(question);
    }
    Ok((questions, notes))
}

/// What is assumed, in words.
fn assumptions(options: &Options, sources: &[Source], settings: &Settings) -> Vec<String> {
    let mut notes = Vec::new();
    match options.mode {
        Mode::AsRecorded => notes.push(
            "as recorded: every sync sees the pods and values that there were; what a candidate \
             wants changes neither"
                .to_owned(),
        ),
        Mode::Modelled => {
            for (source, model) in sources.iter().zip(&settings.models) {
                notes.push(match model {
                    Model::Split => format!(
                        "{source}: the recorded sum in equal shares over the simulated pods"
                    ),
                    Model::Recorded if source.is_per_pod() => format!(
                        "{source}: the recorded mean, for every simulated pod: it does not answer \
                         to their number"
                    ),
                    Model::Recorded => {
                        format!("{source}: as recorded: it does not answer to the number of pods")
                    }
                });
            }
            notes.push(format!(
                "a new pod has no value for {:?}, and counts as missing until then",
                options.startup
            ));
        }
    }
    for source in sources.iter().filter(|source| source.is_cpu()) {
        notes.push(format!(
            "{source}: the initialization period and the readiness of new pods are not replayed: \
             every pod with a value counts"
        ));
    }
    if !options.shown.is_empty() {
        notes.push("what --show asks for is as recorded, whatever is simulated".to_owned());
    }
    if options.pods_query.is_none() && sources.iter().any(Source::is_per_pod) {
        notes.push("recorded pods are those with a value (--pods-query tells others)".to_owned());
    }
    notes.push(
        "maxAge and onMissing of rules are not replayed, and the controller remembers nothing of \
         the time before"
            .to_owned(),
    );
    notes
}
