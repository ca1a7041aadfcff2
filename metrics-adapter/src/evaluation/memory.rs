//! The last values that were served, for the rules that fall back on them.
//!
//! Bounded by the number of entries: what was asked for least recently is forgotten first. What one
//! rule has served no other rule finds, not even that which takes its place in the file.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use super::value::Reading;
use crate::model::{ExternalQuery, ExternalValue, MetricQuery, Requirement, Selector};
use crate::rules::Fingerprint;

/// Objects times metrics and selectors: some 300 bytes each, so three megabytes.
const OBJECTS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// External metrics times namespaces and selectors: with all their elements and labels, some 1300
/// bytes each, thirteen megabytes.
const EXTERNAL: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");

/// Larger answers of an external metric are not remembered.
const ELEMENTS: usize = 10;

/// Nor is what a selector of more bytes asked for: a client decides how long it is.
const SELECTOR: usize = 1024;

type Of<T> = (Fingerprint, T);

/// Who was served what, by which rule. The key of an object is the request that names it alone.
pub(super) struct Memory {
    objects: Mutex<LruCache<Of<MetricQuery>, Reading>>,
    external: Mutex<LruCache<Of<ExternalQuery>, Arc<[ExternalValue]>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            objects: Mutex::new(LruCache::new(OBJECTS)),
            external: Mutex::new(LruCache::new(EXTERNAL)),
        }
    }
}

impl Memory {
    pub(super) fn served(&self, rule: Fingerprint, object: MetricQuery, reading: Reading) {
        if is_small(&object.metric_selector) {
            let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            objects.put((rule, object), reading);
        }
    }

    /// What the object was served last, unless that is too long ago.
    pub(super) fn last(
        &self,
        rule: Fingerprint,
        object: MetricQuery,
        now: Timestamp,
        longest: Duration,
    ) -> Option<Reading> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = objects.get(&(rule, object)).copied()?;
        recent(reading.timestamp, now, longest).then_some(reading)
    }

    pub(super) fn served_external(
        &self,
        rule: Fingerprint,
        query: &ExternalQuery,
        values: Vec<ExternalValue>,
    ) {
        if !is_small(&query.selector) {
            return;
        }
        let mut external = self.external.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (rule, query.clone());
        if values.len() > ELEMENTS {
            external.pop(&key);
        } else if !values.is_empty() {
            external.put(key, values.into());
        }
    }

    /// What was served last, without what is too long ago.
    pub(super) fn last_external(
        &self,
        rule: Fingerprint,
        query: &ExternalQuery,
        now: Timestamp,
        longest: Duration,
    ) -> Vec<ExternalValue> {
        let mut external = self.external.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(values) = external.get(&(rule, query.clone())) else {
            return Vec::new();
        };
        let recent = |value: &&ExternalValue| recent(value.timestamp, now, longest);
        values.iter().filter(recent).cloned().collect()
    }
}

/// Whether it may be kept: a client decides how long it is.
pub(super) fn is_small(selector: &Selector) -> bool {
    selector_bytes(selector) <= SELECTOR
}

/// Bytes of its texts.
pub(super) fn selector_bytes(selector: &Selector) -> usize {
    let bytes = |requirement: &Requirement| {
        requirement.key.len() + requirement.values.iter().map(String::len).sum::<usize>()
    };
    selector.requirements().iter().map(bytes).sum()
}

fn recent(timestamp: Timestamp, now: Timestamp, longest: Duration) -> bool {
    SignedDuration::try_from(longest).is_ok_and(|longest| now.duration_since(timestamp) <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupResource, Quantity, Target};
    use crate::rules::RuleId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rule(content: u8) -> Fingerprint {
        RuleId::new("rules[0]", &content).content()
    }

    fn mk_object(name: usize) -> MetricQuery {
        MetricQuery {
            resource: GroupResource::new("", "pods"),
            metric: "ops".into(),
            namespace: Some("shop".into()),
            target: Target::Name(name.to_string().into()),
            metric_selector: Selector::EVERYTHING,
        }
    }

    #[test]
    fn remembers_for_so_long_and_so_many() {
        let memory = Memory::default();
        let reading = Reading {
            value: Quantity::from_milli(5),
            timestamp: at(100),
        };
        let minute = Duration::from_secs(60);
        memory.served(rule(1), mk_object(0), reading);
        assert_eq!(
            memory.last(rule(1), mk_object(0), at(160), minute),
            Some(reading)
        );
        assert_eq!(memory.last(rule(1), mk_object(0), at(161), minute), None);
        assert_eq!(memory.last(rule(1), mk_object(1), at(100), minute), None);
        assert_eq!(memory.last(rule(2), mk_object(0), at(100), minute), None);
        let mut wordy = mk_object(0);
        let values: Vec<String> = (0..400).map(|n| format!("v{n}")).collect();
        let selector = format!("code in ({})", values.join(","));
        wordy.metric_selector = Selector::parse(&selector).unwrap();
        memory.served(rule(1), wordy.clone(), reading);
        assert_eq!(memory.last(rule(1), wordy, at(100), minute), None);
        for name in 1..=OBJECTS.get() {
            memory.served(rule(1), mk_object(name), reading);
        }
        assert_eq!(memory.last(rule(1), mk_object(0), at(100), minute), None);
        assert_eq!(memory.objects.lock().unwrap().len(), OBJECTS.get());
    }

    #[test]
    fn large_external_answers_are_not_remembered() {
        let memory = Memory::default();
        let query = ExternalQuery {
            namespace: "shop".into(),
            metric: "queue".into(),
            selector: Selector::EVERYTHING,
        };
        let value = |second| ExternalValue {
            labels: None,
            value: Quantity::ZERO,
            timestamp: at(second),
            window: None,
        };
        let last = || memory.last_external(rule(1), &query, at(100), Duration::from_secs(60));
        memory.served_external(rule(1), &query, vec![value(30), value(50)]);
        assert_eq!(last(), [value(50)]);
        let minute = Duration::from_secs(60);
        let other = memory.last_external(rule(2), &query, at(100), minute);
        assert_eq!(other, []);
        memory.served_external(rule(1), &query, Vec::new());
        assert_eq!(last(), [value(50)]);
        memory.served_external(rule(1), &query, vec![value(100); ELEMENTS + 1]);
        assert_eq!(last(), []);
    }
}
