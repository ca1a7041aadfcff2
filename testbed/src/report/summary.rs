//! Everything a demo measured: the contents of `summary.json`. Law: times are seconds since the
//! first load unless they say otherwise; latencies are seconds; what was not measured is `null`.

use serde::{Deserialize, Serialize};

/// One demo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// When the first load began, RFC 3339.
    pub started: String,
    /// What had to be held.
    pub goal: Goal,
    /// Whether it was; `None` when the demo ended before it could be judged.
    pub verdict: Option<Verdict>,
    /// When it was judged; the window ends there.
    pub judged: Option<f64>,
    /// The promised durations, against the measured ones.
    pub checks: Vec<Check>,
    /// What the HPA aims at.
    pub target: Target,
    /// Steps of the load, in order; the last one is its end.
    pub steps: Vec<Step>,
    /// What the HPA did.
    pub events: Vec<Event>,
    /// How long each part took, preparations included.
    pub phases: Vec<Phase>,
    /// All of them together, in seconds.
    pub total_seconds: f64,
    /// The largest values seen.
    pub maxima: Maxima,
    /// Versions and the machine.
    pub environment: Vec<Fact>,
    /// How the demo's settings differ from the charts' defaults.
    pub settings: Vec<Fact>,
    /// What was seen, about once a second.
    pub samples: Vec<Sample>,
}

/// What has to be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// At least this many requests per second.
    pub min_rps: f64,
    /// A mean latency below this, in milliseconds.
    pub max_mean_ms: f64,
}

/// The judgement of `loadclient verify`, as it prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether every step of the window held.
    pub held: bool,
    /// The window's length.
    pub window_seconds: u64,
    /// How many steps the window has.
    pub steps: usize,
    /// Steps with too few requests per second.
    pub steps_below_rps: usize,
    /// Steps with too high a mean.
    pub steps_above_mean: usize,
    /// Steps without data.
    pub steps_without_data: usize,
    /// Requests per second.
    pub rps: Option<Figures>,
    /// Mean latency in milliseconds.
    pub mean_ms: Option<Figures>,
}

/// The worst and the average of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The one that is nearest to missing the goal.
    pub worst: f64,
    /// The mean over the steps.
    pub average: f64,
}

/// A promised duration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was promised.
    pub name: String,
    /// At most so many seconds.
    pub limit_seconds: f64,
    /// The longest that was measured; `None` when it did not happen.
    pub seconds: Option<f64>,
    /// Whether it was kept.
    pub ok: bool,
}

/// What the HPA aims at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Requests per second and pod.
    pub rps_per_pod: f64,
    /// Mean latency in milliseconds.
    pub mean_ms: f64,
    /// Most pods.
    pub max_replicas: u32,
}

/// One step of the load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Offered requests per second.
    pub offered: f64,
    /// Clients that offer them.
    pub clients: u32,
    /// When it began.
    pub start: f64,
    /// When the next one began, or the demo ended.
    pub end: f64,
    /// Ready pods when it began.
    pub pods_before: u32,
    /// Ready pods when it ended.
    pub pods_after: u32,
    /// Seconds until the HPA first wanted another number of pods; `None` if it never did.
    pub rescaled: Option<f64>,
    /// Seconds until the last added pod was Ready; `None` if none was added.
    pub ready: Option<f64>,
    /// Seconds until the mean latency was below the goal's for good; 0 if it never was above;
    /// `None` if it stayed above, or nothing was asked for.
    pub recovered: Option<f64>,
    /// Seconds until load, pods and latency all were as they should be; `None` if never.
    pub settled: Option<f64>,
    /// The highest mean latency of the step, in seconds.
    pub max_mean: Option<f64>,
    /// Requests per second at its end.
    pub rps: Option<f64>,
    /// Mean latency at its end, in seconds.
    pub mean: Option<f64>,
}

/// An event of the HPA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, to the second.
    pub t: f64,
    /// Such as `SuccessfulRescale`.
    pub reason: String,
    /// The controller's words.
    pub message: String,
    /// Whether it is a warning.
    pub warning: bool,
}

/// One part of the demo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// The largest values seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Maxima {
    /// Requests per second.
    pub rps: Option<f64>,
    /// Mean latency in seconds.
    pub mean: Option<f64>,
    /// Ready pods.
    pub ready: Option<u32>,
    /// Requests of the clients that failed.
    pub failed: Option<f64>,
    /// Slots of the clients' schedules that passed without a request.
    pub missed: Option<f64>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What was seen at one moment. Rates and means are over the last 30 s, the same window as that
/// of the HPA's metrics and of the verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub t: f64,
    /// Requests per second that the current step offers.
    pub offered: f64,
    /// Requests per second that the server has handled.
    pub rps: Option<f64>,
    /// Their mean latency in seconds, measured by the server.
    pub mean: Option<f64>,
    /// Requests per second and pod, as the adapter serves it.
    pub metric: Option<f64>,
    /// The same, as the HPA has last read it.
    pub seen: Option<f64>,
    /// Pods that the HPA wants.
    pub desired: Option<u32>,
    /// Pods that the HPA counts.
    pub current: Option<u32>,
    /// Pods that are ready.
    pub ready: Option<u32>,
    /// Clients that are ready.
    pub clients: Option<u32>,
    /// Requests of the running clients that failed, since they started.
    pub failed: Option<f64>,
    /// Slots of their schedules that passed without a request.
    pub missed: Option<f64>,
}

impl Maxima {
    /// Those of some samples.
    pub fn of(samples: &[Sample]) -> Self {
        let largest = |value: fn(&Sample) -> Option<f64>| {
            let values = samples.iter().filter_map(value);
            values.filter(|value| value.is_finite()).reduce(f64::max)
        };
        Self {
            rps: largest(|it| it.rps),
            mean: largest(|it| it.mean),
            ready: samples.iter().filter_map(|it| it.ready).max(),
            failed: largest(|it| it.failed),
            missed: largest(|it| it.missed),
        }
    }
}
