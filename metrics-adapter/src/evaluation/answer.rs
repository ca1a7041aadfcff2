//! One answer of Prometheus, and its elements by the name of their object.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{QueryValue, Sample};

/// Bytes of an element without its labels: the first node of their map, its place in the vector and
/// in the index.
const ELEMENT: usize = 550;
/// Bytes of a label beyond its name and value: two counted texts, and a share of further nodes.
const LABEL: usize = 100;

/// An answer, shared by whoever asked.
#[derive(Debug)]
pub(super) struct Answer {
    value: QueryValue,
    asked: Instant,
    /// Made for the first label that is asked for; there is hardly ever another one.
    index: OnceLock<Index>,
}

/// Places of elements by the value of a label. Of several for one value the last one counts; those
/// without the label are nobody's.
#[derive(Debug)]
struct Index {
    label: String,
    places: HashMap<Arc<str>, usize>,
}

impl Index {
    fn new(elements: &[Sample], label: &str) -> Self {
        let named = |(place, sample): (usize, &Sample)| {
            Some((Arc::clone(sample.labels.get(label)?), place))
        };
        Self {
            label: label.to_owned(),
            places: elements.iter().enumerate().filter_map(named).collect(),
        }
    }
}

impl Answer {
    /// What Prometheus told when it was asked at some time.
    pub(super) const fn new(value: QueryValue, asked: Instant) -> Self {
        Self {
            value,
            asked,
            index: OnceLock::new(),
        }
    }

    /// As Prometheus gave it.
    pub(super) const fn value(&self) -> &QueryValue {
        &self.value
    }

    /// Memory that it takes, about: elements with their labels, names by which they are found.
    pub(super) fn bytes(&self) -> usize {
        let label = |(name, value): (&Arc<str>, &Arc<str>)| name.len() + value.len() + LABEL;
        let element = |sample: &Sample| ELEMENT + sample.labels.iter().map(label).sum::<usize>();
        self.elements().iter().map(element).sum()
    }

    /// When Prometheus was asked.
    pub(super) const fn asked(&self) -> Instant {
        self.asked
    }

    /// How long ago that was.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.asked)
    }

    /// The elements of a vector; a scalar has none.
    pub(super) fn elements(&self) -> &[Sample] {
        match &self.value {
            QueryValue::Vector(samples) => samples,
            QueryValue::Scalar { .. } => &[],
        }
    }

    /// The elements by the value of a label.
    pub(super) fn by_name(&self, label: &str) -> ByName<'_> {
        let elements = self.elements();
        let index = self.index.get_or_init(|| Index::new(elements, label));
        let index = if index.label == label {
            IndexRef::Shared(index)
        } else {
            IndexRef::Own(Index::new(elements, label))
        };
        ByName { elements, index }
    }
}

enum IndexRef<'a> {
    Shared(&'a Index),
    Own(Index),
}

/// The elements of an answer by the name of their object.
pub(super) struct ByName<'a> {
    elements: &'a [Sample],
    index: IndexRef<'a>,
}

impl<'a> ByName<'a> {
    /// Nothing at all.
    pub(super) fn none() -> Self {
        Self {
            elements: &[],
            index: IndexRef::Own(Index::new(&[], "")),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Sample> {
        self.elements.get(*self.places().get(name)?)
    }

    /// Whether no element is anybody's.
    pub(super) fn is_empty(&self) -> bool {
        self.places().is_empty()
    }

    fn places(&self) -> &HashMap<Arc<str>, usize> {
        match &self.index {
            IndexRef::Shared(index) => &index.places,
            IndexRef::Own(index) => &index.places,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn each_label_has_its_own_names() {
        let sample = |pod: &str, node: Option<&str>, value: f64| Sample {
            labels: [("pod", Some(pod)), ("node", node)]
                .into_iter()
                .filter_map(|(label, value)| Some((label.into(), value?.into())))
                .collect(),
            value,
            timestamp: Timestamp::UNIX_EPOCH,
        };
        let answer = Answer::new(
            QueryValue::Vector(vec![
                sample("a", Some("n"), 1.0),
                sample("b", Some("n"), 2.0),
                sample("c", None, 3.0),
            ]),
            Instant::now(),
        );
        let value = |label: &str, name: &str| answer.by_name(label).get(name).map(|s| s.value);
        assert_eq!(value("pod", "a"), Some(1.0));
        assert_eq!(value("pod", "n"), None);
        assert_eq!(value("node", "n"), Some(2.0));
        assert_eq!(value("node", "a"), None);
        assert_eq!(value("pod", "c"), Some(3.0));
        assert_eq!(answer.bytes(), 3 * ELEMENT + 5 * LABEL + 3 * 4 + 2 * 5);
        assert!(answer.by_name("zone").is_empty() && !answer.by_name("node").is_empty());
    }

    #[test]
    fn a_scalar_has_no_elements() {
        let answer = Answer::new(
            QueryValue::Scalar {
                value: 1.0,
                timestamp: Timestamp::UNIX_EPOCH,
            },
            Instant::now(),
        );
        assert!(answer.elements().is_empty() && answer.by_name("pod").is_empty());
    }
}
