//! Compiled rules: what a rules file means.
//!
//! A [`Rule`] is immutable and pure. It decides which series it is about, which resources their
//! labels name, how the API metric is called, and which PromQL answers a request. It knows
//! neither Prometheus nor the cluster; whoever calls it brings a [`Resolve`] for resource names.

mod alternation;
mod association;
mod expression;
mod filter;
mod id;
mod joint;
mod naming;
pub mod outline;
pub mod pattern;
mod policy;
mod promql;
mod resource;
mod selector_values;
mod separability;
pub mod template;

use std::sync::Arc;

pub use association::{Association, AssociationError, LabelMeaning, ResourceLabels, is_root};
pub use id::{Fingerprint, RuleId};
pub use joint::JointQuery;
pub use policy::Policy;
pub use promql::{ExternalScope, Objects, QueryError, QueryScope, SharedQuery, quote};
pub use resource::{ResourceRule, ResourceRules, UsageScope};
pub use template::TemplateError;

use crate::config::{DiscoveryRule, RuleFile};
use crate::model::ResourceType;
use alternation::alternation;
use filter::SeriesFilters;
use naming::Naming;
use promql::Matchers;
use selector_values::SelectorValues;
use separability::Choice;
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
        /// The expression, and what is wrong with it.
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

/// Two names, in the place of any: of several names the matcher is a regular expression.
const STAND_INS: [&str; 2] = ["metrics-adapter-any-name", "metrics-adapter-another-name"];

/// A label, in the place of any.
const STAND_IN_LABEL: &str = "metrics_adapter_any_label";

/// [`STAND_INS`] as a regular expression.
fn any_names() -> String {
    alternation(&STAND_INS.map(Arc::from))
}

/// The label that tells namespaces apart, for a request in one of them.
fn joint_label(
    association: &Association<'_>,
    scope: &QueryScope<'_>,
) -> Result<Option<String>, QueryError> {
    if scope.namespace.is_none() {
        return Ok(None);
    }
    let label = association.namespace_label()?;
    Ok((label != scope.label).then_some(label))
}

/// The scope of a query for the times of newest samples. Of series without an object there is one
/// element at most.
fn of_ages<'a>(scope: &QueryScope<'a>) -> QueryScope<'a> {
    let objects = match scope.objects {
        Objects::All if scope.is_narrowed() => Objects::Any,
        objects => objects,
    };
    QueryScope { objects, ..*scope }
}

/// One compiled rule.
#[derive(Debug)]
pub struct Rule {
    id: RuleId,
    series_query: Arc<str>,
    filters: SeriesFilters,
    naming: Naming,
    labels: ResourceLabels,
    /// Whether queries for external metrics look at the namespace.
    namespaced: bool,
    metrics_query: Template,
    selector_values: SelectorValues,
    policy: Policy,
}

impl Rule {
    /// Compiles one rule; `id` is its place in the file, for instance `rules[0]`.
    ///
    /// # Errors
    /// [`RuleError`], naming the place and the field.
    pub fn compile(id: &str, rule: &DiscoveryRule) -> Result<Self, RuleError> {
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
        let labels = ResourceLabels::compile(id, &rule.resources)?;
        let metrics_query = metrics_query(id, "metricsQuery", &rule.metrics_query)?;
        let selector_values = SelectorValues::compile(id, &rule.selector_values)?;
        Ok(Self {
            id: RuleId::new(id, rule),
            series_query: rule.series_query.as_str().into(),
            filters,
            naming,
            labels,
            namespaced: rule.resources.namespaced.unwrap_or(true),
            metrics_query,
            selector_values,
            policy: Policy::of(rule),
        })
    }

