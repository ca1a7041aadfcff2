//! What each rule costs: its queries, the time that they take, and what they answer; and how old
//! that is when it is served.
//!
//! Law: label values are the places of the rules in force. What is told of a rule ends with it,
//! also where another one takes its place. Counters change under the lock of the rules in force.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::answer::Answer;
use crate::discovery::State;
use crate::rules::{RuleId, RuleSet};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    rule: Arc<str>,
    result: &'static str,
}

/// Counters by rule.
#[derive(Debug)]
pub(super) struct Costs {
    queries: Family<QueryLabels, Counter>,
    seconds: Family<RuleLabels, Counter<f64, AtomicU64>>,
    elements: Family<RuleLabels, Counter>,
    bytes: Family<RuleLabels, Counter>,
    ages: Family<RuleLabels, Histogram, fn() -> Histogram>,
    told: Mutex<Told>,
    /// Knows the rules in force.
    discovery: OnceLock<Arc<State>>,
}

/// The rules that are told of: those in force when somebody last looked.
#[derive(Debug, Default)]
struct Told {
    rules: Arc<RuleSet>,
    ids: HashSet<RuleId>,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            queries: Family::default(),
            seconds: Family::default(),
            elements: Family::default(),
            bytes: Family::default(),
            ages: Family::new_with_constructor(ages),
            told: Mutex::default(),
            discovery: OnceLock::new(),
        }
    }
}

impl Costs {
    /// Says who knows the rules in force; before that nothing is counted.
    pub(super) fn follow(&self, discovery: Arc<State>) {
        // One evaluator has these counters; of several the first one's rules count.
        let _ = self.discovery.set(discovery);
    }

    /// Counts a query that Prometheus was asked, with all that it made known: without answers it
    /// failed.
    pub(super) fn asked(&self, rule: &RuleId, took: Duration, answers: Option<&[Arc<Answer>]>) {
        let told = self.told();
        if !told.ids.contains(rule) {
            // An answer to a rule that has gone may come late.
            return;
        }
        let place = || Arc::clone(rule.place());
        let result = if answers.is_some() { "ok" } else { "error" };
        let rule = place();
        self.queries
            .get_or_create(&QueryLabels { rule, result })
            .inc();
        let labels = RuleLabels { rule: place() };
        self.seconds
            .get_or_create(&labels)
            .inc_by(took.as_secs_f64());
        let answers = answers.unwrap_or_default();
        let elements: usize = answers.iter().map(|answer| answer.len()).sum();
        let bytes: usize = answers.iter().map(|answer| answer.bytes()).sum();
        self.elements.get_or_create(&labels).inc_by(elements as u64);
        self.bytes.get_or_create(&labels).inc_by(bytes as u64);
        drop(told);
    }

    /// The ages of a rule's samples; of one that has gone they are told to nobody.
    pub(super) fn ages(&self, rule: &RuleId) -> Histogram {
        let told = self.told();
        if !told.ids.contains(rule) {
            return ages();
        }
        let rule = Arc::clone(rule.place());
        self.ages.get_or_create_owned(&RuleLabels { rule })
    }

    /// The rules in force; takes away what is told of those that have gone.
    fn told(&self) -> MutexGuard<'_, Told> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = self.discovery.get().map(|state| state.catalog());
        let rules = catalog.as_ref().map(|catalog| catalog.rules());
        if let Some(rules) = rules.filter(|rules| !Arc::ptr_eq(rules, &told.rules)) {
            let before = std::mem::replace(
                &mut *told,
                Told {
                    rules: Arc::clone(rules),
                    ids: ids(rules).cloned().collect(),
                },
            );
            for gone in before.ids.difference(&told.ids) {
                self.remove(gone.place());
            }
        }
        told
    }

    fn remove(&self, place: &Arc<str>) {
        for result in ["ok", "error"] {
            let rule = Arc::clone(place);
            self.queries.remove(&QueryLabels { rule, result });
        }
        let rule = Arc::clone(place);
        let labels = RuleLabels { rule };
        self.seconds.remove(&labels);
        self.elements.remove(&labels);
        self.bytes.remove(&labels);
        self.ages.remove(&labels);
    }
}

/// Seconds: an answer that is kept for a poll or two, a scrape interval, and what is to be told of;
/// without a sample for five minutes a series has ended.
fn ages() -> Histogram {
    Histogram::new([1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0])
}

/// Whatever asks Prometheus for values.
fn ids(rules: &RuleSet) -> impl Iterator<Item = &RuleId> {
    let usage = rules.resource.iter();
    let usage = usage.flat_map(|rules| [rules.cpu.id(), rules.memory.id()]);
    rules.discovered().map(|rule| rule.id()).chain(usage)
}

impl Collector for Costs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        drop(self.told());
        let metrics: [(&str, &str, &dyn EncodeMetric); 5] = [
            (
                "rule_queries_total",
                "Queries for values that Prometheus was asked, by rule and result",
                &self.queries,
            ),
            (
                "rule_query_seconds_total",
                "Time that a rule's queries took, from their turn on",
                &self.seconds,
            ),
            (
                "rule_answer_elements_total",
                "Elements that answers to a rule's queries had for it",
                &self.elements,
            ),
            (
                "rule_answer_bytes_total",
                "Bytes of memory that answers to a rule's queries took",
                &self.bytes,
            ),
            (
                "rule_sample_age_seconds",
                "Age of the oldest sample in each answer to a request when it was served; of rules without maxAge, the time since Prometheus was asked",
                &self.ages,
            ),
        ];
        for (name, help, metric) in metrics {
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}
