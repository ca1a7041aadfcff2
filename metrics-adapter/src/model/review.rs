//! Who calls, and what kube-apiserver says about it.

use std::collections::BTreeMap;
use std::future::Future;

/// The identity of a caller after authentication.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UserInfo {
    /// User name; never empty.
    pub name: String,
    /// UID, if the authenticator told one.
    pub uid: String,
    /// Groups, `system:authenticated` or `system:unauthenticated` included.
    pub groups: Vec<String>,
    /// Extra fields of the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a caller wants to do, in the words of a SubjectAccessReview.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessAttributes {
    /// Access to a resource below `/apis/<group>/<version>`.
    Resource {
        /// `get`, `list`, ...
        verb: String,
        /// API group.
        group: String,
        /// API version.
        version: String,
        /// Namespace; empty for none.
        namespace: String,
        /// Resource, for instance `pods`, exactly as the path wrote it.
        resource: String,
        /// Subresource (the metric of an object); empty for none.
        subresource: String,
        /// Name; empty for none.
        name: String,
    },
    /// Any other path.
    NonResource {
        /// The path, percent-decoded.
        path: String,
        /// The lower-case HTTP method.
        verb: String,
    },
}

/// The answer to a SubjectAccessReview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the action is allowed.
    pub allowed: bool,
    /// The authorizer's reason; may be told to the caller, as kube-apiserver does.
    pub reason: String,
}

/// Why a review is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A caller waits for the answer.
    Cold,
    /// A caller is expected; nobody waits yet.
    Refresh,
}

/// A review could not be done; never to be taken for "allowed".
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Asks kube-apiserver about callers. Those who wait go before those who are expected.
pub trait Reviewer: Send + Sync + 'static {
    /// SubjectAccessReview: may `user` do this?
    fn authorize(
        &self,
        user: &UserInfo,
        attributes: &AccessAttributes,
        cause: Cause,
    ) -> impl Future<Output = Result<Decision, ReviewError>> + Send;

    /// TokenReview: whose bearer token is this? `None` when it is not valid.
    fn authenticate(
        &self,
        token: &str,
        cause: Cause,
    ) -> impl Future<Output = Result<Option<UserInfo>, ReviewError>> + Send;
}
