//! What the watch of the rules file tells about itself; named as Prometheus names its own.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of a version of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reload {
    Success,
    Failure,
}

telemetry::snake_case_labels!(Reload);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: Reload,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ContentLabels {
    hash: String,
}

/// Counters and gauges of the rules file. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    successful: Gauge,
    success_timestamp: Gauge<f64, AtomicU64>,
    reloads: Family<ReloadLabels, Counter>,
    /// Of the version that is used, alone.
    content: Family<ContentLabels, Gauge>,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for result in [Reload::Success, Reload::Failure] {
            drop(metrics.reloads.get_or_create(&ReloadLabels { result }));
        }
        registry.register(
            "config_last_reload_successful",
            "Whether the rules file as it is now is good, and its rules are used",
            metrics.successful.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "Time at which the rules file was last found good, at the start or later",
            metrics.success_timestamp.clone(),
        );
        registry.register(
            "config_reloads_total",
            "Changes of the rules file since the start, by what became of them",
            metrics.reloads.clone(),
        );
        registry.register(
            "config_info",
            "Always 1; hash is that of the rules file whose rules are used, as sha256sum tells it",
            metrics.content.clone(),
        );
        metrics
    }

    /// The rules of this version are used from now on.
    pub(super) fn uses(&self, sha256: &str) {
        let hash = sha256.to_owned();
        self.content.clear();
        self.content.get_or_create(&ContentLabels { hash }).set(1);
    }

    /// The file was good at the start.
    pub(super) fn loaded(&self) {
        self.successful.set(1);
        let now = Timestamp::now().as_duration().as_secs_f64();
        self.success_timestamp.set(now);
    }

    /// The file has changed.
    pub(super) fn reloaded(&self, good: bool) {
        let result = if good {
            self.loaded();
            Reload::Success
        } else {
            self.successful.set(0);
            Reload::Failure
        };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Whether the file as it is now is in use.
    pub fn is_successful(&self) -> bool {
        self.successful.get() == 1
    }
}
