//! From certificates and headers to a user.
//!
//! The order is k8s.io/apiserver's: request header, client certificate, bearer token. The first
//! that knows the caller wins; if none does and one of them was handed something bad, that is
//! an error; else the caller is anonymous.

use std::sync::Arc;

use http::HeaderMap;
use rustls_pki_types::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};

use super::cache::{Ask, Cache, Limits, Owner, Terms};
use super::caller::Caller;
use super::fingerprint;
use super::metrics::{Authentication, CacheName};
use super::trust::{Trust, TrustReceiver};
use super::{Metrics, Options, bearer, request_header};
use crate::model::review::{Cause, ReviewError, Reviewer, UserInfo};
use crate::serving::PeerCertificates;

/// Authenticates requests.
pub(super) struct Authenticator<R: Reviewer> {
    trust: TrustReceiver,
    tokens: Cache<Tokens<R>>,
    anonymous: Arc<Caller>,
    metrics: Metrics,
}

/// TokenReviews.
struct Tokens<R>(Arc<R>);

impl<R: Reviewer> Ask for Tokens<R> {
    type Question = SecretString;
    type Answer = Option<Arc<Caller>>;
    const NAME: &'static str = "TokenReview";

    async fn ask(&self, token: &SecretString, cause: Cause) -> Result<Self::Answer, ReviewError> {
        let user = self.0.authenticate(token.expose_secret(), cause).await?;
        Ok(user
            .filter(|user| !user.name.is_empty())
            .map(|user| Arc::new(Caller::known(user))))
    }

    fn is_granted(caller: &Self::Answer) -> bool {
        caller.is_some()
    }

    fn size(token: &SecretString) -> usize {
        token.expose_secret().len()
    }

    fn owner(_: &SecretString, caller: &Self::Answer) -> Option<Owner> {
        caller.as_ref().map(|caller| caller.owner)
    }
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
        let terms = Terms {
            granted: options.token_ttl,
            refused: options.token_ttl,
        };
        Self {
            trust,
            tokens: Cache::new(Tokens(reviewer), Limits::of(options.cache_capacity), terms),
            anonymous: Arc::new(Caller::anonymous()),
            metrics,
        }
    }

    /// Has tokens reviewed ahead of their expiry; does not end.
    pub(super) async fn keep_warm(&self) {
        self.tokens.keep_warm().await;
    }

    /// The caller behind a request.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificates: Option<&PeerCertificates>,
    ) -> Result<Arc<Caller>, Error> {
        let result = self.identify(headers, certificates).await;
        self.metrics.authenticated(match &result {
            Ok((_, method)) => *method,
            Err(Error::Rejected(_)) => Authentication::Rejected,
            Err(Error::NotReady) => Authentication::NotReady,
            Err(Error::Review(_)) => Authentication::Error,
        });
        result.map(|(caller, _)| caller)
    }

    async fn identify(
        &self,
        headers: &HeaderMap,
        certificates: Option<&PeerCertificates>,
    ) -> Result<(Arc<Caller>, Authentication), Error> {
        let mut rejected = None;
        if let Some(certificates) = certificates {
            let trust = self.trust.borrow().clone().ok_or(Error::NotReady)?;
            // Without authorities nobody looks at certificates, as if none were sent.
            if !trust.is_empty() {
                match by_certificate(&trust, headers, certificates, UnixTime::now()) {
                    Ok(known) => return Ok(known),
                    Err(reason) => rejected = Some(reason),
                }
            }
        }
        if let Some(token) = bearer::token(headers) {
            match self.by_token(&token).await? {
                Some(caller) => return Ok((caller, Authentication::Token)),
                None => rejected = rejected.or_else(|| Some("invalid bearer token".to_owned())),
            }
        }
        match rejected {
            Some(reason) => Err(Error::Rejected(reason)),
            None => {
                let caller = Arc::clone(&self.anonymous);
                Ok((caller, Authentication::Anonymous))
            }
        }
    }

    async fn by_token(&self, token: &str) -> Result<Option<Arc<Caller>>, ReviewError> {
        let key = fingerprint::of(token);
        let (caller, origin) = self.tokens.get(key, || token.to_owned().into()).await;
        self.metrics.looked_up(CacheName::Token, origin);
        caller
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

/// The caller by a certificate: the one whom a front proxy names, or else the certificate's own.
fn by_certificate(
    trust: &Trust,
    headers: &HeaderMap,
    certificates: &PeerCertificates,
    now: UnixTime,
) -> Result<(Arc<Caller>, Authentication), String> {
    let mut reasons = Vec::new();
    if let Some(request_header) = &trust.request_header {
        match request_header.authority.verify(&certificates.0, now) {
            Ok(subject) if request_header.allows_name(&subject.common_name) => {
                match request_header.caller(headers) {
                    Ok(Some(caller)) => return Ok((caller, Authentication::RequestHeader)),
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
                let caller = Arc::new(Caller::known(user));
                return Ok((caller, Authentication::ClientCertificate));
            }
            Ok(_) => reasons.push("client: the certificate has no common name".to_owned()),
            Err(refused) => reasons.push(format!("client: {refused}")),
        }
    }
    Err(reasons.join("; "))
}
