//! What cluster counts. One label value per watch: as many as rules name resources, two for nodes
//! and running pods, and two for what defines kinds, of which no objects are kept.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use telemetry::reload::Reloads;

use super::Coverage;
use crate::model::review::Cause;

/// Which review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Review {
    /// TokenReview.
    Token,
    /// SubjectAccessReview.
    Access,
}

/// Whether there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// Yes, whatever it says.
    Success,
    /// No, or not in time.
    Failure,
}

/// Which call of kube-apiserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// A list, or a document of discovery.
    Read,
    /// A watch.
    Watch,
    /// What is sent for review.
    Review,
}

/// How it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// Well.
    Ok,
    /// With an error's status.
    Refused,
    /// Not at all.
    Error,
    /// Not in time.
    Timeout,
}

telemetry::snake_case_labels!(Cause, Review, Outcome, Call, Answer);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: Call,
    result: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    call: Call,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    review: Review,
    cause: Cause,
    result: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    resource: String,
}

/// Counters and gauges about kube-apiserver. Clones share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Histogram>,
    calls: Family<CallLabels, Counter>,
    durations: Family<DurationLabels, Histogram>,
    objects: Family<WatchLabels, Gauge>,
    watch_failing: Family<WatchLabels, Gauge>,
    watch_heard: Family<WatchLabels, Gauge<f64, AtomicU64>>,
    watch_errors: Family<WatchLabels, Counter>,
    authentication_known: Gauge,
    pub(super) authentication_reloads: Reloads,
    pub(super) token: Reloads,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            // Seconds; reviews take about a millisecond, and end at four seconds.
            reviews: Family::new_with_constructor(|| {
                Histogram::new([
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
                ])
            }),
            calls: Family::default(),
            // Seconds until an answer begins; lists and documents may take 60.
            durations: Family::new_with_constructor(|| {
                Histogram::new([0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
            }),
            objects: Family::default(),
            watch_failing: Family::default(),
            watch_heard: Family::default(),
            watch_errors: Family::default(),
            authentication_known: Gauge::default(),
            authentication_reloads: Reloads::default(),
            token: Reloads::default(),
        }
    }
}

impl Metrics {
    /// Registers all of them; the caller chooses the prefix (`registry.sub_registry_with_prefix`).
    pub fn register(registry: &mut Registry) -> Self {
        let (name, what) = (
            "authentication_configuration",
            "the cluster's authentication ConfigMap",
        );
        let metrics = Self {
            authentication_reloads: Reloads::register(registry, name, what),
            token: Reloads::register(
                registry,
                "kubernetes_token",
                "the token files for kube-apiserver, one of each client",
            ),
            ..Self::default()
        };
        registry.register(
            "review_duration_seconds",
            "Time of TokenReviews and SubjectAccessReviews by cause (cold: a caller waits; refresh: one is \
             expected) and result, waiting included",
            metrics.reviews.clone(),
        );
        registry.register(
            "kubernetes_requests_total",
            "Calls of kube-apiserver by kind and result, attempts that are repeated included in one",
            metrics.calls.clone(),
        );
        registry.register(
            "kubernetes_request_duration_seconds",
            "Time until kube-apiserver began to answer, waiting included",
            metrics.durations.clone(),
        );
        registry.register(
            "watched_objects",
            "Objects in the index, by resource",
            metrics.objects.clone(),
        );
        registry.register(
            "watch_failing",
            "1 while the watch of a resource fails, and the index may be out of date",
            metrics.watch_failing.clone(),
        );
        registry.register(
            "watch_last_heard_timestamp_seconds",
            "Time at which the watch of a resource last heard of kube-apiserver: of an event, or of the watch that begins every minute; none before the first list",
            metrics.watch_heard.clone(),
        );
        registry.register(
            "watch_errors_total",
            "Failed lists and watches, by resource",
            metrics.watch_errors.clone(),
        );
        registry.register(
            "authentication_configuration_known",
            "1 once the cluster's authentication ConfigMap was read",
            metrics.authentication_known.clone(),
        );
        metrics
    }

    pub(super) fn reviewed(&self, review: Review, cause: Cause, result: Outcome, seconds: f64) {
        self.reviews
            .get_or_create(&ReviewLabels {
                review,
                cause,
                result,
            })
            .observe(seconds);
    }

    pub(super) fn called(&self, call: Call, result: Answer, took: Duration) {
        self.calls.get_or_create(&CallLabels { call, result }).inc();
        self.durations
            .get_or_create(&DurationLabels { call })
            .observe(took.as_secs_f64());
    }

    pub(super) fn set_objects(&self, coverage: &Coverage, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.objects.get_or_create(&labels(coverage)).set(number);
    }

    pub(super) fn set_failing(&self, coverage: &Coverage, failing: bool) {
        self.watch_failing
            .get_or_create(&labels(coverage))
            .set(i64::from(failing));
    }

    /// Whoever watches a resource hears of kube-apiserver now.
    pub(super) fn heard(&self, coverage: &Coverage) {
        let now = Timestamp::now().as_duration().as_secs_f64();
        self.watch_heard.get_or_create(&labels(coverage)).set(now);
    }

    /// Makes a watch visible before its first list.
    pub(super) fn announce(&self, coverage: &Coverage) {
        self.set_failing(coverage, false);
    }

    pub(super) fn watch_failed(&self, coverage: &Coverage) {
        self.watch_errors.get_or_create(&labels(coverage)).inc();
    }

    pub(super) fn set_authentication_known(&self) {
        self.authentication_known.set(1);
    }
}

fn labels(coverage: &Coverage) -> WatchLabels {
    WatchLabels {
        resource: coverage.to_string(),
    }
}
