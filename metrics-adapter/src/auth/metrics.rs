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

/// Counters of authentication and authorization. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    authentication: Family<AuthenticationLabels, Counter>,
    authorization: Family<AuthorizationLabels, Counter>,
    cache: Family<CacheLabels, Counter>,
    pub(super) authorities: Reloads,
}

impl Metrics {
    /// Registers all of them; the caller chooses the prefix (`registry.sub_registry_with_prefix`).
    pub fn register(registry: &mut Registry) -> Self {
        let what = "the files of trusted authorities";
        let metrics = Self {
            authorities: Reloads::register(registry, "authorities", what),
            ..Self::default()
        };
        registry.register(
            "authentication_attempts_total",
            "Requests by how their caller was authenticated",
            metrics.authentication.clone(),
        );
        registry.register(
            "authorization_decisions_total",
            "Requests by what authorization decided",
            metrics.authorization.clone(),
        );
        registry.register(
            "review_cache_lookups_total",
            "Lookups in the caches of TokenReviews and SubjectAccessReviews",
            metrics.cache.clone(),
        );
        metrics
    }

    pub(super) fn authenticated(&self, result: Authentication) {
        self.authentication
            .get_or_create(&AuthenticationLabels { result })
            .inc();
    }

    pub(super) fn authorized(&self, result: Authorization) {
        self.authorization
            .get_or_create(&AuthorizationLabels { result })
            .inc();
    }

    pub(super) fn looked_up(&self, cache: CacheName, origin: super::cache::Origin) {
        let result = match origin {
            super::cache::Origin::Cache => CacheResult::Hit,
            super::cache::Origin::Review => CacheResult::Miss,
        };
        self.cache
            .get_or_create(&CacheLabels { cache, result })
            .inc();
    }
}
