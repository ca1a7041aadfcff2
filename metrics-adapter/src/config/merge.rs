//! Merge keys that Go and YAML understand differently.
//!
//! By YAML's definition a key of the map itself wins over a merged one. gopkg.in/yaml.v2, which
//! prometheus-adapter uses, lets whatever comes later win: in `{a: 1, <<: {a: 2}}` that is 2. It
//! also reads a map into the merged one: `{<<: {a: {b: 1}}, a: {c: 2}}` keeps `b`, which YAML
//! drops. Neither can be meant silently, so such a file is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The structure of a document, aliases followed, merge keys left as they are.
enum Node {
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    Scalar,
}

/// Refuses a merge key behind a key that it would override in Go.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut options = serde_saphyr::Options::default();
    options.merge_keys = serde_saphyr::MergeKeyPolicy::AsOrdinary;
    // Two merge keys are not this check's concern.
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::LastWins;
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(node) => node.check(""),
        // Whoever reads the file in earnest says it better.
        Err(_) => Ok(()),
    }
}

impl Node {
    fn check(&self, path: &str) -> Result<(), String> {
        match self {
            Self::Scalar => Ok(()),
            Self::List(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| item.check(&format!("{path}[{index}]"))),
            Self::Map(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let before = &entries[..index];
                    let overridden = before.iter().find(|(k, _)| key == "<<" && value.has(k));
                    if let Some((overridden, _)) = overridden {
                        return Err(format!(
                            "{}: `<<` stands behind {overridden:?}, which it sets as well; put it first",
                            path.trim_start_matches('.')
                        ));
                    }
                    let merged = before.iter().filter(|(k, _)| k == "<<");
                    let kept = merged
                        .map(|(_, merged)| merged)
                        .find_map(|merged| merged.kept(key, value))
                        .map(|kept| (key.as_str(), kept));
                    let merged_list = (key == "<<").then(|| value.kept_inside()).flatten();
                    if let Some((key, kept)) = kept.or(merged_list) {
                        return Err(format!(
                            "{}: {key:?} replaces a merged map that has {kept:?}; give that here as \
                             well, or do without the merge key",
                            path.trim_start_matches('.')
                        ));
                    }
                    value.check(&format!("{path}.{key}"))?;
                }
                Ok(())
            }
        }
    }

    /// A key of this merged value's map at `key` that Go would keep although the map is given
    /// again without it.
    fn kept(&self, key: &str, again: &Self) -> Option<&str> {
        self.get(key)?.missing_in(again)
    }

    /// Likewise among several merged maps, of which the first one wins: the key, and what is
    /// kept of its map.
    fn kept_inside(&self) -> Option<(&str, &str)> {
        let Self::List(items) = self else { return None };
        items.iter().enumerate().find_map(|(index, winner)| {
            let Self::Map(entries) = winner else {
                return None;
            };
            let mut others = items.iter().skip(index + 1);
            others.find_map(|other| {
                entries
                    .iter()
                    .find_map(|(key, value)| Some((key.as_str(), other.kept(key, value)?)))
            })
        })
    }

    /// A key of this map, at any depth, that the other map lacks.
    fn missing_in(&self, other: &Self) -> Option<&str> {
        let (Self::Map(entries), Self::Map(_)) = (self, other) else {
            return None;
        };
        entries
            .iter()
            .find_map(|(key, value)| match other.get(key) {
                None => Some(key.as_str()),
                Some(found) => value.missing_in(found),
            })
    }

    /// What a merged value has at a key.
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, value)| value)
                .or_else(|| {
                    let merged = entries.iter().filter(|(k, _)| k == "<<");
                    merged.into_iter().find_map(|(_, value)| value.get(key))
                }),
            Self::List(items) => items.iter().find_map(|item| item.get(key)),
            Self::Scalar => None,
        }
    }

    /// Whether a merged value sets a key.
    fn has(&self, key: &str) -> bool {
        match self {
            Self::Map(entries) => entries
                .iter()
                .any(|(k, value)| k == key || (k == "<<" && value.has(key))),
            Self::List(items) => items.iter().any(|item| item.has(key)),
            Self::Scalar => false,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Option<String>>()? {
            entries.push((key.unwrap_or_default(), map.next_value()?));
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        Node::deserialize(inner)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
}
