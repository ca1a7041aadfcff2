//! What Prometheus is asked, and what is kept of its answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::objects::Objects;
use crate::model::{QueryValue, Sample};

/// A query, and what of its answer is looked at. Whoever has equal ones shares the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Query {
    pub(super) promql: Arc<str>,
    pub(super) keep: Keep,
}

/// What is kept of a vector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Keep {
    /// Values by a label, which carries the names of objects.
    Objects(Arc<str>),
    /// Elements with all their labels.
    Elements,
}

/// An answer, shared by whoever asked.
#[derive(Debug)]
pub(super) struct Answer {
    told: Told,
    asked: Instant,
    bytes: usize,
}

/// What was told.
#[derive(Debug)]
pub(super) enum Told {
    /// A vector of which [`Keep::Objects`] is kept.
    Objects(Objects),
    /// A vector of which all is kept.
    Elements(Box<[Sample]>),
    /// A number, whatever was to be kept.
    Scalar { value: f64, timestamp: Timestamp },
}

impl Answer {
    /// What Prometheus told when it was asked at some time.
    pub(super) fn new(value: QueryValue, keep: &Keep, asked: Instant) -> Self {
        let told = match (value, keep) {
            (QueryValue::Vector(samples), Keep::Objects(label)) => {
                Told::Objects(Objects::new(&samples, label))
            }
            (QueryValue::Vector(samples), Keep::Elements) => Told::Elements(samples.into()),
            (QueryValue::Scalar { value, timestamp }, _) => Told::Scalar { value, timestamp },
        };
        let bytes = size_of::<Self>() + told.bytes();
        Self { told, asked, bytes }
    }

    /// What was told.
    pub(super) const fn told(&self) -> &Told {
        &self.told
    }

    /// The values by object; `None` for anything else.
    pub(super) const fn objects(&self) -> Option<&Objects> {
        match &self.told {
            Told::Objects(objects) => Some(objects),
            _ => None,
        }
    }

    /// The elements with their labels; none for anything else.
    pub(super) const fn elements(&self) -> &[Sample] {
        match &self.told {
            Told::Elements(elements) => elements,
            _ => &[],
        }
    }

    /// Elements that are kept.
    pub(super) const fn len(&self) -> usize {
        match &self.told {
            Told::Objects(objects) => objects.len(),
            Told::Elements(elements) => elements.len(),
            Told::Scalar { .. } => 1,
        }
    }

    /// Bytes of memory that it takes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// When Prometheus was asked.
    pub(super) const fn asked(&self) -> Instant {
        self.asked
    }

    /// How long ago that was.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.asked)
    }
}

impl Told {
    /// Bytes of memory beside its own.
    fn bytes(&self) -> usize {
        match self {
            Self::Objects(objects) => objects.bytes(),
            Self::Elements(elements) => {
                let mut before = None;
                let labels = elements.iter().map(|element| {
                    let before = before.replace(&element.labels);
                    element.labels.bytes(before)
                });
                size_of_val::<[Sample]>(elements) + labels.sum::<usize>()
            }
            Self::Scalar { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_looked_at_is_kept() {
        let sample = |pod: &str| Sample {
            labels: [("pod", pod), ("node", "n1")]
                .map(|(name, value)| (name.into(), value.into()))
                .into_iter()
                .collect(),
            value: 1.0,
            timestamp: Timestamp::UNIX_EPOCH,
        };
        let vector = || QueryValue::Vector(vec![sample("web-0"), sample("web-1")]);
        let now = Instant::now();
        let objects = Answer::new(vector(), &Keep::Objects("pod".into()), now);
        assert!(objects.objects().is_some() && objects.elements().is_empty());
        let elements = Answer::new(vector(), &Keep::Elements, now);
        assert!(elements.objects().is_none());
        assert_eq!(elements.elements()[1], sample("web-1"));
        assert_eq!((objects.len(), elements.len()), (2, 2));
        assert!(objects.bytes() * 2 < elements.bytes());
        let scalar = QueryValue::Scalar {
            value: 1.0,
            timestamp: Timestamp::UNIX_EPOCH,
        };
        let scalar = Answer::new(scalar, &Keep::Objects("pod".into()), now);
        assert!(scalar.objects().is_none() && scalar.elements().is_empty());
        assert!(matches!(scalar.told(), Told::Scalar { value: 1.0, .. }));
    }
}
