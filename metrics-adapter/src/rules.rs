//! Compiled rules: what a rules file means.
//!
//! A [`Rule`] is immutable and pure. It decides which series it is about, which resources their
//! labels name, how the API metric is called, and which PromQL answers a request. It knows
//! neither Prometheus nor the cluster; whoever calls it brings a [`Resolve`] for resource names.

mod association;
mod filter;
mod naming;
mod promql;
mod template;

use std::sync::Arc;

pub use association::{Association, AssociationError, is_root};
pub use promql::{QueryError, QueryScope};
pub use template::TemplateError;

use crate::config::{DiscoveryRule, RuleFile};
use crate::model::ResourceType;
use association::LabelTemplate;
use filter::SeriesFilters;
use naming::Naming;
use template::Template;

/// Looks a resource up by group (possibly empty) and name, as [`crate::model::ObjectSource`].
pub type Resolve<'a> = &'a dyn Fn(&str, &str) -> Option<ResourceType>;

/// Why a rule cannot be compiled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// A mandatory field is empty.
    #[error("{rule}.{field} must not be empty")]
    Empty {
        /// `rules[0]`.
        rule: String,
        /// The field.
        field: &'static str,
    },
    /// A regular expression is not valid.
    #[error("{rule}.{field}: {message}")]
    Regex {
        /// `rules[0]`.
        rule: String,
        /// The field.
        field: String,
        /// The last line of the regex crate's report, which names the cause.
        message: String,
    },
    /// Anything else that is wrong with one field.
    #[error("{rule}.{field}: {message}")]
    Field {
        /// `rules[0]`.
        rule: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// One compiled rule.
#[derive(Debug)]
pub struct Rule {
    id: Arc<str>,
    series_query: Arc<str>,
    filters: SeriesFilters,
    naming: Naming,
    overrides: Vec<(String, crate::config::GroupResourceName)>,
    label_template: Option<LabelTemplate>,
    metrics_query: Template,
}

impl Rule {
    /// Compiles one rule; `id` is its place in the file, for instance `rules[0]`.
    ///
    /// # Errors
    /// [`RuleError`], naming the place and the field.
    pub fn compile(id: &str, rule: &DiscoveryRule) -> Result<Self, RuleError> {
        let field = |field: &'static str, message: String| RuleError::Field {
            rule: id.to_owned(),
            field,
            message,
        };
        for (name, value) in [
            ("seriesQuery", &rule.series_query),
            ("metricsQuery", &rule.metrics_query),
        ] {
            if value.trim().is_empty() {
                return Err(RuleError::Empty {
                    rule: id.to_owned(),
                    field: name,
                });
            }
        }
        let naming = Naming::compile(id, &rule.name)?;
        let filters = SeriesFilters::compile(id, &rule.series_filters)?;
        let label_template = match rule.resources.template.as_str() {
            "" => None,
            text => Some(
                LabelTemplate::parse(text)
                    .map_err(|message| field("resources.template", message))?,
            ),
        };
        let metrics_query = Template::parse(&rule.metrics_query, promql::FIELDS)
            .map_err(|error| field("metricsQuery", error.to_string()))?;
        Ok(Self {
            id: id.into(),
            series_query: rule.series_query.as_str().into(),
            filters,
            naming,
            overrides: rule.resources.overrides.clone().into_iter().collect(),
            label_template,
            metrics_query,
        })
    }

    /// The rule's place in its file.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The series selector, as the file has it.
    pub fn series_query(&self) -> &Arc<str> {
        &self.series_query
    }

    /// The API metric name of a series; `None` when a filter keeps the series out.
    pub fn metric_name(&self, series: &str) -> Option<String> {
        self.filters
            .accept(series)
            .then(|| self.naming.apply(series))
            .flatten()
    }

    /// Binds the label mapping to the resources that the cluster knows now.
    ///
    /// # Errors
    /// [`AssociationError`] when an override names a resource that nobody serves.
    pub fn associate<'a>(
        &'a self,
        resolve: Resolve<'a>,
    ) -> Result<Association<'a>, AssociationError> {
        Association::bind(&self.overrides, self.label_template.as_ref(), resolve)
    }

    /// The PromQL that answers a request.
    ///
    /// # Errors
    /// [`QueryError`], saying whose fault it is: the request's or the rule's.
    pub fn query(
        &self,
        scope: &QueryScope<'_>,
        resolve: Resolve<'_>,
    ) -> Result<String, QueryError> {
        promql::build(&self.metrics_query, &self.associate(resolve)?, scope)
    }
}

/// Compiles all `rules` of a file.
///
/// # Errors
/// The first [`RuleError`].
pub fn compile(file: &RuleFile) -> Result<Vec<Arc<Rule>>, RuleError> {
    file.rules
        .iter()
        .enumerate()
        .map(|(index, rule)| Rule::compile(&format!("rules[{index}]"), rule).map(Arc::new))
        .collect()
}

#[cfg(test)]
mod tests;
