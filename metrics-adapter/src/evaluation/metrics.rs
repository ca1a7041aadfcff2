//! What evaluation tells about itself. Label values come from code.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Lack;
use super::answers::Source;
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

/// Counters of evaluation.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    unusable: Family<ReasonLabels, Counter>,
    substituted: Family<ReasonLabels, Counter>,
    answers: Family<SourceLabels, Counter>,
}

impl Metrics {
    /// Registers the metrics; the caller chooses the prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
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
            "Answers of Prometheus that requests were made of: from memory, from a query that somebody else had asked, or from a query of their own",
            metrics.answers.clone(),
        );
        metrics
    }

    pub(super) fn answered(&self, source: Source) {
        let source = match source {
            Source::Memory => "memory",
            Source::Flight => "flight",
            Source::Prometheus => "prometheus",
        };
        self.answers.get_or_create(&SourceLabels { source }).inc();
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
    let api = match api {
        MetricsApi::Custom => "custom",
        MetricsApi::External => "external",
        MetricsApi::Resource => "resource",
    };
    ReasonLabels { api, reason }
}
