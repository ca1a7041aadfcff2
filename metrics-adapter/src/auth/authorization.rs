//! May this user do this? Open paths and `system:masters` aside, kube-apiserver decides.

use std::sync::Arc;
use std::time::Duration;

use super::cache::Cache;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::metrics::{Authorization, CacheName};
use super::{MASTERS, Metrics, Options};
use crate::model::review::{AccessAttributes, Decision, ReviewError, Reviewer, UserInfo};

/// Bytes of a reason that are kept and told; RBAC's list every rule that could not be resolved.
const MAX_REASON_BYTES: usize = 1024;

/// Authorizes requests.
pub(super) struct Authorizer<R> {
    reviewer: Arc<R>,
    decisions: Cache<Arc<Decision>>,
    allow_ttl: Duration,
    deny_ttl: Duration,
    always_allow_paths: Vec<String>,
    metrics: Metrics,
}

impl<R: Reviewer> Authorizer<R> {
    pub(super) fn new(reviewer: Arc<R>, options: &Options, metrics: Metrics) -> Self {
        Self {
            reviewer,
            decisions: Cache::new(options.cache_capacity),
            allow_ttl: options.allow_ttl,
            deny_ttl: options.deny_ttl,
            always_allow_paths: options.always_allow_paths.clone(),
            metrics,
        }
    }

    /// Whether `user` may do what `attributes` say.
    ///
    /// # Errors
    /// If nobody could be asked; that is never "allowed".
    pub(super) async fn authorize(
        &self,
        user: &Arc<UserInfo>,
        attributes: &AccessAttributes,
    ) -> Result<Arc<Decision>, ReviewError> {
        if self.is_open(attributes) || user.groups.iter().any(|group| group == MASTERS) {
            self.metrics.authorized(Authorization::Exempt);
            return Ok(Arc::new(Decision {
                allowed: true,
                reason: String::new(),
            }));
        }
        let review = || {
            let (reviewer, user) = (Arc::clone(&self.reviewer), Arc::clone(user));
            let attributes = attributes.clone();
            async move {
                let mut decision = reviewer.authorize(&user, &attributes).await?;
                truncate(&mut decision.reason);
                Ok(Arc::new(decision))
            }
        };
        let ttl = |decision: &Arc<Decision>| {
            if decision.allowed {
                self.allow_ttl
            } else {
                self.deny_ttl
            }
        };
        let (decision, origin) = self
            .decisions
            .get(question(user, attributes), review, ttl)
            .await;
        self.metrics.looked_up(CacheName::Access, origin);
        self.metrics.authorized(match &decision {
            Ok(decision) if decision.allowed => Authorization::Allowed,
            Ok(_) => Authorization::Denied,
            Err(_) => Authorization::Error,
        });
        decision
    }

    fn is_open(&self, attributes: &AccessAttributes) -> bool {
        let AccessAttributes::NonResource { path, .. } = attributes else {
            return false;
        };
        self.always_allow_paths
            .iter()
            .any(|open| match open.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == open,
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
fn question(user: &UserInfo, attributes: &AccessAttributes) -> Fingerprint {
    let mut question = Fingerprinter::default()
        .field(&user.name)
        .field(&user.uid)
        .list(user.groups.iter())
        .count(user.extra.len());
    for (key, values) in &user.extra {
        question = question.field(key).list(values.iter());
    }
    match attributes {
        AccessAttributes::Resource {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        } => [verb, group, version, namespace, resource, subresource, name]
            .into_iter()
            .fold(question.field("resource"), |question, field| {
                question.field(field)
            }),
        AccessAttributes::NonResource { path, verb } => {
            question.field("path").field(path).field(verb)
        }
    }
    .finish()
}
