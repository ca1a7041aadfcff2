//! `resources`: which labels name which Kubernetes resources, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::Pattern;
use super::template::{FieldType, Fields, Scope, Template};
use super::{Resolve, RuleError};
use crate::config::{GroupResourceName, ResourceMapping};
use crate::model::{GroupResource, ResourceType};

/// Why labels and resources cannot be associated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssociationError {
    /// An override names a resource that kube-apiserver does not serve (now).
    #[error("resources.overrides[{label:?}]: the cluster has no resource {wanted:?}")]
    UnknownResource {
        /// The label.
        label: String,
        /// `group/resource` as the file has it.
        wanted: String,
    },
    /// Nothing in the rule says which label carries a resource.
    #[error("no label is associated with {0}")]
    NoLabel(GroupResource),
}

/// A rule's `resources`, compiled.
#[derive(Debug)]
pub struct ResourceLabels {
    overrides: Vec<(String, GroupResourceName)>,
    template: Option<LabelTemplate>,
}

impl ResourceLabels {
    /// `rule` is the rule's place in its file.
    pub(super) fn compile(rule: &str, resources: &ResourceMapping) -> Result<Self, RuleError> {
        let template = match resources.template.as_str() {
            "" => None,
            text => Some(
                LabelTemplate::parse(text).map_err(|message| RuleError::Field {
                    rule: rule.to_owned(),
                    field: "resources.template",
                    message,
                })?,
            ),
        };
        Ok(Self {
            overrides: resources.overrides.clone().into_iter().collect(),
            template,
        })
    }

    /// Binds the labels to the resources that the cluster knows now.
    ///
    /// # Errors
    /// [`AssociationError`] when an override names a resource that nobody serves.
    pub fn associate<'a>(
        &'a self,
        resolve: Resolve<'a>,
    ) -> Result<Association<'a>, AssociationError> {
        let bind = |(label, name): &'a (String, GroupResourceName)| {
            resolve(&name.group, &name.resource)
                .map(|found| (label.as_str(), found))
                .ok_or_else(|| AssociationError::UnknownResource {
                    label: label.clone(),
                    wanted: format!("{}/{}", name.group, name.resource),
                })
        };
        let overrides = self.overrides.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Association {
            overrides,
            template: self.template.as_ref(),
            resolve,
        })
    }
}

/// The fields of `resources.template`.
const FIELDS: Fields = &[("Group", FieldType::Text), ("Resource", FieldType::Text)];

/// `resources.template`, usable both ways.
#[derive(Debug)]
struct LabelTemplate {
    template: Template,
    /// Finds group and resource in a label name; anchored. Where the template has a field twice,
    /// the last one counts, as in prometheus-adapter.
    extract: Pattern,
}

impl LabelTemplate {
    fn parse(text: &str) -> Result<Self, String> {
        let missing = || "must use at least `<<.Resource>>`".to_owned();
        let template = Template::parse(text, FIELDS).map_err(|error| error.to_string())?;
        if !template.uses("Resource") {
            return Err(missing());
        }
        let pattern = render(&template, "(?P<group>.+?)", "(?P<resource>.+?)")?;
        let extract = Pattern::new(&format!("^{pattern}$"))
            .map_err(|error| format!("{text:?} does not make a regular expression: {error}"))?;
        // A branch, or a function, may have left it out.
        if !extract.has_group("resource") {
            return Err(missing());
        }
        Ok(Self { template, extract })
    }

    /// The label of a resource: the singular name, dots and dashes of the group as underscores.
    fn label(&self, resource: &ResourceType) -> Option<String> {
        let group = resource.id.group.replace(['.', '-'], "_");
        render(&self.template, &group, &resource.singular).ok()
    }

    fn resource(&self, label: &str, resolve: Resolve<'_>) -> LabelMeaning {
        let Some([group, resource]) = self.extract.last_groups(label, ["group", "resource"]) else {
            return LabelMeaning::Plain;
        };
        match resolve(group, resource) {
            Some(found) => LabelMeaning::Resource(found),
            None => LabelMeaning::Unresolved(GroupResource::new(group, resource)),
        }
    }
}

fn render(template: &Template, group: &str, resource: &str) -> Result<String, String> {
    let mut scope = Scope::new();
    scope.insert("Group", group.to_owned().into());
    scope.insert("Resource", resource.to_owned().into());
    template.render(&scope).map_err(|error| error.to_string())
}

/// What a rule takes a label for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelMeaning {
    /// Names a resource.
    Resource(ResourceType),
    /// Has the template's form, but nobody serves such a resource; its name as it stands there.
    Unresolved(GroupResource),
    /// Any other label.
    Plain,
}

/// A rule's label mapping, bound to the resources of a cluster.
pub struct Association<'a> {
    overrides: BTreeMap<&'a str, ResourceType>,
    template: Option<&'a LabelTemplate>,
    resolve: Resolve<'a>,
}

impl std::fmt::Debug for Association<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association")
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

impl Association<'_> {
    /// The resources that a series with these labels describes, and whether its metrics are
    /// namespaced, by prometheus-adapter's rule: they are as soon as the series carries a label
    /// that is not one of namespace, node and persistent volume. Labels that have the template's
    /// form but name no resource do not count.
    pub fn resources<'l>(
        &self,
        labels: impl Iterator<Item = &'l str>,
    ) -> (BTreeSet<ResourceType>, bool) {
        let mut resources = BTreeSet::new();
        let mut namespaced = false;
        for label in labels {
            match self.meaning(label) {
                LabelMeaning::Resource(found) => {
                    namespaced |= !is_root(&found.id);
                    resources.insert(found);
                }
                LabelMeaning::Unresolved(_) => {}
                LabelMeaning::Plain => namespaced = true,
            }
        }
        (resources, namespaced)
    }

    /// What a label is taken for.
    pub fn meaning(&self, label: &str) -> LabelMeaning {
        match (self.overrides.get(label), self.template) {
            (Some(found), _) => LabelMeaning::Resource(found.clone()),
            (None, Some(template)) => template.resource(label, self.resolve),
            (None, None) => LabelMeaning::Plain,
        }
    }

    /// Whether labels are taken for resources by their form, and not one by one.
    pub const fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// The label that carries the names of a resource.
    ///
    /// # Errors
    /// [`AssociationError::NoLabel`] when neither an override nor a template tells one.
    pub fn label(&self, resource: &ResourceType) -> Result<String, AssociationError> {
        self.overrides
            .iter()
            .find(|(_, found)| found.id == resource.id)
            .map(|(label, _)| (*label).to_owned())
            .or_else(|| self.template.and_then(|template| template.label(resource)))
            .ok_or_else(|| AssociationError::NoLabel(resource.id.clone()))
    }

    /// The label that carries the namespace.
    ///
    /// # Errors
    /// [`AssociationError::NoLabel`] likewise.
    pub fn namespace_label(&self) -> Result<String, AssociationError> {
        let namespaces = GroupResource::new("", "namespaces");
        match (self.resolve)("", "namespaces") {
            Some(resource) => self.label(&resource),
            None => Err(AssociationError::NoLabel(namespaces)),
        }
    }
}

/// The three resources whose metrics prometheus-adapter never lists as namespaced.
pub fn is_root(resource: &GroupResource) -> bool {
    resource.group.is_empty()
        && matches!(
            resource.resource.as_ref(),
            "namespaces" | "nodes" | "persistentvolumes"
        )
}
