//! The loop that asks Prometheus which series there are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::health::RuleHealth;
use super::source::{Source, sources};
use super::{Catalog, Metrics};
use crate::model::{MetricInfo, ObjectSource};
use crate::prometheus::{QueryClient, SeriesSet};
use crate::rules::{Rule, RuleId, RuleSet};

/// Prometheus' clock was not what it was taken for, if it is off by more after the answers: they
/// are about another time.
const ASTRAY: Duration = Duration::from_secs(30);
/// Collisions told at a time; of others only the number.
const TOLD: usize = 20;
/// Pause before asking again for the right time.
const AGAIN: Duration = Duration::from_secs(1);

/// When to ask, and for which time.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time between relists (`--metrics-relist-interval`).
    pub interval: Duration,
    /// Series that had samples within this time are listed (`--metrics-max-age`).
    pub max_age: Duration,
    /// How long a rule whose series query fails keeps its metrics, from its last answer on; `None`
    /// for ever (`--metrics-stale-limit`).
    pub stale_limit: Option<Duration>,
    /// What discovery documents name (`--discovery`).
    pub listing: Listing,
}

/// Which metrics discovery documents name. Every kubectl reads these documents, so thousands of
/// entries slow down the whole cluster (kubernetes#98801); nobody but people needs them: the HPA
/// asks for a metric by its name. Values are served all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// All of them, as prometheus-adapter does.
    #[default]
    Full,
    /// None of them: the document is the same whatever the number of metrics.
    Compact,
}

/// What the loop publishes.
#[derive(Debug)]
pub struct State {
    catalog: ArcSwap<Catalog>,
    health: Mutex<Vec<RuleHealth>>,
    first_round: watch::Sender<bool>,
    listing: Listing,
    /// What the compact form names, always the same.
    nothing: (Arc<[MetricInfo]>, Arc<[Arc<str>]>),
}

impl State {
    /// The current catalog.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// The custom metrics that discovery documents name.
    pub fn listed(&self) -> Arc<[MetricInfo]> {
        match self.listing {
            Listing::Full => Arc::clone(self.catalog.load().list()),
            Listing::Compact => Arc::clone(&self.nothing.0),
        }
    }

    /// The external metrics that discovery documents name.
    pub fn listed_external(&self) -> Arc<[Arc<str>]> {
        match self.listing {
            Listing::Full => Arc::clone(self.catalog.load().external_list()),
            Listing::Compact => Arc::clone(&self.nothing.1),
        }
    }

    /// How every rule fares, in rule order.
    pub fn health(&self) -> Vec<RuleHealth> {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a catalog in force, and tells what is new in it. To compare it with the one before, and to
    /// take that one apart, is work as well.
    fn publish(&self, mut catalog: Catalog) {
        let before = self.catalog.load_full();
        catalog.share_lists(&before);
        if !Arc::ptr_eq(catalog.rules(), before.rules()) {
            info!("the new rules are in force");
        }
        if !catalog.has_lists_of(&before) {
            let (metrics, was) = (catalog.len(), before.len());
            info!(metrics, was, "the list of metrics has changed");
        }
        let mut collisions = catalog.collisions_beyond(&before);
        for collision in collisions.by_ref().take(TOLD) {
            warn!(
                metric = collision.metric,
                "{} hides {}: both make {}", collision.winner, collision.loser, collision.metric
            );
        }
        let more = collisions.count();
        if more > 0 {
            warn!(more, "{more} more metrics are claimed more than once");
        }
        self.catalog.store(Arc::new(catalog));
    }

    /// Whether every series query has been asked once, whatever came of it.
    pub fn first_round_done(&self) -> bool {
        *self.first_round.borrow()
    }
}

/// The loop.
pub struct Relister<C, O> {
    client: Arc<C>,
    objects: Arc<O>,
    options: Options,
    rules: Arc<RuleSet>,
    /// Tells of every new version of the rules file.
    updates: watch::Receiver<Arc<RuleSet>>,
    sources: Vec<Source>,
    refused: Vec<(RuleId, String)>,
    state: Arc<State>,
    metrics: Metrics,
    /// Whether the last round asked for a wrong time.
    astray: bool,
    /// Changes when the cluster has other kinds of objects than before.
    kinds: watch::Receiver<u64>,
}

impl<C: QueryClient, O: ObjectSource> Relister<C, O> {
    /// Prepares the loop; nothing is asked before [`Self::run`].
    pub fn new(
        client: Arc<C>,
        objects: Arc<O>,
        rules: Arc<RuleSet>,
        options: Options,
        metrics: Metrics,
    ) -> Self {
        for rule in rules.discovered() {
            metrics.announce(rule.id().place(), None);
        }
        let state = Arc::new(State {
            catalog: ArcSwap::from_pointee(Catalog::empty(Arc::clone(&rules))),
            health: Mutex::new(Vec::new()),
            first_round: watch::Sender::new(false),
            listing: options.listing,
            nothing: (Arc::default(), Arc::default()),
        });
        let relister = Self {
            client,
            objects,
            options,
            updates: watch::channel(Arc::clone(&rules)).1,
            sources: sources(&rules, Vec::new()),
            rules,
            refused: Vec::new(),
            state,
            metrics,
            astray: false,
            kinds: watch::channel(0).1,
        };
        relister.publish_health();
        relister
    }

    /// Makes the catalog anew, of the series that are known, whenever `kinds` changes: labels may
    /// name other resources then.
    #[must_use]
    pub fn with_kinds(self, kinds: watch::Receiver<u64>) -> Self {
        Self { kinds, ..self }
    }

