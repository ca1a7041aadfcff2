//! What each rule costs: its queries, the time that they take, and what they answer.
//!
//! Law: label values are the places of the rules in force. What is told of a rule ends with it,
//! also where another one takes its place.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

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
#[derive(Debug, Default)]
pub(super) struct Costs {
    queries: Family<QueryLabels, Counter>,
    seconds: Family<RuleLabels, Counter<f64, AtomicU64>>,
    elements: Family<RuleLabels, Counter>,
    bytes: Family<RuleLabels, Counter>,
    /// The rules that are told of.
    told: Mutex<HashSet<RuleId>>,
    /// Knows the rules in force.
    discovery: OnceLock<Arc<State>>,
}

impl Costs {
    /// Says who knows the rules in force; before that nothing is counted.
    pub(super) fn follow(&self, discovery: Arc<State>) {
        // One evaluator has these counters; of several the first one's rules count.
        let _ = self.discovery.set(discovery);
    }

    /// Counts a query that Prometheus was asked: without an answer it failed.
    pub(super) fn asked(&self, rule: &RuleId, took: Duration, answer: Option<&Answer>) {
        if !self.is_in_force(rule) {
            return;
        }
        let place = || Arc::clone(rule.place());
        let result = if answer.is_some() { "ok" } else { "error" };
        let rule = place();
        self.queries
            .get_or_create(&QueryLabels { rule, result })
            .inc();
        let labels = RuleLabels { rule: place() };
        self.seconds
            .get_or_create(&labels)
            .inc_by(took.as_secs_f64());
        let (elements, bytes) = answer.map_or((0, 0), |answer| (answer.len(), answer.bytes()));
        self.elements.get_or_create(&labels).inc_by(elements as u64);
        self.bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    /// Whether a rule is told of: an answer to one that has gone may come late.
    fn is_in_force(&self, rule: &RuleId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(rule) {
            return true;
        }
        // Another one may have stood in its place.
        self.forget(&mut told);
        let is_known = |state: &Arc<State>| ids(state.catalog().rules()).any(|id| id == rule);
        self.discovery.get().is_some_and(is_known) && told.insert(rule.clone())
    }

    /// Takes away what is told of rules that have gone.
    fn forget(&self, told: &mut HashSet<RuleId>) {
        let Some(state) = self.discovery.get() else {
            return;
        };
        let catalog = state.catalog();
        let in_force: HashSet<&RuleId> = ids(catalog.rules()).collect();
        told.retain(|rule| {
            let stays = in_force.contains(rule);
            if !stays {
                self.remove(rule.place());
            }
            stays
        });
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
    }
}

/// Whatever asks Prometheus for values.
fn ids(rules: &RuleSet) -> impl Iterator<Item = &RuleId> {
    let usage = rules.resource.iter();
    let usage = usage.flat_map(|rules| [rules.cpu.id(), rules.memory.id()]);
    rules.discovered().map(|rule| rule.id()).chain(usage)
}

impl Collector for Costs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.forget(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        let metrics: [(&str, &str, &dyn EncodeMetric); 4] = [
            (
                "rule_queries_total",
                "Queries for values that Prometheus was asked, by rule and result",
                &self.queries,
            ),
            (
                "rule_query_seconds_total",
                "Time that a rule's queries took, waiting for their turn included",
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
        ];
        for (name, help, metric) in metrics {
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}
