//! Values by the names of their objects, in little more memory than names and values need: a
//! metric of a namespace's pods is kept for as long as somebody polls it.

use std::cell::Cell;
use std::cmp::Ordering;

use jiff::Timestamp;

use crate::model::Sample;

/// The value of one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) timestamp: Timestamp,
}

impl From<&Sample> for Point {
    fn from(sample: &Sample) -> Self {
        Self {
            value: sample.value,
            timestamp: sample.timestamp,
        }
    }
}

/// What is kept of a vector whose elements are about objects.
#[derive(Debug)]
pub(super) struct Objects {
    /// All names in their order, one after the other.
    names: Box<str>,
    /// Where each name ends, and its value.
    values: Box<[(usize, f64)]>,
    evaluated: Option<Timestamp>,
    /// Each value's, where one is another than `evaluated`: of an instant query none is.
    timestamps: Option<Box<[Timestamp]>>,
}

impl Objects {
    /// The elements by the value of a label. Of several for one value the last one counts; those
    /// without the label are nobody's.
    pub(super) fn new(elements: &[Sample], label: &str) -> Self {
        let named = elements.iter().filter_map(|sample| {
            let name = sample.labels.get(label)?;
            Some((name.as_ref(), sample))
        });
        let mut named: Vec<(&str, &Sample)> = named.collect();
        // Stable: the last one of equal names is the last one of the vector.
        named.sort_by_key(|(name, _)| *name);
        let same = |a: &(&str, _), b: &(&str, _)| a.0 == b.0;
        let each = || named.chunk_by(same).filter_map(<[_]>::last);
        let mut names = String::with_capacity(each().map(|(name, _)| name.len()).sum());
        let values = each().map(|(name, sample)| {
            names.push_str(name);
            (names.len(), sample.value)
        });
        let values = values.collect();
        let evaluated = elements.first().map(|element| element.timestamp);
        let timestamps = || each().map(|(_, sample)| sample.timestamp);
        let is_one = timestamps().all(|timestamp| Some(timestamp) == evaluated);
        let timestamps = (!is_one).then(|| timestamps().collect());
        Self {
            values,
            names: names.into_boxed_str(),
            evaluated,
            timestamps,
        }
    }

    /// The place of an object. It is looked for at `likely` first: whoever asks for one after the
    /// other mostly asks in the order of names.
    fn place(&self, name: &str, likely: usize) -> Option<usize> {
        if likely < self.len() && self.name(likely) == name {
            return Some(likely);
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn name(&self, place: usize) -> &str {
        let start = place
            .checked_sub(1)
            .map_or(0, |before| self.values[before].0);
        &self.names[start..self.values[place].0]
    }

    fn point(&self, place: usize) -> Option<Point> {
        let timestamp = match &self.timestamps {
            Some(timestamps) => timestamps[place],
            None => self.evaluated?,
        };
        let (_, value) = self.values[place];
        Some(Point { value, timestamp })
    }

    /// How many objects have a value.
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    /// The time of the vector's first element, which may be nobody's; `None` for an empty vector.
    pub(super) const fn evaluated(&self) -> Option<Timestamp> {
        self.evaluated
    }

    /// Bytes of memory beside its own.
    pub(super) fn bytes(&self) -> usize {
        let timestamps = self.timestamps.as_deref().map_or(0, size_of_val);
        self.names.len() + size_of_val::<[(usize, f64)]>(&self.values) + timestamps
    }
}

/// Looks values up, one after the other.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    objects: &'a Objects,
    next: Cell<usize>,
}

impl<'a> Lookup<'a> {
    pub(super) const fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            next: Cell::new(0),
        }
    }

    /// The value of an object.
    pub(super) fn get(&self, name: &str) -> Option<Point> {
        let place = self.objects.place(name, self.next.get())?;
        self.next.set(place + 1);
        self.objects.point(place)
    }

    /// All values.
    pub(super) const fn objects(&self) -> &'a Objects {
        self.objects
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sample(second: i64, labels: &[(&str, &str)], value: f64) -> Sample {
        Sample {
            labels: labels
                .iter()
                .map(|(k, v)| (Arc::from(*k), Arc::from(*v)))
                .collect(),
            value,
            timestamp: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn one_time_of_all_is_kept_once() {
        let elements = |second| {
            [
                sample(7, &[("pod", "web-0")], 1.0),
                sample(second, &[("pod", "web-1")], 2.0),
            ]
        };
        let [alike, unlike] = [7, 8].map(|second| Objects::new(&elements(second), "pod"));
        for (objects, second) in [(&alike, 7), (&unlike, 8)] {
            let point = Lookup::new(objects).get("web-1").unwrap();
            assert_eq!(point.timestamp, Timestamp::from_second(second).unwrap());
            assert_eq!(objects.evaluated(), Timestamp::from_second(7).ok());
        }
        assert_eq!(unlike.bytes(), alike.bytes() + 2 * size_of::<Timestamp>());
    }

    #[test]
    fn each_object_has_the_last_value_of_its_name() {
        let at = Timestamp::from_second;
        let elements = [
            sample(1, &[("node", "n")], 1.0),
            sample(2, &[("pod", "web-10"), ("node", "n")], 2.0),
            sample(3, &[("pod", "web-1")], 3.0),
            sample(4, &[("pod", "web-10"), ("node", "m")], 4.0),
            sample(5, &[("pod", "")], 5.0),
        ];
        let pods = Objects::new(&elements, "pod");
        let told = |objects: &Objects, name: &str| {
            let value = |lookup: &Lookup<'_>| lookup.get(name).map(|point| point.value);
            let lookup = Lookup::new(objects);
            let found = value(&lookup);
            // Wherever it was looked for before.
            assert_eq!(value(&lookup), found);
            found
        };
        let lookup = Lookup::new(&pods);
        let in_order = ["", "web-1", "web-10"].map(|name| lookup.get(name).map(|it| it.value));
        assert_eq!(in_order, [Some(5.0), Some(3.0), Some(4.0)]);
        for (name, value) in [
            ("web-1", Some(3.0)),
            ("web-10", Some(4.0)),
            ("", Some(5.0)),
            ("web-", None),
            ("web-100", None),
            ("a", None),
            ("z", None),
        ] {
            assert_eq!(told(&pods, name), value, "{name}");
        }
        let last = Lookup::new(&pods).get("web-10").unwrap();
        assert_eq!(last.timestamp, at(4).unwrap());
        assert_eq!((pods.len(), pods.evaluated()), (3, at(1).ok()));
        let nodes = Objects::new(&elements, "node");
        assert_eq!(
            (told(&nodes, "n"), told(&nodes, "m")),
            (Some(2.0), Some(4.0))
        );
        let nobody = Objects::new(&elements, "zone");
        assert_eq!((nobody.len(), nobody.evaluated()), (0, at(1).ok()));
        let empty = Objects::new(&[], "pod");
        assert_eq!((told(&empty, ""), empty.evaluated()), (None, None));
    }
}
