//! From a request to PromQL: label matchers, and the rule's template around them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::association::{Association, AssociationError};
use super::template::{FieldType, Fields, Scope, Template, TemplateError, Value, quote};
use crate::model::{Operator, Requirement, ResourceType, Selector};

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
    /// The kind of object.
    pub resource: &'a ResourceType,
    /// The namespace; `None` for root-scoped requests.
    pub namespace: Option<&'a str>,
    /// Restriction on the series' labels.
    pub metric_selector: &'a Selector,
    /// Names of the objects, at least one.
    pub names: &'a [Arc<str>],
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
    fn selector(&mut self, selector: &Selector) -> Result<(), QueryError> {
        for requirement in selector.requirements() {
            self.texts.push(matcher(requirement)?);
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

    /// The label of the objects; of several names any may match.
    pub(super) fn names(&mut self, label: &str, names: &[Arc<str>]) {
        let (operator, names) = match names {
            [name] => ("=", name.as_ref().to_owned()),
            names => {
                let escaped: Vec<String> = names.iter().map(|name| escape(name)).collect();
                ("=~", escaped.join("|"))
            }
        };
        self.texts
            .push(format!("{label}{operator}{}", quote(&names)));
        self.values.insert(label.to_owned(), names);
    }
}

/// Builds the query for a metric of objects. The matchers' order is prometheus-adapter's: metric
/// selector by key, then namespace, then the objects.
pub(super) fn build(
    template: &Template,
    association: &Association<'_>,
    scope: &QueryScope<'_>,
) -> Result<String, QueryError> {
    let mut matchers = Matchers::default();
    matchers.selector(scope.metric_selector)?;
    matchers.namespace(association, scope.namespace)?;
    let label = association.label(scope.resource)?;
    matchers.names(&label, scope.names);
    Ok(render(template, scope.series, matchers, vec![label])?)
}

/// Builds the query for an external metric, which is grouped by nothing.
pub(super) fn build_external(
    template: &Template,
    association: &Association<'_>,
    scope: &ExternalScope<'_>,
) -> Result<String, QueryError> {
    let mut matchers = Matchers::default();
    matchers.selector(scope.selector)?;
    matchers.namespace(association, scope.namespace)?;
    Ok(render(template, scope.series, matchers, Vec::new())?)
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

fn is_label_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A PromQL string literal, byte for byte as prometheus-adapter writes it.
fn quote(text: &str) -> String {
    quote::string(text, false)
}

/// Makes a name match literally inside a regular expression. A character class needs no
/// backslash, so the result also survives inside a string that the rule's author quoted.
pub(super) fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        match character {
            '.' | '+' | '*' | '?' | '(' | ')' | '|' | '{' | '}' | '$' => {
                out.push('[');
                out.push(character);
                out.push(']');
            }
            // These mean something inside a class as well.
            '[' | ']' | '^' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            c => out.push(c),
        }
    }
    out
}