    /// The rule's place in its file, and what stands there.
    pub fn id(&self) -> &RuleId {
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

    /// The label mapping.
    pub fn labels(&self) -> &ResourceLabels {
        &self.labels
    }

    /// Whether queries for external metrics look at the namespace.
    pub const fn is_namespaced(&self) -> bool {
        self.namespaced
    }

    /// How values are judged and told.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The PromQL that answers a request for a metric of objects; the association is the bound
    /// label mapping of this rule.
    ///
    /// # Errors
    /// [`QueryError`], saying whose fault it is: the request's or the rule's.
    pub fn query(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<String, QueryError> {
        let matchers = promql::matchers(&self.selector_values, association, scope)?;
        let group_by = vec![scope.label.to_owned()];
        Ok(promql::render(
            &self.metrics_query,
            scope.series,
            matchers,
            group_by,
        )?)
    }

    /// The PromQL that all requests for a metric can share: the query for all objects, where that
    /// says the same about each of them as queries for some. `None` where it is not proven from
    /// the rule, for the series and the label of a request; which objects it is about does not
    /// matter.
    ///
    /// The matcher that keeps series without an object out is left out as well where that does no
    /// harm: for it Prometheus merges the lists of series of all the label's values, in all
    /// namespaces. ([`SharedQuery::has_strangers`])
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn shared_query(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Option<SharedQuery>, QueryError> {
        if !self.only_prints_matchers() {
            return Ok(None);
        }
        let names = STAND_INS.map(Arc::from);
        let about = |objects| QueryScope { objects, ..*scope };
        let chosen = about(Objects::Named(&names));
        let choice = Choice {
            label: scope.label,
            value: &any_names(),
        };
        let all = self.query(association, &about(Objects::All))?;
        let proven = !all.contains(choice.value)
            && separability::separable(&self.query(association, &chosen)?, choice);
        if !proven {
            return Ok(None);
        }
        let has_strangers = scope.is_narrowed() && separability::tolerates_strangers(&all);
        let mut shared = SharedQuery {
            promql: all,
            has_strangers,
        };
        if has_strangers {
            shared.promql = self.query(association, &about(shared.objects()))?;
        }
        Ok(Some(shared))
    }

    /// How the shared query of a namespace can be asked together with those of others: for the
    /// objects that it is about. `None` where it is not proven from the rule that a query for
    /// several namespaces says the same about each of them.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn joint_query(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Option<JointQuery>, QueryError> {
        let template = &self.metrics_query;
        let Some(label) = joint_label(association, scope)? else {
            return Ok(None);
        };
        if !self.only_prints_matchers()
            || !template.only_prints("GroupBy")
            || template.uses("GroupBySlice")
        {
            return Ok(None);
        }
        let choice = Choice {
            label: &label,
            value: &any_names(),
        };
        let write = |group_by: &[&str]| {
            let matchers = promql::joint_matchers(&self.selector_values, scope, choice)?;
            let group_by = group_by.iter().map(|&label| label.to_owned()).collect();
            let written = promql::render(template, scope.series, matchers, group_by);
            Ok::<_, QueryError>(written?)
        };
        let written = joint::Written {
            joint: &write(&[scope.label, &label])?,
            marked: &write(&[STAND_IN_LABEL])?,
            mark: STAND_IN_LABEL,
        };
        Ok(joint::proven(&written, choice))
    }

    /// The PromQL that asks for the time of each object's newest sample; `None` where the rule
    /// does not care. It looks at the series with the request's matchers, whatever else
    /// `metricsQuery` does.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn age_query(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Option<String>, QueryError> {
        if self.policy.max_age.is_none() {
            return Ok(None);
        }
        let scope = of_ages(scope);
        let matchers = promql::matchers(&self.selector_values, association, &scope)?;
        let label = Some(scope.label);
        Ok(Some(promql::newest(scope.series, &matchers, label)))
    }

    /// How [`Self::age_query`] can be asked for several namespaces together; `None` where it is
    /// asked for none.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn joint_age_query(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Option<JointQuery>, QueryError> {
        let label = joint_label(association, scope)?;
        let Some(label) = label.filter(|_| self.policy.max_age.is_some()) else {
            return Ok(None);
        };
        let choice = Choice {
            label: &label,
            value: &any_names(),
        };
        let scope = of_ages(scope);
        let matchers = promql::joint_matchers(&self.selector_values, &scope, choice)?;
        let labels = format!("{},{label}", scope.label);
        let promql = promql::newest(scope.series, &matchers, Some(&labels));
        let is_once = promql.matches(choice.value).count() == 1;
        Ok(is_once.then(|| JointQuery::new(&promql, choice)))
    }

    /// Whether a query is its template with the matchers in it, whatever they are.
    fn only_prints_matchers(&self) -> bool {
        self.metrics_query.only_prints("LabelMatchers")
            && !self.metrics_query.uses("LabelValuesByName")
    }

