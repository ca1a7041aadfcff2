//! From a request to PromQL: label matchers, and the rule's template around them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::alternation::alternation;
use super::association::{Association, AssociationError};
use super::selector_values::SelectorValues;
use super::separability::Choice;
use super::template::{self, FieldType, Fields, Scope, Template, TemplateError, Value};
use crate::model::{Operator, Requirement, Selector};

/// The fields of `metricsQuery`.
pub(super) const FIELDS: Fields = &[
    ("Series", FieldType::Text),
    ("LabelMatchers", FieldType::Text),
    ("LabelValuesByName", FieldType::Map),
    ("GroupBy", FieldType::Text),
    ("GroupBySlice", FieldType::List),
];

/// What a query is asked for.
#[derive(Clone, Copy, Debug)]
pub struct QueryScope<'a> {
    /// Series name.
    pub series: &'a str,
    /// The label that carries the objects' names.
    pub label: &'a str,
    /// The namespace; `None` for root-scoped requests.
    pub namespace: Option<&'a str>,
    /// Restriction on the series' labels.
    pub metric_selector: &'a Selector,
    /// Which objects.
    pub objects: Objects<'a>,
}

impl QueryScope<'_> {
    /// Whether there are matchers beside that of the objects.
    pub(super) fn is_narrowed(&self) -> bool {
        self.namespace.is_some() || !self.metric_selector.is_everything()
    }
}

/// A query that all requests for a metric share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedQuery {
    /// The query.
    pub promql: String,
    /// Whether its result may have elements without the objects' label, which are nobody's.
    pub has_strangers: bool,
}

impl SharedQuery {
    /// The objects that it is about.
    pub const fn objects(&self) -> Objects<'static> {
        match self.has_strangers {
            true => Objects::Any,
            false => Objects::All,
        }
    }
}

/// The objects that a query is about.
#[derive(Clone, Copy, Debug)]
pub enum Objects<'a> {
    /// By their names, at least one.
    Named(&'a [Arc<str>]),
    /// All that there are. The query may say something else about them than about the same
    /// objects by their names, see [`super::Rule::shared_query`].
    All,
    /// Likewise, and series that have no object: whose elements are to be passed over.
    Any,
}

/// What a query for an external metric is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExternalScope<'a> {
    /// Series name.
    pub series: &'a str,
    /// The namespace; `None` for rules that do not look at it.
    pub namespace: Option<&'a str>,
    /// Restriction on the series' labels.
    pub selector: &'a Selector,
}

