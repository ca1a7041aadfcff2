//! From a request to PromQL: label matchers, and the rule's template around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::association::{Association, AssociationError};
use super::template::{Scope, Template, TemplateError, Value};
use crate::model::{Operator, Requirement, ResourceType, Selector};

/// The fields of `metricsQuery`.
pub(super) const FIELDS: &[&str] = &[
    "Series",
    "LabelMatchers",
    "LabelValuesByName",
    "GroupBy",
    "GroupBySlice",
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

/// Builds the query. The matchers' order is prometheus-adapter's: metric selector by key, then
/// namespace, then the objects.
pub(super) fn build(
    template: &Template,
    association: &Association<'_>,
    scope: &QueryScope<'_>,
) -> Result<String, QueryError> {
    let mut matchers = Vec::new();
    let mut values = BTreeMap::new();
    for requirement in scope.metric_selector.requirements() {
        matchers.push(matcher(requirement)?);
        let joined = requirement
            .values
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("|");
        values.insert(requirement.key.clone(), joined);
    }
    if let Some(namespace) = scope.namespace {
        let label = association.namespace_label()?;
        matchers.push(format!("{label}={}", quote(namespace)));
        values.insert(label, namespace.to_owned());
    }
    let label = association.label(scope.resource)?;
    let (operator, names) = match scope.names {
        [name] => ("=", name.as_ref().to_owned()),
        names => (
            "=~",
            names
                .iter()
                .map(|name| escape(name))
                .collect::<Vec<_>>()
                .join("|"),
        ),
    };
    matchers.push(format!("{label}{operator}{}", quote(&names)));
    values.insert(label.clone(), names);

    let mut data = Scope::new();
    data.insert("Series", scope.series.to_owned().into());
    data.insert("LabelMatchers", matchers.join(",").into());
    data.insert("LabelValuesByName", Value::Map(values));
    data.insert("GroupBy", label.clone().into());
    data.insert("GroupBySlice", Value::List(vec![label]));
    Ok(template.render(&data)?)
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
    let joined = || {
        quote(
            &values
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("|"),
        )
    };
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

fn is_label_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A PromQL string literal.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
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