    /// The PromQL that tells where the series of a metric are, for whoever asks why objects have no
    /// value.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn traces(
        &self,
        association: &Association<'_>,
        scope: &QueryScope<'_>,
    ) -> Result<Traces, QueryError> {
        let matchers = |scope: &_| promql::matchers(&self.selector_values, association, scope);
        let here = QueryScope {
            objects: Objects::All,
            ..*scope
        };
        let anywhere = QueryScope {
            namespace: None,
            ..here
        };
        let series = scope.series;
        let namespaces = scope.namespace.map(|_| {
            let label = association.namespace_label()?;
            Ok::<_, QueryError>(promql::carried(series, &matchers(&anywhere)?, &label))
        });
        Ok(Traces {
            namespaces: namespaces.transpose()?,
            objects: Some(promql::carried(series, &matchers(&here)?, scope.label)),
            present: None,
            last_seen: promql::last_seen(series, &matchers(scope)?),
        })
    }

    /// Likewise for an external metric.
    ///
    /// # Errors
    /// As [`Self::external_query`].
    pub fn external_traces(
        &self,
        association: &Association<'_>,
        scope: &ExternalScope<'_>,
    ) -> Result<Traces, QueryError> {
        let here = self.external_matchers(association, scope)?;
        let anywhere = ExternalScope {
            namespace: None,
            ..*scope
        };
        let namespaces = scope.namespace.filter(|_| self.namespaced).map(|_| {
            let (label, anywhere) = (
                association.namespace_label()?,
                self.external_matchers(association, &anywhere)?,
            );
            Ok::<_, QueryError>(promql::carried(scope.series, &anywhere, &label))
        });
        Ok(Traces {
            namespaces: namespaces.transpose()?,
            objects: None,
            present: Some(promql::present(scope.series, &here)),
            last_seen: promql::last_seen(scope.series, &here),
        })
    }

    /// The PromQL that answers a request for an external metric. The namespace only counts where
    /// the rule is namespaced.
    ///
    /// # Errors
    /// [`QueryError`], saying whose fault it is: the request's or the rule's.
    pub fn external_query(
        &self,
        association: &Association<'_>,
        scope: &ExternalScope<'_>,
    ) -> Result<String, QueryError> {
        let matchers = self.external_matchers(association, scope)?;
        Ok(promql::render(
            &self.metrics_query,
            scope.series,
            matchers,
            Vec::new(),
        )?)
    }

    /// The PromQL that asks for the time of the newest sample of all series that the request
    /// selects; `None` where the rule does not care. It is one time for the whole metric: which
    /// labels the result will have is only known when it is there.
    ///
    /// # Errors
    /// As [`Self::external_query`].
    pub fn external_age_query(
        &self,
        association: &Association<'_>,
        scope: &ExternalScope<'_>,
    ) -> Result<Option<String>, QueryError> {
        if self.policy.max_age.is_none() {
            return Ok(None);
        }
        let matchers = self.external_matchers(association, scope)?;
        Ok(Some(promql::newest(scope.series, &matchers, None)))
    }

    fn external_matchers(
        &self,
        association: &Association<'_>,
        scope: &ExternalScope<'_>,
    ) -> Result<Matchers, QueryError> {
        let scope = ExternalScope {
            namespace: scope.namespace.filter(|_| self.namespaced),
            ..*scope
        };
        promql::external_matchers(&self.selector_values, association, &scope)
    }
}

/// Queries after the series of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Which namespaces have any; `None` where the namespace does not count.
    pub namespaces: Option<String>,
    /// Which objects of the namespace have any; `None` for external metrics.
    pub objects: Option<String>,
    /// How many of those of an external metric's request there are now.
    pub present: Option<String>,
    /// When those of the request had a sample last, in seconds since 1970.
    pub last_seen: String,
}

/// All rules of a file, compiled. An API without rules does not exist.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// Rules of the custom metrics API.
    pub custom: Vec<Arc<Rule>>,
    /// Rules of the external metrics API.
    pub external: Vec<Arc<Rule>>,
    /// Rules of the resource metrics API.
    pub resource: Option<ResourceRules>,
}

impl RuleSet {
    /// The rules whose metrics are found by their series, in the order of the file.
    pub fn discovered(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.custom.iter().chain(&self.external)
    }
}

/// Compiles a file.
///
/// # Errors
/// The first [`RuleError`].
pub fn compile(file: &RuleFile) -> Result<RuleSet, RuleError> {
    let (rules, errors) = compile_each(file);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(rules),
    }
}

/// Compiles every rule of a file by itself: those that can be, and what is wrong with the others,
/// both in the order of the file.
pub fn compile_each(file: &RuleFile) -> (RuleSet, Vec<RuleError>) {
    let mut errors = Vec::new();
    let mut compile = |field: &str, rules: &[DiscoveryRule]| {
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            match Rule::compile(&format!("{field}[{index}]"), rule) {
                Ok(rule) => compiled.push(Arc::new(rule)),
                Err(error) => errors.push(error),
            }
        }
        compiled
    };
    let custom = compile("rules", &file.rules);
    let external = compile("externalRules", &file.external_rules);
    let resource = file.resource_rules.as_ref().map(ResourceRules::compile);
    let resource = resource.and_then(|compiled| compiled.map_err(|error| errors.push(error)).ok());
    let rules = RuleSet {
        custom,
        external,
        resource,
    };
    (rules, errors)
}

/// Parses the template of a query.
fn metrics_query(rule: &str, field: &'static str, text: &str) -> Result<Template, RuleError> {
    Template::parse(text, promql::FIELDS).map_err(|error| RuleError::Field {
        rule: rule.to_owned(),
        field,
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
