//! Who calls, and whether they may: kube-apiserver's delegated authentication and authorization.
//!
//! Owns the judgement on every request: its certificates and headers become a [`UserInfo`], its
//! method and path become [`AccessAttributes`], and kube-apiserver's reviews (through
//! [`Reviewer`]) decide. What it trusts ([`Trust`]) is published by `cluster::authentication`;
//! nobody else writes it.
//!
//! Law: nothing is allowed by default. A credential that is there but bad is 401, a missing
//! decision is 500, and front-proxy headers count only beside the front proxy's certificate.
//!
//! The behaviour is k8s.io/apiserver's (`pkg/authentication/request`, `pkg/authorization`,
//! `pkg/endpoints/request`), which the aggregator and every client are used to.
//!
//! [`UserInfo`]: crate::model::review::UserInfo
//! [`AccessAttributes`]: crate::model::review::AccessAttributes
//! [`Reviewer`]: crate::model::review::Reviewer

mod attributes;
mod authentication;
mod authority;
mod authorization;
mod bearer;
mod cache;
mod caller;
mod fingerprint;
mod layer;
mod local;
mod metrics;
pub(crate) mod query;
mod request_header;
mod rounds;
mod status;
mod trust;

use std::num::NonZeroUsize;
use std::time::Duration;

pub use authority::{Authority, AuthorityError};
pub use layer::{AuthLayer, AuthService};
pub use local::{LocalRequestHeader, LocalTrust, LocalTrustError, Lookup, TrustMerge};
pub use metrics::Metrics;
pub use request_header::RequestHeader;
pub use trust::{Trust, TrustError, TrustReceiver};

/// Settings of authentication and authorization; the defaults are prometheus-adapter's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the outcome of a TokenReview is kept;
    /// `--authentication-token-webhook-cache-ttl`.
    pub token_ttl: Duration,
    /// How long "allowed" is kept; `--authorization-webhook-cache-authorized-ttl`.
    pub allow_ttl: Duration,
    /// How long "denied" is kept; `--authorization-webhook-cache-unauthorized-ttl`.
    pub deny_ttl: Duration,
    /// Places for answers whose callers are expected again, in each of these caches; a quarter
    /// for one user, and an eighth as many for other answers and for refusals.
    pub cache_capacity: NonZeroUsize,
    /// Non-resource paths that need no authorization, a final `*` matching any rest;
    /// `--authorization-always-allow-paths`.
    pub always_allow_paths: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token_ttl: Duration::from_secs(10),
            allow_ttl: Duration::from_secs(10),
            deny_ttl: Duration::from_secs(10),
            cache_capacity: NonZeroUsize::new(80_000).unwrap_or(NonZeroUsize::MIN),
            always_allow_paths: ["/healthz", "/readyz", "/livez"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// The group of everyone whom an authenticator knows.
const AUTHENTICATED: &str = "system:authenticated";
/// The group of everyone else.
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of everyone else.
const ANONYMOUS: &str = "system:anonymous";
/// The group that needs no authorization.
const MASTERS: &str = "system:masters";

#[cfg(test)]
mod tests;
