//! Merge keys that Go and YAML understand differently.
//!
//! By YAML's definition a key of the map itself wins over a merged one. gopkg.in/yaml.v2, which
//! prometheus-adapter uses, lets whatever comes later win: in `{a: 1, <<: {a: 2}}` that is 2.
//! Neither can be meant silently, so such a file is refused.

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
                    value.check(&format!("{path}.{key}"))?;
                }
                Ok(())
            }
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