/// Why a request has no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The metric selector asks for something that PromQL cannot express.
    #[error("metric selector: {0}")]
    Selector(String),
    /// The rule has no label for what is asked.
    #[error(transparent)]
    Association(#[from] AssociationError),
    /// The rule's template fails on this request.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Label matchers, and the values that they ask for by label.
#[derive(Debug, Default)]
pub(super) struct Matchers {
    texts: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Matchers {
    fn selector(
        &mut self,
        rewriting: &SelectorValues,
        selector: &Selector,
    ) -> Result<(), QueryError> {
        for requirement in selector.requirements() {
            let requirement = rewriting.apply(requirement);
            self.texts.push(matcher(&requirement)?);
            let joined = join(&requirement.values);
            self.values.insert(requirement.key.clone(), joined);
        }
        Ok(())
    }

    /// The namespace's label; nothing without a namespace.
    pub(super) fn namespace(
        &mut self,
        association: &Association<'_>,
        namespace: Option<&str>,
    ) -> Result<(), QueryError> {
        if let Some(namespace) = namespace {
            let label = association.namespace_label()?;
            self.texts.push(format!("{label}={}", quote(namespace)));
            self.values.insert(label, namespace.to_owned());
        }
        Ok(())
    }

    /// Several namespaces, as a regular expression.
    fn namespaces(&mut self, choice: Choice<'_>) {
        let Choice { label, value } = choice;
        self.texts.push(format!("{label}=~{}", quote(value)));
        self.values.insert(label.to_owned(), value.to_owned());
    }

    /// The label of the objects; of several names any may match.
    pub(super) fn objects(&mut self, label: &str, objects: Objects<'_>) {
        let (operator, names) = match objects {
            Objects::Any => return,
            // Only series that have an object at all.
            Objects::All => ("!=", String::new()),
            Objects::Named([name]) => ("=", name.as_ref().to_owned()),
            Objects::Named(names) => ("=~", alternation(names)),
        };
        self.texts
            .push(format!("{label}{operator}{}", quote(&names)));
        self.values.insert(label.to_owned(), names);
    }
}

/// The matchers of a query for a metric of objects, in prometheus-adapter's order: metric selector
/// by key, then namespace, then the objects.
pub(super) fn matchers(
    rewriting: &SelectorValues,
    association: &Association<'_>,
    scope: &QueryScope<'_>,
) -> Result<Matchers, QueryError> {
    in_order(rewriting, scope, |matchers| {
        matchers.namespace(association, scope.namespace)
    })
}

/// Likewise, about the namespaces of a choice.
pub(super) fn joint_matchers(
    rewriting: &SelectorValues,
    scope: &QueryScope<'_>,
    namespaces: Choice<'_>,
) -> Result<Matchers, QueryError> {
    in_order(rewriting, scope, |matchers| {
        matchers.namespaces(namespaces);
        Ok(())
    })
}

fn in_order(
    rewriting: &SelectorValues,
    scope: &QueryScope<'_>,
    namespace: impl FnOnce(&mut Matchers) -> Result<(), QueryError>,
) -> Result<Matchers, QueryError> {
    let mut matchers = Matchers::default();
    matchers.selector(rewriting, scope.metric_selector)?;
    namespace(&mut matchers)?;
    matchers.objects(scope.label, scope.objects);
    Ok(matchers)
}

/// Likewise for an external metric.
pub(super) fn external_matchers(
    rewriting: &SelectorValues,
    association: &Association<'_>,
    scope: &ExternalScope<'_>,
) -> Result<Matchers, QueryError> {
    let mut matchers = Matchers::default();
    matchers.selector(rewriting, scope.selector)?;
    matchers.namespace(association, scope.namespace)?;
    Ok(matchers)
}

/// Asks for the time of the newest sample, per value of a label or of all together.
pub(super) fn newest(series: &str, matchers: &Matchers, label: Option<&str>) -> String {
    let selected = selected(series, matchers);
    match label {
        Some(label) => format!("max by ({label}) (timestamp({selected}))"),
        None => format!("max(timestamp({selected}))"),
    }
}

/// Asks which values of a label the series have.
pub(super) fn carried(series: &str, matchers: &Matchers, label: &str) -> String {
    format!("count by ({label}) ({})", selected(series, matchers))
}

/// Asks how many series have a sample now.
pub(super) fn present(series: &str, matchers: &Matchers) -> String {
    format!("count({})", selected(series, matchers))
}

/// Asks when there was a sample last, also where that is longer ago than Prometheus looks back.
pub(super) fn last_seen(series: &str, matchers: &Matchers) -> String {
    let selected = selected(series, matchers);
    format!("max(max_over_time(timestamp({selected})[1h:1m]))")
}

/// A series with matchers.
fn selected(series: &str, matchers: &Matchers) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    let (name, mut texts) = if series.bytes().all(plain) {
        (series, Vec::new())
    } else {
        // Names in UTF-8 cannot stand in front of the braces.
        ("", vec![format!("__name__={}", quote(series))])
    };
    texts.extend(matchers.texts.iter().cloned());
    format!("{name}{{{}}}", texts.join(","))
}

/// Renders the template over its [`FIELDS`].
pub(super) fn render(
    template: &Template,
    series: &str,
    matchers: Matchers,
    group_by: Vec<String>,
) -> Result<String, TemplateError> {
    let mut data = Scope::new();
    data.insert("Series", series.to_owned().into());
    data.insert("LabelMatchers", matchers.texts.join(",").into());
    data.insert("LabelValuesByName", Value::Map(matchers.values));
    data.insert("GroupBy", group_by.join(",").into());
    data.insert("GroupBySlice", Value::List(group_by));
    template.render(&data)
}

fn matcher(requirement: &Requirement) -> Result<String, QueryError> {
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    if !is_label_name(key) {
        return Err(QueryError::Selector(format!(
            "{key:?} is not a Prometheus label name"
        )));
    }
    let joined = || quote(&join(values));
    Ok(match operator {
        Operator::Equals => format!("{key}={}", joined()),
        Operator::NotEquals => format!("{key}!={}", joined()),
        Operator::In => format!("{key}=~{}", joined()),
        Operator::NotIn => format!("{key}!~{}", joined()),
        Operator::Exists => format!("{key}!=\"\""),
        Operator::DoesNotExist => format!("{key}=\"\""),
        Operator::GreaterThan | Operator::LessThan => {
            return Err(QueryError::Selector(format!(
                "`{requirement}`: < and > are not supported"
            )));
        }
    })
}

fn join(values: &BTreeSet<String>) -> String {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    values.join("|")
}

pub(super) fn is_label_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A PromQL string literal, byte for byte as prometheus-adapter writes it.
pub fn quote(text: &str) -> String {
    template::quote::string(text, false)
}
