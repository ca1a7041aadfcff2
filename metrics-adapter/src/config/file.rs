//! The types of the rules file, key by key.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A whole rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleFile {
    /// Rules of the custom metrics API.
    #[serde(deserialize_with = "list")]
    pub rules: Vec<DiscoveryRule>,
}

/// How series become API metrics, and API metrics become queries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
}

/// A regular expression that a series name must match, or must not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceMapping {
    /// A template of label names over `.Group` and `.Resource`.
    #[serde(deserialize_with = "text")]
    pub template: String,
    /// Label names with their resources; these win over the template.
    #[serde(deserialize_with = "map")]
    pub overrides: BTreeMap<String, GroupResourceName>,
    /// Only for external rules: false leaves the namespace matcher out.
    pub namespaced: Option<bool>,
}

/// A resource as the file names it: singular or plural, the group possibly left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameMapping {
    /// Unanchored regular expression; empty for `.*`.
    #[serde(deserialize_with = "text")]
    pub matches: String,
    /// Go's `Regexp.Expand` template; empty for `$0`, or `$1` with one capture group.
    #[serde(deserialize_with = "text")]
    pub r#as: String,
}

/// In Go's YAML an explicit null for a string is the empty string.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// Likewise for lists.
fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Likewise for maps.
fn map<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<BTreeMap<String, T>>::deserialize(deserializer)?.unwrap_or_default())
}
