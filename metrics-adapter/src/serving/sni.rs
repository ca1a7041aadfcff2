//! Which certificate a client is shown, by the server name that it asks for.
//!
//! The order is k8s.io/apiserver's (`dynamiccertificates.BuildNamedCertificates`) and Go's TLS:
//! the name as it is before its wildcard, names that a flag gives before those in certificates,
//! an earlier flag before a later one, and the default certificate for everyone else.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::ServingCertificate;

/// The default certificate and those for some names.
#[derive(Debug)]
pub struct NamedCertificates {
    default: Arc<ServingCertificate>,
    named: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    /// In lower case; empty for the certificate's own.
    names: Vec<String>,
    certificate: Arc<ServingCertificate>,
}

impl NamedCertificates {
    /// Serves `default` to everyone, until others are added.
    pub const fn new(default: Arc<ServingCertificate>) -> Self {
        Self {
            default,
            named: Vec::new(),
        }
    }

    /// Serves `certificate` to those who ask for one of `names` (a first label may be `*`), or
    /// for a name in the certificate if there are none.
    pub fn add(&mut self, names: &[String], certificate: Arc<ServingCertificate>) {
        self.named.push(Named {
            names: names.iter().map(|name| name.to_lowercase()).collect(),
            certificate,
        });
    }

    /// All certificates, to be watched.
    pub fn certificates(&self) -> Vec<Arc<ServingCertificate>> {
        let named = self.named.iter().map(|named| &named.certificate);
        std::iter::once(&self.default)
            .chain(named)
            .cloned()
            .collect()
    }

    fn choose(&self, server: Option<&str>) -> &ServingCertificate {
        let Some(server) = server.map(str::to_lowercase) else {
            return &self.default;
        };
        let wildcard = server.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        for name in std::iter::once(server).chain(wildcard) {
            let explicit = self.named.iter().find(|named| named.names.contains(&name));
            let found = explicit.or_else(|| {
                self.named
                    .iter()
                    .find(|named| named.names.is_empty() && named.certificate.is_issued_for(&name))
            });
            if let Some(named) = found {
                return &named.certificate;
            }
        }
        &self.default
    }
}

impl ResolvesServerCert for NamedCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()).key())
    }
}

/// The DNS names of a certificate, its common name included if it can be one.
pub(super) fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let common_names = leaf.subject().iter_common_name();
    let common_name = common_names.filter_map(|name| name.as_str().ok()).last();
    let is_domain = |name: &&str| {
        let plain = name.strip_prefix("*.").unwrap_or(name);
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        name.parse::<std::net::IpAddr>().is_err() && plain.split('.').all(is_label)
    };
    let mut names: Vec<String> = Vec::new();
    names.extend(common_name.filter(is_domain).map(str::to_lowercase));
    if let Ok(Some(alternative)) = leaf.subject_alternative_name() {
        for name in &alternative.value.general_names {
            if let GeneralName::DNSName(name) = name {
                names.push(name.to_lowercase());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::serving::tests::support::mk_serving_pair_for;
    use crate::serving::{CertificateSource, Metrics};

    async fn mk_certificate(directory: &Path, name: &str) -> Arc<ServingCertificate> {
        let (certificate, key) = mk_serving_pair_for(name);
        let file = |kind: &str| directory.join(format!("{name}.{kind}"));
        std::fs::write(file("crt"), certificate).unwrap();
        std::fs::write(file("key"), key).unwrap();
        let source = CertificateSource::Named {
            certificate: file("crt"),
            key: file("key"),
        };
        ServingCertificate::load(source, Metrics::default())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn names_choose_certificates_and_flags_come_first() {
        let directory = tempfile::tempdir().unwrap();
        let default = mk_certificate(directory.path(), "default.test").await;
        let own = mk_certificate(directory.path(), "own.test").await;
        let given = mk_certificate(directory.path(), "given.test").await;
        let mut certificates = NamedCertificates::new(Arc::clone(&default));
        certificates.add(&[], Arc::clone(&own));
        let names = ["*.shop.test".to_owned(), "OTHER.test".to_owned()];
        certificates.add(&names, Arc::clone(&given));
        for (server, expected) in [
            (None, &default),
            (Some("nobody.test"), &default),
            (Some("default.test"), &default),
            (Some("own.test"), &own),
            (Some("Own.Test"), &own),
            (Some("a.shop.test"), &given),
            (Some("b.a.shop.test"), &default),
            (Some("other.test"), &given),
            // Explicit names replace those in the certificate.
            (Some("given.test"), &default),
        ] {
            let chosen = certificates.choose(server);
            assert!(std::ptr::eq(chosen, expected.as_ref()), "{server:?}");
        }
        assert_eq!(certificates.certificates().len(), 3);
    }
}