    /// Goes over to other rules whenever `updates` has new ones.
    #[must_use]
    pub fn with_updates(self, updates: watch::Receiver<Arc<RuleSet>>) -> Self {
        Self { updates, ..self }
    }

    /// What the loop publishes.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// Relists until `stop`; never gives up.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round() => {}
            }
            let limit = self.options.stale_limit;
            let next = self.sources.iter().map(|source| source.wake(limit)).min();
            let next = next.unwrap_or_else(|| Instant::now() + self.options.interval);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(next) => break,
                    () = changed(&mut self.kinds) => {
                        self.publish_catalog().await;
                        self.publish_health();
                    }
                    () = changed(&mut self.updates) => {
                        self.adopt();
                        break;
                    }
                }
            }
        }
    }

    /// Takes over the new rules, to be asked for at once; those of before are served until then.
    fn adopt(&mut self) {
        let rules = Arc::clone(&self.updates.borrow_and_update());
        for id in ids(&self.rules).filter(|id| !ids(&rules).any(|new| new == *id)) {
            self.metrics.forget(id.place());
        }
        self.refused
            .retain(|(refused, _)| ids(&rules).any(|id| id == refused));
        self.sources = sources(&rules, std::mem::take(&mut self.sources));
        for rule in rules.discovered() {
            if !ids(&self.rules).any(|old| old == rule.id()) {
                let known = self.source(rule);
                self.metrics.announce(rule.id().place(), known);
            }
        }
        self.rules = rules;
    }

    /// Asks every series query that is due, all at once, and publishes what came of it.
    async fn round(&mut self) {
        for source in &mut self.sources {
            source.expire(self.options.stale_limit, &self.metrics);
        }
        let now = Instant::now();
        let end = self.client.present();
        // A start before the beginning of time is the beginning of time.
        let start = end
            .checked_sub(self.options.max_age)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let client = &self.client;
        let asked = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.due <= now)
            .map(|(index, source)| {
                let query = Arc::clone(&source.query);
                async move { (index, client.series(&query, start, end).await) }
            });
        let answers = join_all(asked).await;
        let passed = client.present().duration_since(end);
        let off = passed - jiff::SignedDuration::try_from(now.elapsed()).unwrap_or_default();
        // Once only: several Prometheuses behind one address may disagree for ever.
        self.astray = off.unsigned_abs() > ASTRAY && !self.astray;
        for (index, answer) in answers {
            let interval = self.options.interval;
            let source = &mut self.sources[index];
            match answer {
                Ok(_) if self.astray => source.due = Instant::now() + AGAIN,
                Ok(set) => source.succeed(set, end, interval, &self.metrics),
                Err(error) => source.fail(&error, interval, &self.metrics),
            }
        }
        if self.astray {
            return;
        }
        self.publish_catalog().await;
        self.publish_health();
        self.state.first_round.send_replace(true);
    }

    /// Makes the catalog anew. It may be of hundreds of thousands of names, so that is no work for
    /// a thread that answers requests.
    async fn publish_catalog(&mut self) {
        let (rules, objects) = (Arc::clone(&self.rules), Arc::clone(&self.objects));
        let (custom, external) = (self.found(&rules.custom), self.found(&rules.external));
        let is_complete = self.sources.iter().all(Source::is_answered);
        let state = Arc::clone(&self.state);
        let published = tokio::task::spawn_blocking(move || {
            let (mut catalog, refused) =
                Catalog::build(rules, &custom, &external, objects.as_ref());
            catalog.is_complete = is_complete;
            objects.watch(&catalog.resources());
            let counts = (catalog.len(), catalog.collisions().len());
            state.publish(catalog);
            (refused, counts)
        });
        let (refused, (metrics, collisions)) = match published.await {
            Ok(published) => published,
            // A panic there is one here; cancelled are such tasks at the end of the process only.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return,
            },
        };
        let refused: Vec<_> = refused
            .into_iter()
            .map(|(rule, error)| (rule.id().clone(), error.to_string()))
            .collect();
        for (rule, error) in refused.iter().filter(|entry| !self.refused.contains(entry)) {
            warn!(%rule, error, "the rule makes no metrics: {error}");
        }
        self.refused = refused;
        self.metrics.listed(metrics, collisions);
    }

    /// The last good result of each rule that has one.
    fn found(&self, rules: &[Arc<Rule>]) -> Vec<(Arc<Rule>, Arc<SeriesSet>)> {
        let found = |rule| Some((Arc::clone(rule), Arc::clone(self.source(rule)?.found()?)));
        rules.iter().filter_map(found).collect()
    }

    fn source(&self, rule: &Rule) -> Option<&Source> {
        self.sources
            .iter()
            .find(|source| source.query == *rule.series_query())
    }

    fn publish_health(&self) {
        let health = self.rules.discovered().map(|rule| {
            let source = self.source(rule);
            let found = source.and_then(Source::found);
            let refused = self
                .refused
                .iter()
                .find(|(id, _)| id == rule.id())
                .map(|(_, error)| error.clone());
            RuleHealth {
                rule: Arc::clone(rule.id().place()),
                series_query: Arc::clone(rule.series_query()),
                last_success: source.and_then(Source::last_success),
                series: found.map(|found| found.count),
                error: source
                    .and_then(|source| source.error().map(str::to_owned))
                    .or(refused),
            }
        });
        *self
            .state
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = health.collect();
    }
}

/// Waits for a change; for ever when there can be none any more.
async fn changed<T>(value: &mut watch::Receiver<T>) {
    if value.changed().await.is_err() {
        std::future::pending().await
    }
}

fn ids(rules: &RuleSet) -> impl Iterator<Item = &RuleId> {
    rules.discovered().map(|rule| rule.id())
}

#[cfg(test)]
mod tests;
