//! A pool of certificate authorities: which certificates it vouches for, and for whom.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::RandomState;
use lru::LruCache;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// Chains whose verification is remembered. The front proxy has one per kube-apiserver.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

type Chain = Arc<[CertificateDer<'static>]>;

/// A pool of certificate authorities. Immutable: rotation makes a new one, and with it forgets
/// every chain that the old one had verified.
pub struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    verified: Mutex<LruCache<Chain, Verified, RandomState>>,
}

/// Whom a certificate was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Empty if there is none; the last of several, as in Go.
    pub(super) common_name: String,
    pub(super) organizations: Vec<String>,
}

#[derive(Clone)]
struct Verified {
    subject: Arc<Subject>,
    /// Seconds since the epoch in which every certificate that was sent is valid.
    valid: std::ops::RangeInclusive<i64>,
}

/// Why a bundle of authorities cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthorityError {
    /// It is no PEM text, or a certificate in it is broken.
    #[error("malformed PEM bundle: {0}")]
    Malformed(String),
    /// There is no certificate in it.
    #[error("no PEM certificate in it")]
    Empty,
}

/// Why a peer's certificate was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refused {
    #[error("certificate is not issued by a known authority")]
    UnknownIssuer,
    #[error("certificate has expired or is not yet valid")]
    OutOfTime,
    #[error("certificate is not acceptable: {0}")]
    Other(String),
}

impl Authority {
    /// Reads a bundle of PEM certificates. One that cannot be read refuses the whole bundle, as
    /// in k8s.io/client-go.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn from_pem(bundle: &str) -> Result<Self, AuthorityError> {
        let malformed = |error: &dyn fmt::Display| AuthorityError::Malformed(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            let certificate = certificate.map_err(|error| malformed(&error))?;
            roots.add(certificate).map_err(|error| malformed(&error))?;
        }
        if roots.is_empty() {
            return Err(AuthorityError::Empty);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| malformed(&error))?;
        Ok(Self {
            verifier,
            verified: Mutex::new(LruCache::with_hasher(REMEMBERED, RandomState::default())),
        })
    }

    /// Verifies a chain as sent in a handshake, for client authentication, at `now`.
    pub(super) fn verify(&self, chain: &Chain, now: UnixTime) -> Result<Arc<Subject>, Refused> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if let Some(known) = self
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(chain)
            && known.valid.contains(&seconds)
        {
            return Ok(Arc::clone(&known.subject));
        }
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(Refused::UnknownIssuer);
        };
        self.verifier
            .verify_client_cert(leaf, intermediates, now)
            .map_err(Refused::from)?;
        let verified = Verified::parse(chain).map_err(|error| Refused::Other(error.to_string()))?;
        let subject = Arc::clone(&verified.subject);
        self.verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(Arc::clone(chain), verified);
        Ok(subject)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Verified {
    fn parse(chain: &Chain) -> Result<Self, x509_parser::error::X509Error> {
        let parsed = chain
            .iter()
            .map(|certificate| Ok(x509_parser::parse_x509_certificate(certificate)?.1))
            .collect::<Result<Vec<X509Certificate<'_>>, x509_parser::error::X509Error>>()?;
        let from = parsed
            .iter()
            .map(|c| c.validity().not_before.timestamp())
            .max();
        let until = parsed
            .iter()
            .map(|c| c.validity().not_after.timestamp())
            .min();
        let valid = from.unwrap_or(i64::MAX)..=until.unwrap_or(i64::MIN);
        let subject = parsed
            .first()
            .map(Subject::parse)
            .transpose()?
            .unwrap_or_else(|| Subject {
                common_name: String::new(),
                organizations: Vec::new(),
            });
        Ok(Self {
            subject: Arc::new(subject),
            valid,
        })
    }
}

impl Subject {
    fn parse(leaf: &X509Certificate<'_>) -> Result<Self, x509_parser::error::X509Error> {
        let name = leaf.subject();
        let common_name = match name.iter_common_name().last() {
            Some(value) => value.as_str()?.to_owned(),
            None => String::new(),
        };
        let organizations = name
            .iter_organization()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            common_name,
            organizations,
        })
    }
}

impl From<rustls::Error> for Refused {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::UnknownIssuer,
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => Self::OutOfTime,
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::tests::support::Ca;

    #[test]
    fn what_was_verified_once_still_ends() {
        let ca = Ca::new("cluster");
        let alice = ca.issue_with("alice", &["dev", "ops"], |params| {
            params.not_before = rcgen::date_time_ymd(2030, 1, 1);
            params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        });
        let chain: Chain = alice.chain.into();
        let authority = Authority::from_pem(&ca.pem()).unwrap();
        let at = |seconds: u64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let (from, until) = (1_893_456_000, 1_893_542_400);
        let subject = authority.verify(&chain, at(from)).unwrap();
        assert_eq!(subject.common_name, "alice");
        assert_eq!(subject.organizations, ["dev", "ops"]);
        // From memory now.
        assert!(Arc::ptr_eq(
            &authority.verify(&chain, at(until)).unwrap(),
            &subject
        ));
        assert_eq!(
            authority.verify(&chain, at(until + 1)),
            Err(Refused::OutOfTime)
        );
        assert_eq!(
            authority.verify(&chain, at(from - 1)),
            Err(Refused::OutOfTime)
        );
    }
}
