//! What evaluation tells about itself. Label values come from code.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::value::Unusable;
use crate::model::MetricsApi;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnusableLabels {
    api: &'static str,
    reason: &'static str,
}

/// Counters of evaluation.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    unusable: Family<UnusableLabels, Counter>,
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
        metrics
    }

    pub(super) fn left_out(&self, api: MetricsApi, unusable: Unusable) {
        let api = match api {
            MetricsApi::Custom => "custom",
            MetricsApi::External => "external",
            MetricsApi::Resource => "resource",
        };
        let reason = unusable.reason();
        self.unusable
            .get_or_create(&UnusableLabels { api, reason })
            .inc();
    }
}
