//! What auth counts. Label values come from the enums below, so their number is fixed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use telemetry::reload::Reloads;

/// How a caller was, or was not, authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Authentication {
    /// By the front proxy's headers.
    RequestHeader,
    /// By a certificate of the cluster.
    ClientCertificate,
    /// By a TokenReview.
    Token,
    /// Without any credential.
    Anonymous,
    /// A credential was there, and bad (401).
    Rejected,
    /// What to trust is not known yet (503).
    NotReady,
    /// The review failed (500).
    Error,
}

/// What came out of authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Authorization {
    /// `system:masters`, or a path that is open to all.
    Exempt,
    /// Allowed by a review.
    Allowed,
    /// Denied by a review (403).
    Denied,
    /// Impersonation was asked for (403).
    Impersonation,
    /// The review failed (500).
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AuthenticationLabels {
    pub(super) result: Authentication,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AuthorizationLabels {
    pub(super) result: Authorization,
}

/// Which cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CacheName {
    /// TokenReviews.
    Token,
    /// SubjectAccessReviews.
    Access,
}

/// Whether it had the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CacheResult {
    /// Yes.
    Hit,
    /// No: kube-apiserver was asked.
    Miss,
}

telemetry::snake_case_labels!(Authentication, Authorization, CacheName, CacheResult);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CacheLabels {
    pub(super) cache: CacheName,
    pub(super) result: CacheResult,
}

impl Authentication {
    const ALL: [Self; 7] = [
        Self::RequestHeader,
        Self::ClientCertificate,
        Self::Token,
        Self::Anonymous,
        Self::Rejected,
        Self::NotReady,
        Self::Error,
    ];
}

impl Authorization {
    const ALL: [Self; 5] = [
        Self::Exempt,
        Self::Allowed,
        Self::Denied,
        Self::Impersonation,
        Self::Error,
    ];
}

/// Counters of authentication and authorization, by the places of their labels' values: every
/// request counts in all three. Clones share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    authentication: [Counter; Authentication::ALL.len()],
    authorization: [Counter; Authorization::ALL.len()],
    cache: [[Counter; 2]; 2],
    pub(super) authorities: Reloads,
}

impl Default for Metrics {
    /// Counters that nobody reads.
    fn default() -> Self {
        Self::register(&mut Registry::default())
    }
}

impl Metrics {
    /// Registers all of them; the caller chooses the prefix (`registry.sub_registry_with_prefix`).
    pub fn register(registry: &mut Registry) -> Self {
        let what = "the files of trusted authorities";
        let authorities = Reloads::register(registry, "authorities", what);
        let authentication = Family::default();
        registry.register(
            "authentication_attempts_total",
            "Requests by how their caller was authenticated",
            authentication.clone(),
        );
        let authorization = Family::default();
        registry.register(
            "authorization_decisions_total",
            "Requests by what authorization decided",
            authorization.clone(),
        );
        let cache = Family::default();
        registry.register(
            "review_cache_lookups_total",
            "Lookups in the caches of TokenReviews and SubjectAccessReviews",
            cache.clone(),
        );
        Self {
            authentication: Authentication::ALL
                .map(|result| authentication.get_or_create_owned(&AuthenticationLabels { result })),
            authorization: Authorization::ALL
                .map(|result| authorization.get_or_create_owned(&AuthorizationLabels { result })),
            cache: [CacheName::Token, CacheName::Access].map(|name| {
                [CacheResult::Hit, CacheResult::Miss].map(|result| {
                    let labels = CacheLabels {
                        cache: name,
                        result,
                    };
                    cache.get_or_create_owned(&labels)
                })
            }),
            authorities,
        }
    }

    pub(super) fn authenticated(&self, result: Authentication) {
        self.authentication[result as usize].inc();
    }

    pub(super) fn authorized(&self, result: Authorization) {
        self.authorization[result as usize].inc();
    }

    pub(super) fn looked_up(&self, cache: CacheName, origin: super::cache::Origin) {
        let result = match origin {
            super::cache::Origin::Cache => CacheResult::Hit,
            super::cache::Origin::Review => CacheResult::Miss,
        };
        self.cache[cache as usize][result as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_counted_in_its_own_place() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        for (place, result) in Authentication::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, place);
            metrics.authenticated(result);
        }
        for (place, result) in Authorization::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, place);
            metrics.authorized(result);
        }
        for cache in [CacheName::Token, CacheName::Access] {
            for origin in [
                crate::auth::cache::Origin::Cache,
                crate::auth::cache::Origin::Review,
            ] {
                metrics.looked_up(cache, origin);
            }
        }
        let text = telemetry::text::encode(&registry);
        let counted = text.lines().filter(|line| line.contains("_total{"));
        let counted: Vec<&str> = counted.filter(|line| !line.contains("reloads")).collect();
        assert_eq!(counted.len(), 16, "{text}");
        assert!(counted.iter().all(|line| line.ends_with(" 1")), "{text}");
        metrics.authenticated(Authentication::NotReady);
        metrics.authorized(Authorization::Denied);
        metrics.looked_up(CacheName::Access, crate::auth::cache::Origin::Cache);
        let text = telemetry::text::encode(&registry);
        for line in [
            r#"authentication_attempts_total{result="not_ready"} 2"#,
            r#"authorization_decisions_total{result="denied"} 2"#,
            r#"authentication_attempts_total{result="error"} 1"#,
            r#"review_cache_lookups_total{cache="access",result="hit"} 2"#,
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
