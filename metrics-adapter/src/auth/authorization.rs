//! May this user do this? Open paths and `system:masters` aside, kube-apiserver decides.

use std::sync::Arc;

use super::attributes::Access;
use super::cache::{Ask, Cache, Limits, Owner, Terms};
use super::caller::Caller;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::metrics::{Authorization, CacheName};
use super::{MASTERS, Metrics, Options};
use crate::model::review::{AccessAttributes, Cause, Decision, ReviewError, Reviewer};

/// Bytes of a reason that are kept and told; RBAC's list every rule that could not be resolved.
const MAX_REASON_BYTES: usize = 1024;

/// Authorizes requests.
pub(super) struct Authorizer<R: Reviewer> {
    decisions: Cache<Accesses<R>>,
    always_allow_paths: Vec<String>,
    exempt: Arc<Decision>,
    metrics: Metrics,
}

/// SubjectAccessReviews.
struct Accesses<R>(Arc<R>);

/// May this caller do this?
struct Question {
    caller: Arc<Caller>,
    attributes: AccessAttributes,
}

impl<R: Reviewer> Ask for Accesses<R> {
    type Question = Question;
    type Answer = Arc<Decision>;
    const NAME: &'static str = "SubjectAccessReview";

    async fn ask(&self, question: &Question, cause: Cause) -> Result<Self::Answer, ReviewError> {
        let Question { caller, attributes } = question;
        let mut decision = self.0.authorize(&caller.user, attributes, cause).await?;
        truncate(&mut decision.reason);
        Ok(Arc::new(decision))
    }

    fn is_granted(decision: &Arc<Decision>) -> bool {
        decision.allowed
    }

    fn size(question: &Question) -> usize {
        let texts = match &question.attributes {
            AccessAttributes::Resource {
                verb,
                group,
                version,
                namespace,
                resource,
                subresource,
                name,
            } => [verb, group, version, namespace, resource, subresource, name]
                .map(String::len)
                .iter()
                .sum(),
            AccessAttributes::NonResource { path, verb } => path.len() + verb.len(),
        };
        question.caller.size() + texts
    }

    /// Metrics are polled, and documents are not: of those everybody may read as many as there are
    /// paths, by the cluster's own role `system:discovery`.
    fn owner(question: &Question, _: &Self::Answer) -> Option<Owner> {
        match question.attributes {
            AccessAttributes::Resource { .. } => Some(question.caller.owner),
            AccessAttributes::NonResource { .. } => None,
        }
    }
}

impl<R: Reviewer> Authorizer<R> {
    pub(super) fn new(reviewer: Arc<R>, options: &Options, metrics: Metrics) -> Self {
        let terms = Terms {
            granted: options.allow_ttl,
            refused: options.deny_ttl,
        };
        Self {
            decisions: Cache::new(
                Accesses(reviewer),
                Limits::of(options.cache_capacity),
                terms,
            ),
            always_allow_paths: options.always_allow_paths.clone(),
            exempt: Arc::new(Decision {
                allowed: true,
                reason: String::new(),
            }),
            metrics,
        }
    }

    /// Has decisions reviewed ahead of their expiry; does not end.
    pub(super) async fn keep_warm(&self) {
        self.decisions.keep_warm().await;
    }

    /// Whether `caller` may do what `access` says.
    ///
    /// # Errors
    /// If nobody could be asked; that is never "allowed".
    pub(super) async fn authorize(
        &self,
        caller: &Arc<Caller>,
        access: &Access<'_>,
    ) -> Result<Arc<Decision>, ReviewError> {
        if self.is_open(access) || caller.user.groups.iter().any(|group| group == MASTERS) {
            self.metrics.authorized(Authorization::Exempt);
            return Ok(Arc::clone(&self.exempt));
        }
        let question = || Question {
            caller: Arc::clone(caller),
            attributes: access.to_attributes(),
        };
        let (decision, origin) = self.decisions.get(key(caller, access), question).await;
        self.metrics.looked_up(CacheName::Access, origin);
        self.metrics.authorized(match &decision {
            Ok(decision) if decision.allowed => Authorization::Allowed,
            Ok(_) => Authorization::Denied,
            Err(_) => Authorization::Error,
        });
        decision
    }

    fn is_open(&self, access: &Access<'_>) -> bool {
        let Access::NonResource { path, .. } = access else {
            return false;
        };
        self.always_allow_paths
            .iter()
            .any(|open| match open.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => *path == open.as_str(),
            })
    }
}

fn truncate(reason: &mut String) {
    if reason.len() > MAX_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        reason.push('…');
    }
}

/// Every field that a decision may depend on.
fn key(caller: &Caller, access: &Access<'_>) -> Fingerprint {
    let caller = Fingerprinter::default().key(&caller.fingerprint);
    access.fingerprint(caller).finish()
}
