//! What a discovery rule may say beyond prometheus-adapter's format.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::PrometheusDuration;
use super::file::{list, map, text};
use crate::model::Fallback;

/// How the values that a metric selector asks for become the values of a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectorValues {
    /// The label of the series, and the key in the selector.
    #[serde(deserialize_with = "text")]
    pub label: String,
    /// Whole values: what a selector says, and what the label has.
    #[serde(deserialize_with = "map")]
    pub values: BTreeMap<String, String>,
    /// For all other values: pieces of text, replaced in this order.
    #[serde(deserialize_with = "list")]
    pub replace: Vec<Replacement>,
}

/// A piece of text, and what it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replacement {
    /// As a selector says it.
    #[serde(deserialize_with = "text")]
    pub from: String,
    /// As the label has it.
    #[serde(deserialize_with = "text")]
    pub to: String,
}

/// A Prometheus duration of more than 0; null for none.
pub(super) fn duration<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    Option::<String>::deserialize(deserializer)?
        .map(|text| positive(&text).map_err(D::Error::custom))
        .transpose()
}

/// Likewise; 0 as well.
pub(super) fn bound<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| PrometheusDuration::parse(&text).map(PrometheusDuration::get))
        .transpose()
        .map_err(D::Error::custom)
}

/// As [`duration`], of whole seconds: the API has nothing finer.
pub(super) fn seconds<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    match duration(deserializer)? {
        Some(found) if found.subsec_nanos() > 0 => Err(D::Error::custom(format!(
            "{found:?} are no whole seconds, and clients are told nothing finer"
        ))),
        found => Ok(found),
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match PrometheusDuration::parse(text).map(PrometheusDuration::get) {
        Ok(Duration::ZERO) => Err("the duration must be more than 0".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// `omit`, `zero`, `error`, `{value: 500m}` or `{last: 2m}`; null for none.
pub(super) fn fallback<'de, D>(deserializer: D) -> Result<Option<Fallback>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Written(Fallback);

    impl<'de> Deserialize<'de> for Written {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(FallbackVisitor).map(Self)
        }
    }

    let written = Option::<Written>::deserialize(deserializer)?;
    Ok(written.map(|Written(fallback)| fallback))
}

struct FallbackVisitor;

impl<'de> Visitor<'de> for FallbackVisitor {
    type Value = Fallback;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of omit, zero, error, {value: QUANTITY} and {last: DURATION}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Fallback, E> {
        match text {
            "omit" => Ok(Fallback::Omit),
            "zero" => Ok(Fallback::ZERO),
            "error" => Ok(Fallback::Error),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fallback, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if found.is_some() {
                return Err(A::Error::custom(
                    "there must be either a `value` or a `last`",
                ));
            }
            let text = |map: &mut A| {
                map.next_value::<Option<String>>()
                    .map(Option::unwrap_or_default)
            };
            found = Some(match key.as_str() {
                "value" => Fallback::Value(text(&mut map)?.parse().map_err(A::Error::custom)?),
                "last" => {
                    let longest = positive(&text(&mut map)?).map_err(A::Error::custom)?;
                    Fallback::Last(longest)
                }
                _ => return Err(A::Error::unknown_field(&key, &["value", "last"])),
            });
        }
        found.ok_or_else(|| A::Error::custom("there must be a `value` or a `last`"))
    }
}
