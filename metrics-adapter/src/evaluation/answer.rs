//! What Prometheus is asked, and what is kept of its answer.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::objects::Objects;
use crate::model::{QueryValue, Sample};
use crate::rules::JointQuery;

/// A query, and what of its answer is looked at. Whoever has equal ones shares the answer.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) promql: Arc<str>,
    pub(super) keep: Keep,
    /// How else it can be asked, which makes no other query of it.
    pub(super) joint: Option<Joint>,
}

/// A query about one namespace as part of one about several.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) query: Arc<JointQuery>,
    pub(super) namespace: Arc<str>,
}

impl Joint {
    /// Bytes that the namespace makes a query about several longer by.
    pub(super) fn bytes(&self) -> usize {
        self.query.places() * (self.namespace.len() + 1)
    }
}

impl Query {
    fn key(&self) -> (&str, &Keep) {
        (&self.promql, &self.keep)
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Query {}

impl PartialOrd for Query {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Query {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Query {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
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

    /// What Prometheus told of each namespace when it was asked about several: what it would have
    /// told of it alone, but for the label of namespaces.
    pub(super) fn of_each(
        value: QueryValue,
        label: &str,
        namespaces: &[Arc<str>],
        keep: &Keep,
        asked: Instant,
    ) -> Vec<Self> {
        let values = match value {
            QueryValue::Vector(samples) => parts(samples, label, namespaces),
            scalar @ QueryValue::Scalar { .. } => vec![scalar; namespaces.len()],
        };
        let answer = |value| Self::new(value, keep, asked);
        values.into_iter().map(answer).collect()
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

/// The elements of each namespace, in their order.
fn parts(samples: Vec<Sample>, label: &str, namespaces: &[Arc<str>]) -> Vec<QueryValue> {
    let places = namespaces.iter().map(AsRef::as_ref).zip(0..);
    let places: HashMap<&str, usize> = places.collect();
    let mut parts = vec![Vec::new(); namespaces.len()];
    for sample in samples {
        let namespace = sample.labels.get(label);
        if let Some(place) = namespace.and_then(|namespace| places.get(namespace.as_ref())) {
            parts[*place].push(sample);
        }
    }
    parts.into_iter().map(QueryValue::Vector).collect()
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
    use crate::evaluation::objects::Lookup;

    #[test]
    fn each_namespace_has_its_own_elements() {
        let sample = |labels: &[(&str, &str)], value| Sample {
            labels: labels
                .iter()
                .map(|(name, value)| (Arc::from(*name), Arc::from(*value)))
                .collect(),
            value,
            timestamp: Timestamp::UNIX_EPOCH,
        };
        let vector = QueryValue::Vector(vec![
            sample(&[("namespace", "shop"), ("pod", "web-0")], 1.0),
            sample(&[("namespace", "bank"), ("pod", "web-0")], 2.0),
            sample(&[("namespace", "shop")], 3.0),
            sample(&[("namespace", "other"), ("pod", "web-0")], 4.0),
            sample(&[("pod", "web-0")], 5.0),
            sample(&[("namespace", "shop"), ("pod", "web-1")], 6.0),
        ]);
        let namespaces = ["bank", "shop", "empty"].map(Arc::from);
        let (keep, now) = (Keep::Objects("pod".into()), Instant::now());
        let answers = Answer::of_each(vector, "namespace", &namespaces, &keep, now);
        let value = |answer: &Answer, pod| {
            Lookup::new(answer.objects().unwrap())
                .get(pod)
                .map(|it| it.value)
        };
        let told = |pod| [0, 1, 2].map(|place| value(&answers[place], pod));
        assert_eq!(told("web-0"), [Some(2.0), Some(1.0), None]);
        assert_eq!(told("web-1"), [None, Some(6.0), None]);
        let evaluated = |place: usize| answers[place].objects().unwrap().evaluated();
        assert_eq!(evaluated(1), Some(Timestamp::UNIX_EPOCH));
        assert_eq!((evaluated(2), answers[2].len()), (None, 0));
    }

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
