//! From certificates and headers to a user.
//!
//! The order is k8s.io/apiserver's: request header, client certificate, bearer token. The first
//! that knows the caller wins; if none does and one of them was handed something bad, that is
//! an error; else the caller is anonymous.

use std::sync::Arc;

use http::HeaderMap;
use rustls_pki_types::UnixTime;

use super::cache::Cache;
use super::fingerprint::Fingerprinter;
use super::metrics::{Authentication, CacheName};
use super::trust::{Trust, TrustReceiver};
use super::{ANONYMOUS, AUTHENTICATED, Metrics, Options, UNAUTHENTICATED, bearer, request_header};
use crate::model::review::{ReviewError, Reviewer, UserInfo};
use crate::serving::PeerCertificates;

/// Authenticates requests.
pub(super) struct Authenticator<R> {
    trust: TrustReceiver,
    reviewer: Arc<R>,
    tokens: Cache<Option<Arc<UserInfo>>>,
    token_ttl: std::time::Duration,
    metrics: Metrics,
}

/// Why there is no user. The texts are for the log; callers learn the status code only.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// A credential is there, and bad (401).
    #[error("{0}")]
    Rejected(String),
    /// A certificate is there, and whom to trust is not known yet (503).
    #[error("the cluster's authentication configuration was not read yet")]
    NotReady,
    /// The token could not be reviewed (500).
    #[error("token review: {0}")]
    Review(#[from] ReviewError),
}

impl<R: Reviewer> Authenticator<R> {
    pub(super) fn new(
        trust: TrustReceiver,
        reviewer: Arc<R>,
        options: &Options,
        metrics: Metrics,
    ) -> Self {
        Self {
            trust,
            reviewer,
            tokens: Cache::new(options.cache_capacity),
            token_ttl: options.token_ttl,
            metrics,
        }
    }

    /// The user behind a request.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificates: Option<&PeerCertificates>,
    ) -> Result<Arc<UserInfo>, Error> {
        let result = self.identify(headers, certificates).await;
        self.metrics.authenticated(match &result {
            Ok((_, method)) => *method,
            Err(Error::Rejected(_)) => Authentication::Rejected,
            Err(Error::NotReady) => Authentication::NotReady,
            Err(Error::Review(_)) => Authentication::Error,
        });
        result.map(|(user, _)| user)
    }

    async fn identify(
        &self,
        headers: &HeaderMap,
        certificates: Option<&PeerCertificates>,
    ) -> Result<(Arc<UserInfo>, Authentication), Error> {
        let mut rejected = None;
        if let Some(certificates) = certificates {
            let trust = self.trust.borrow().clone().ok_or(Error::NotReady)?;
            // Without authorities nobody looks at certificates, as if none were sent.
            if !trust.is_empty() {
                match by_certificate(&trust, headers, certificates, UnixTime::now()) {
                    Ok((user, method)) => return Ok((Arc::new(user), method)),
                    Err(reason) => rejected = Some(reason),
                }
            }
        }
        if let Some(token) = bearer::token(headers) {
            match self.by_token(&token).await? {
                Some(user) => return Ok((user, Authentication::Token)),
                None => rejected = rejected.or_else(|| Some("invalid bearer token".to_owned())),
            }
        }
        match rejected {
            Some(reason) => Err(Error::Rejected(reason)),
            None => Ok((Arc::new(anonymous()), Authentication::Anonymous)),
        }
    }

    async fn by_token(&self, token: &str) -> Result<Option<Arc<UserInfo>>, ReviewError> {
        let key = Fingerprinter::default().field(token).finish();
        let review = || {
            let (reviewer, token) = (Arc::clone(&self.reviewer), token.to_owned());
            async move {
                let user = reviewer.authenticate(&token).await?;
                Ok(user
                    .filter(|user| !user.name.is_empty())
                    .map(|user| Arc::new(known(user))))
            }
        };
        let (user, origin) = self.tokens.get(key, review, |_| self.token_ttl).await;
        self.metrics.looked_up(CacheName::Token, origin);
        user
    }

    /// Takes credentials out of the headers, so that nothing behind reads or logs them: the front
    /// proxy's usual headers as well as those that are configured.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(http::header::AUTHORIZATION);
        request_header::strip_usual(headers);
        if let Some(trust) = self.trust.borrow().as_ref()
            && let Some(request_header) = &trust.request_header
        {
            request_header.strip(headers);
        }
    }
}

/// The user by a certificate: the one whom a front proxy names, or else the certificate's own.
fn by_certificate(
    trust: &Trust,
    headers: &HeaderMap,
    certificates: &PeerCertificates,
    now: UnixTime,
) -> Result<(UserInfo, Authentication), String> {
    let mut reasons = Vec::new();
    if let Some(request_header) = &trust.request_header {
        match request_header.authority.verify(&certificates.0, now) {
            Ok(subject) if request_header.allows_name(&subject.common_name) => {
                match request_header.user(headers) {
                    Ok(Some(user)) => return Ok((known(user), Authentication::RequestHeader)),
                    Ok(None) => reasons.push("front proxy: no user name in the headers".to_owned()),
                    Err(error) => reasons.push(format!("front proxy: {error}")),
                }
            }
            Ok(subject) => reasons.push(format!(
                "front proxy: common name {:?} is not in requestheader-allowed-names",
                subject.common_name
            )),
            Err(refused) => reasons.push(format!("front proxy: {refused}")),
        }
    }
    if let Some(authority) = &trust.client {
        match authority.verify(&certificates.0, now) {
            Ok(subject) if !subject.common_name.is_empty() => {
                let user = UserInfo {
                    name: subject.common_name.clone(),
                    groups: subject.organizations.clone(),
                    ..UserInfo::default()
                };
                return Ok((known(user), Authentication::ClientCertificate));
            }
            Ok(_) => reasons.push("client: the certificate has no common name".to_owned()),
            Err(refused) => reasons.push(format!("client: {refused}")),
        }
    }
    Err(reasons.join("; "))
}

/// Adds `system:authenticated`, except to those whom an authenticator already put on one side
/// (the front proxy forwards anonymous callers as well).
fn known(mut user: UserInfo) -> UserInfo {
    let placed = user
        .groups
        .iter()
        .any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
    if !placed && user.name != ANONYMOUS {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

fn anonymous() -> UserInfo {
    UserInfo {
        name: ANONYMOUS.to_owned(),
        groups: vec![UNAUTHENTICATED.to_owned()],
        ..UserInfo::default()
    }
}
