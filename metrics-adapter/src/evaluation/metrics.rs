//! What evaluation tells about itself. Label values come from code, and from the rules file.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Lack;
use super::answers::Source;
use super::cost::Costs;
use super::requests::Requests;
use super::value::Unusable;
use crate::model::MetricsApi;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    api: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

/// Counters and gauges of evaluation.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    unusable: Family<ReasonLabels, Counter>,
    substituted: Family<ReasonLabels, Counter>,
    /// By source.
    answers: [Counter; Source::ALL.len()],
    /// Answers in memory, and what they take.
    pub(super) kept: Gauge,
    pub(super) kept_bytes: Gauge,
    /// Queries that are asked ahead of the polls that are expected.
    pub(super) ahead: Gauge,
    /// Queries that are being asked or wait for their turn; whoever asks the same shares them.
    pub(super) flights: Gauge,
    pub(super) costs: Arc<Costs>,
    pub(super) requests: Arc<Requests>,
}

impl Metrics {
    /// Registers the metrics; the caller chooses the prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let answers = Family::default();
        let metrics = Self {
            answers: Source::ALL.map(|source| {
                let source = source.label();
                answers.get_or_create_owned(&SourceLabels { source })
            }),
            ..Self::default()
        };
        registry.register(
            "unusable_samples_total",
            "Samples that were left out of an answer, by API and reason",
            metrics.unusable.clone(),
        );
        registry.register(
            "substituted_values_total",
            "Values put into an answer by a rule's onMissing or onNaN (by default 0 for NaN), by API and reason",
            metrics.substituted.clone(),
        );
        registry.register(
            "answers_total",
            "Requests that were answered with what Prometheus told, by where that came from: all of it from memory, some of it from a query that somebody else had asked, or from one of their own",
            answers,
        );
        for (name, help, gauge) in [
            (
                "kept_answers",
                "Answers of Prometheus in memory",
                &metrics.kept,
            ),
            (
                "kept_answer_bytes",
                "Bytes of memory that kept answers of Prometheus take",
                &metrics.kept_bytes,
            ),
            (
                "queries_ahead",
                "Queries that are asked ahead of the polls that are expected",
                &metrics.ahead,
            ),
            (
                "queries_under_way",
                "Queries for values that Prometheus is being asked, or that wait for their turn, each shared by all who need it",
                &metrics.flights,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register_collector(Box::new(Arc::clone(&metrics.costs)));
        registry.register_collector(Box::new(Arc::clone(&metrics.requests)));
        metrics
    }

    /// Counts a request that was answered.
    pub(super) fn answered(&self, source: Source) {
        self.answers[source as usize].inc();
    }

    pub(super) fn left_out(&self, api: MetricsApi, unusable: Unusable) {
        let reason = unusable.reason();
        self.unusable.get_or_create(&labels(api, reason)).inc();
    }

    pub(super) fn substituted(&self, api: MetricsApi, lack: Lack) {
        let reason = lack.reason();
        self.substituted.get_or_create(&labels(api, reason)).inc();
    }
}

fn labels(api: MetricsApi, reason: &'static str) -> ReasonLabels {
    let api = label(api);
    ReasonLabels { api, reason }
}

/// The label value of an API.
pub(super) const fn label(api: MetricsApi) -> &'static str {
    match api {
        MetricsApi::Custom => "custom",
        MetricsApi::External => "external",
        MetricsApi::Resource => "resource",
    }
}
