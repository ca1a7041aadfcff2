//! Elements of a vector, without a copy of their texts before those that are kept.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use super::Text;
use crate::model::Sample;
use crate::model::sample::Labels;

/// A value and its time.
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) timestamp: Timestamp,
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, Text(value)) = <(f64, Text<'_>)>::deserialize(deserializer)?;
        // Prometheus writes `NaN`, `+Inf` and `-Inf`, which Rust reads.
        let number = value.parse();
        // Prometheus has milliseconds; the cast saturates and jiff refuses what is out of range.
        #[allow(clippy::cast_possible_truncation)]
        let timestamp = Timestamp::from_millisecond((seconds * 1000.0).round() as i64);
        Ok(Self {
            value: number
                .map_err(|_| D::Error::custom(format!("{value:?} is not a sample value")))?,
            timestamp: timestamp
                .map_err(|_| D::Error::custom(format!("{seconds} is not a time")))?,
        })
    }
}

/// The elements of a vector.
pub(super) struct Samples(pub(super) Vec<Sample>);

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Samples;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of samples")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Samples, A::Error> {
                let (mut texts, mut samples) = (Texts::default(), Vec::new());
                while let Some(sample) = items.next_element_seed(OneSample(&mut texts))? {
                    samples.push(sample);
                }
                Ok(Samples(samples))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// The texts of an answer's labels. Names are kept once; a value is, where the sample before has
/// the same one, as it is with the labels that all samples of a query have in common.
#[derive(Default)]
struct Texts {
    names: HashSet<Arc<str>>,
    before: Option<Labels>,
    labels: Vec<(Arc<str>, Arc<str>)>,
}

impl Texts {
    /// Takes the next label of a sample.
    fn push(&mut self, name: &str, value: &str) {
        let before = self.before.as_ref();
        let before = before.and_then(|labels| labels.at(self.labels.len()));
        let (known_name, known_value) = before.unzip();
        let name = match known_name.filter(|known| ***known == *name) {
            Some(known) => Arc::clone(known),
            None => match self.names.get(name) {
                Some(known) => Arc::clone(known),
                None => {
                    let name: Arc<str> = name.into();
                    self.names.insert(Arc::clone(&name));
                    name
                }
            },
        };
        let value = match known_value.filter(|known| ***known == *value) {
            Some(known) => Arc::clone(known),
            None => value.into(),
        };
        self.labels.push((name, value));
    }

    /// The labels of a sample whose labels were all taken.
    fn sample(&mut self) -> Labels {
        let labels = Labels::take(&mut self.labels);
        self.before = Some(labels.clone());
        labels
    }
}

/// One element of a vector.
struct OneSample<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for OneSample<'_> {
    type Value = Sample;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Sample, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneSample<'_> {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sample, A::Error> {
        let (mut labels, mut point) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "metric" => labels = Some(map.next_value_seed(SampleLabels(&mut *self.0))?),
                "value" => point = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Point { value, timestamp } = point.ok_or_else(|| A::Error::missing_field("value"))?;
        Ok(Sample {
            labels: labels.ok_or_else(|| A::Error::missing_field("metric"))?,
            value,
            timestamp,
        })
    }
}

/// The labels of one element.
struct SampleLabels<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for SampleLabels<'_> {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SampleLabels<'_> {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the labels of a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        while let Some((Text(name), Text(value))) = map.next_entry()? {
            self.0.push(&name, &value);
        }
        Ok(self.0.sample())
    }
}

/// Labels that share no text with others.
pub(super) struct OwnLabels(pub(super) Labels);

impl<'de> Deserialize<'de> for OwnLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Texts::default();
        SampleLabels(&mut texts).deserialize(deserializer).map(Self)
    }
}
