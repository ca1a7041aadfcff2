//! Names of Kubernetes resource types. Every request has some of them copied, so copies share their
//! texts.

use std::fmt;
use std::sync::Arc;

/// A resource type without its version, as RBAC and the metrics APIs name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupResource {
    /// API group; empty for the core group.
    pub group: Arc<str>,
    /// Plural lower-case resource name, for instance `pods`.
    pub resource: Arc<str>,
}

impl GroupResource {
    /// Builds a name from its two parts.
    pub fn new(group: impl Into<Arc<str>>, resource: impl Into<Arc<str>>) -> Self {
        Self {
            group: group.into(),
            resource: resource.into(),
        }
    }
}

impl fmt::Display for GroupResource {
    /// `pods` for the core group, `deployments.apps` otherwise (apimachinery's
    /// `GroupResource.String`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.resource)
        } else {
            write!(f, "{}.{}", self.resource, self.group)
        }
    }
}

/// A resource type that kube-apiserver serves: what a RESTMapper knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType {
    /// Group and plural name.
    pub id: GroupResource,
    /// The version that the group prefers, for instance `v1`.
    pub version: Arc<str>,
    /// Kind of one object, for instance `Pod`.
    pub kind: Arc<str>,
    /// Singular lower-case name, for instance `pod`.
    pub singular: Arc<str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
}

impl ResourceType {
    /// `v1` or `apps/v1`: the `apiVersion` of an object of this type.
    pub fn api_version(&self) -> Arc<str> {
        if self.id.group.is_empty() {
            Arc::clone(&self.version)
        } else {
            format!("{}/{}", self.id.group, self.version).into()
        }
    }
}
