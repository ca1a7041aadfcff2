//! What Prometheus answers.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// A label's name and value.
type Label = (Arc<str>, Arc<str>);

/// Labels of one series, `__name__` included, sorted by name; each name once. Clones share them,
/// and labels of one answer share the texts that they have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The labels of a list, which is empty then: of several with one name the last one counts.
    pub(crate) fn take(labels: &mut Vec<Label>) -> Self {
        // Prometheus sorts them; whatever is in its place may not.
        if !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
            labels.sort_by(|(a, _), (b, _)| a.cmp(b));
            labels.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
        Self(labels.drain(..).collect())
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        Some(&self.0[place.ok()?].1)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The label at a place in the order of names.
    pub(crate) fn at(&self, place: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.0.get(place).map(|(name, value)| (name, value))
    }

    /// Bytes of memory that they take beside the labels before them in their answer, whose texts
    /// they may share.
    pub(crate) fn bytes(&self, before: Option<&Self>) -> usize {
        let label = |(place, (name, value)): (usize, &Label)| {
            let before = before.and_then(|before| before.at(place));
            let text = |text: &Arc<str>, before: Option<&Arc<str>>| {
                let shared = before.is_some_and(|before| Arc::ptr_eq(before, text));
                if shared { 0 } else { counted(text.len()) }
            };
            text(name, before.map(|(name, _)| name)) + text(value, before.map(|(_, value)| value))
        };
        let texts: usize = self.0.iter().enumerate().map(label).sum();
        counted(size_of_val::<[Label]>(&self.0)) + texts
    }
}

/// Bytes of what an `Arc` points to: two counts and the content, aligned as the counts are.
const fn counted(content: usize) -> usize {
    (2 * size_of::<usize>() + content).next_multiple_of(align_of::<usize>())
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self::take(&mut labels.into_iter().collect())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series' labels after the query's own aggregation.
    pub labels: Labels,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// The time that Prometheus gives it (the evaluation time of an instant query).
    pub timestamp: Timestamp,
}

/// The result of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// An instant vector, in Prometheus' order.
    Vector(Vec<Sample>),
    /// A scalar.
    Scalar {
        /// The value; may be NaN or infinite.
        value: f64,
        /// The evaluation time.
        timestamp: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_each_name_counts_once() {
        let mk = |pairs: &[(&str, &str)]| -> Labels {
            let pairs = pairs.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
            pairs.collect()
        };
        let labels = mk(&[("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("b", "5")]);
        assert_eq!(labels, mk(&[("a", "2"), ("b", "5"), ("c", "4")]));
        for (name, value) in [("a", Some("2")), ("b", Some("5")), ("d", None), ("", None)] {
            assert_eq!(labels.get(name).map(AsRef::as_ref), value, "{name}");
        }
    }

    #[test]
    fn what_is_shared_is_counted_once() {
        let (name, value): Label = ("pod".into(), "web-0".into());
        let alone: Labels = [(Arc::clone(&name), value)].into_iter().collect();
        let beside: Labels = [(name, "web-1".into())].into_iter().collect();
        let own = counted(size_of::<Label>()) + counted("web-0".len());
        assert_eq!(alone.bytes(None), own + counted("pod".len()));
        assert_eq!(beside.bytes(Some(&alone)), own);
    }
}
