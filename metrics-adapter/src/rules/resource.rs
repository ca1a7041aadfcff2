//! `resourceRules`: the queries for CPU and memory of nodes and containers.

use std::time::Duration;

use super::association::{Association, ResourceLabels};
use super::promql::{self, Matchers, Objects, QueryError};
use super::template::Template;
use super::{RuleError, RuleId};
use crate::config;
use crate::model::Consumer;

/// All of them, compiled.
#[derive(Debug)]
pub struct ResourceRules {
    /// CPU, in cores.
    pub cpu: ResourceRule,
    /// Memory, in bytes.
    pub memory: ResourceRule,
    /// The time that the queries look back on; told to clients.
    pub window: Duration,
}

impl ResourceRules {
    /// Compiles the section of the file.
    ///
    /// # Errors
    /// [`RuleError`], naming the place and the field.
    pub fn compile(rules: &config::ResourceRules) -> Result<Self, RuleError> {
        Ok(Self {
            cpu: ResourceRule::compile("resourceRules.cpu", &rules.cpu)?,
            memory: ResourceRule::compile("resourceRules.memory", &rules.memory)?,
            window: rules.window.get(),
        })
    }

    /// The fields without which nodes, or pods, have no metrics. prometheus-adapter serves
    /// empty lists then, and so do we, but it is worth a word.
    pub fn missing_queries(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for rule in [&self.cpu, &self.memory] {
            for (field, query) in [
                ("containerQuery", &rule.containers),
                ("nodeQuery", &rule.nodes),
            ] {
                if query.is_none() {
                    missing.push(format!("{}.{field}", rule.id));
                }
            }
        }
        missing
    }
}

/// The rule of one resource (CPU or memory).
#[derive(Debug)]
pub struct ResourceRule {
    id: RuleId,
    containers: Option<Template>,
    nodes: Option<Template>,
    labels: ResourceLabels,
    container_label: String,
}

/// What usage is asked for.
#[derive(Clone, Copy, Debug)]
pub struct UsageScope<'a> {
    /// Nodes, or the containers of pods.
    pub consumer: Consumer,
    /// The label that carries their names.
    pub label: &'a str,
    /// The namespace; `None` for nodes.
    pub namespace: Option<&'a str>,
    /// Which of them.
    pub objects: Objects<'a>,
}

impl ResourceRule {
    fn compile(id: &str, rule: &config::ResourceRule) -> Result<Self, RuleError> {
        let query = |field: &'static str, text: &str| {
            if text.trim().is_empty() {
                return Ok(None);
            }
            super::metrics_query(id, field, text).map(Some)
        };
        Ok(Self {
            id: RuleId::new(id, rule),
            containers: query("containerQuery", &rule.container_query)?,
            nodes: query("nodeQuery", &rule.node_query)?,
            labels: ResourceLabels::compile(id, &rule.resources)?,
            container_label: rule.container_label.clone(),
        })
    }

    /// The rule's place in its file, and what stands there.
    pub fn id(&self) -> &RuleId {
        &self.id
    }

    /// The label that carries a container's name; may be empty.
    pub fn container_label(&self) -> &str {
        &self.container_label
    }

    /// The label mapping.
    pub fn labels(&self) -> &ResourceLabels {
        &self.labels
    }

    /// Whether the file has a query for nodes, or for the containers of pods.
    pub fn asks(&self, consumer: Consumer) -> bool {
        self.template(consumer).is_some()
    }

    fn template(&self, consumer: Consumer) -> Option<&Template> {
        match consumer {
            Consumer::Node => self.nodes.as_ref(),
            Consumer::Pod => self.containers.as_ref(),
        }
    }

    /// The PromQL that asks for usage, grouped by object, and by container for pods; `None`
    /// where the file has no query. The association is the bound label mapping of this rule.
    ///
    /// # Errors
    /// [`QueryError`]: the rule's fault.
    pub fn query(
        &self,
        association: &Association<'_>,
        scope: &UsageScope<'_>,
    ) -> Result<Option<String>, QueryError> {
        let Some(template) = self.template(scope.consumer) else {
            return Ok(None);
        };
        let mut matchers = Matchers::default();
        matchers.namespace(association, scope.namespace)?;
        matchers.objects(scope.label, scope.objects);
        let mut group_by = vec![scope.label.to_owned()];
        if scope.consumer == Consumer::Pod && !self.container_label.is_empty() {
            group_by.push(self.container_label.clone());
        }
        Ok(Some(promql::render(template, "", matchers, group_by)?))
    }
}

#[cfg(test)]
mod tests;
