//! The types of the rules file, key by key.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::PrometheusDuration;
use super::extension::{self, SelectorValues};
use crate::model::Fallback;

/// A whole rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct RuleFile {
    /// Rules of the custom metrics API.
    #[serde(deserialize_with = "list")]
    pub rules: Vec<DiscoveryRule>,
    /// Rules of the external metrics API.
    #[serde(deserialize_with = "list")]
    pub external_rules: Vec<DiscoveryRule>,
    /// The queries of the resource metrics API; without them it is not served.
    pub resource_rules: Option<ResourceRules>,
}

/// How series become API metrics, and API metrics become queries. The fields behind
/// `metrics_query` are ours; a file of prometheus-adapter has none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct DiscoveryRule {
    /// A PromQL series selector, sent as it is to `/api/v1/series`.
    #[serde(deserialize_with = "text")]
    pub series_query: String,
    /// Filters on series names; all must pass.
    #[serde(deserialize_with = "list")]
    pub series_filters: Vec<SeriesFilter>,
    /// Which labels name which Kubernetes resources.
    pub resources: ResourceMapping,
    /// How the API metric is called.
    pub name: NameMapping,
    /// The template of the PromQL query.
    #[serde(deserialize_with = "text")]
    pub metrics_query: String,
    /// The largest age of the newest sample; older ones count as missing.
    #[serde(deserialize_with = "extension::duration")]
    pub max_age: Option<Duration>,
    /// How old an answer of Prometheus may be; 0 asks at every request.
    #[serde(deserialize_with = "extension::bound")]
    pub max_staleness: Option<Duration>,
    /// The time that the query looks back on, told to clients; whole seconds.
    #[serde(deserialize_with = "extension::seconds")]
    pub window: Option<Duration>,
    /// What an object without a sample, or an external metric without a result, gets.
    #[serde(deserialize_with = "extension::fallback")]
    pub on_missing: Option<Fallback>,
    /// What a sample that is NaN becomes.
    #[serde(rename = "onNaN", deserialize_with = "extension::fallback")]
    pub on_nan: Option<Fallback>,
    /// Stand-ins for label values that no selector can carry.
    #[serde(deserialize_with = "list")]
    pub selector_values: Vec<SelectorValues>,
}

/// A regular expression that a series name must match, or must not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct SeriesFilter {
    /// Unanchored; must match.
    #[serde(deserialize_with = "text")]
    pub is: String,
    /// Unanchored; must not match.
    #[serde(deserialize_with = "text")]
    pub is_not: String,
}

/// Association of labels and resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceMapping {
    /// A template of label names over `.Group` and `.Resource`.
    #[serde(deserialize_with = "text")]
    pub template: String,
    /// Label names with their resources; these win over the template.
    #[serde(deserialize_with = "map")]
    pub overrides: BTreeMap<String, GroupResourceName>,
    /// Only for external rules: false leaves the namespace matcher out.
    #[serde(deserialize_with = "boolean")]
    pub namespaced: Option<bool>,
}

/// A resource as the file names it: singular or plural, the group possibly left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupResourceName {
    /// API group; empty for any.
    #[serde(deserialize_with = "text")]
    pub group: String,
    /// Resource.
    #[serde(deserialize_with = "text")]
    pub resource: String,
}

/// Series name to API metric name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameMapping {
    /// Unanchored regular expression; empty for `.*`.
    #[serde(deserialize_with = "text")]
    pub matches: String,
    /// Go's `Regexp.Expand` template; empty for `$0`, or `$1` with one capture group.
    #[serde(deserialize_with = "text")]
    pub r#as: String,
}

/// CPU and memory of nodes and containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceRules {
    /// CPU, in cores.
    pub cpu: ResourceRule,
    /// Memory, in bytes.
    pub memory: ResourceRule,
    /// The time that the queries look back on; told to clients.
    #[serde(deserialize_with = "duration")]
    pub window: PrometheusDuration,
}

/// The queries for one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct ResourceRule {
    /// The template of the query for containers.
    #[serde(deserialize_with = "text")]
    pub container_query: String,
    /// The template of the query for nodes.
    #[serde(deserialize_with = "text")]
    pub node_query: String,
    /// Which labels name which Kubernetes resources.
    pub resources: ResourceMapping,
    /// The label that carries a container's name.
    #[serde(deserialize_with = "text")]
    pub container_label: String,
}

/// In Go's YAML an explicit null for a string is the empty string.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// Likewise for lists.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Likewise for maps and their keys. Keys that differ only in their type (`1` and `'1'`) are
/// duplicates, because all of them are strings here.
pub(super) fn map<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Option::<Entries<T>>::deserialize(deserializer)?;
    Ok(entries.map(|Entries(entries)| entries).unwrap_or_default())
}

struct Entries<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<Option<String>>()? {
            let key = key.unwrap_or_default();
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key {key:?}")));
            }
            entries.insert(key, map.next_value()?);
        }
        Ok(Entries(entries))
    }
}

/// Likewise for durations.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PrometheusDuration, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) => PrometheusDuration::parse(&text).map_err(D::Error::custom),
        None => Ok(PrometheusDuration::default()),
    }
}

/// A boolean of YAML 1.1, so `yes`, `on` and `y` as well. In quotes it is a string, and refused.
fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    struct Boolean(bool);

    impl<'de> Deserialize<'de> for Boolean {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // Asked for a boolean, the parser would look into quotes as well.
            deserializer.deserialize_any(BooleanVisitor).map(Self)
        }
    }

    struct BooleanVisitor;

    impl Visitor<'_> for BooleanVisitor {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a boolean")
        }

        fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
    }

    let found = Option::<Boolean>::deserialize(deserializer)?;
    Ok(found.map(|Boolean(value)| value))
}
