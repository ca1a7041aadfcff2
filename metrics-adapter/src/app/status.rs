//! What the status page shows, collected from those who know it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use telemetry::health::Health;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::{Calls, RuleStatus, Status};
use crate::cluster::Cluster;
use crate::discovery::{Catalog, State};
use crate::evaluation::Evaluator;
use crate::prometheus::{self, Client, QueryClient as _};
use crate::reload::FileState;
use crate::serving::ServingCertificate;

/// Everybody who has something to tell.
pub(super) struct Sources {
    pub(super) started: Instant,
    pub(super) readiness: Health,
    pub(super) file: watch::Receiver<FileState>,
    pub(super) discovery: Arc<State>,
    pub(super) evaluator: Arc<Evaluator<Client, Cluster>>,
    pub(super) client: Arc<Client>,
    pub(super) prometheus: prometheus::Metrics,
    pub(super) certificates: Vec<Arc<ServingCertificate>>,
}

impl Sources {
    /// This moment.
    pub(super) fn status(&self) -> Status {
        let catalog = self.discovery.catalog();
        let calls = self.prometheus.calls();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            host: telemetry::host::name(),
            now: Timestamp::now(),
            present: self.client.present(),
            uptime: self.started.elapsed(),
            conditions: self.readiness.states(),
            file: self.file.borrow().clone(),
            rules: self.rules(&catalog),
            has_resource_rules: catalog.rules().resource.is_some(),
            collisions: catalog.collisions().to_vec(),
            polls: self.evaluator.polls(),
            failures: self.evaluator.failures(),
            calls: Calls {
                ended: calls.ended,
                failed: calls.failed,
                over: calls.over,
            },
            certificates: self
                .certificates
                .iter()
                .map(|certificate| certificate.state())
                .collect(),
        }
    }

    fn rules(&self, catalog: &Catalog) -> Vec<RuleStatus> {
        let mut made = made(catalog);
        let status = |health: crate::discovery::RuleHealth| {
            let (metrics, names) = made.remove(health.rule.as_ref()).unwrap_or_default();
            RuleStatus {
                health,
                metrics,
                names,
            }
        };
        self.discovery.health().into_iter().map(status).collect()
    }
}

/// How many metrics each rule makes, and the first of their names, by the rule's place.
fn made(catalog: &Catalog) -> HashMap<&str, (usize, Vec<Arc<str>>)> {
    let custom = catalog.list().iter().filter_map(|info| {
        let entry = catalog.get(info)?;
        Some((entry.rule.id().as_ref(), &info.metric))
    });
    let external = catalog.external_list().iter().filter_map(|metric| {
        let entry = catalog.get_external(metric)?;
        Some((entry.rule.id().as_ref(), metric))
    });
    let mut made: HashMap<&str, (usize, Vec<Arc<str>>)> = HashMap::new();
    for (rule, metric) in custom.chain(external) {
        let (metrics, names) = made.entry(rule).or_default();
        *metrics += 1;
        if names.len() < RuleStatus::NAMES && !names.contains(metric) {
            names.push(Arc::clone(metric));
        }
    }
    made
}
