//! The HTTPS front.

use std::net::SocketAddr;

use rustls::CipherSuite;

use super::super::error::UsageError;
use super::super::flags::ServingFlags;
use super::super::value;
use super::pair;
use crate::serving::{CertificateSource, MinVersion, Options, PortSharing, Protocols, TlsOptions};

const MIN_VERSION: &str = "--tls-min-version";
const CIPHER_SUITES: &str = "--tls-cipher-suites";

/// A certificate for some server names, or for those in it if there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSource {
    /// DNS names; a first label may be `*`.
    pub names: Vec<String>,
    /// Where the certificate is.
    pub source: CertificateSource,
}

/// All that the flags tell.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) port_sharing: PortSharing,
    pub(super) certificate: CertificateSource,
    pub(super) named_certificates: Vec<NamedSource>,
    pub(super) tls: TlsOptions,
    pub(super) options: Options,
}

pub(super) fn build(flags: &ServingFlags, notices: &mut Vec<String>) -> Result<Front, UsageError> {
    let mut options = Options::default();
    if flags.http2_max_streams_per_connection > 0 {
        options.max_concurrent_streams = flags.http2_max_streams_per_connection;
    }
    let named = flags.tls_sni_cert_key.iter().map(|pair| NamedSource {
        names: pair.names.clone(),
        source: CertificateSource::Named {
            certificate: pair.certificate.clone(),
            key: pair.key.clone(),
        },
    });
    Ok(Front {
        address: SocketAddr::new(flags.bind_address, flags.secure_port),
        port_sharing: if flags.permit_port_sharing {
            PortSharing::Shared
        } else {
            PortSharing::Exclusive
        },
        certificate: certificate(flags)?,
        named_certificates: named.collect(),
        tls: TlsOptions {
            min_version: min_version(&flags.tls_min_version)?,
            cipher_suites: cipher_suites(flags, notices)?,
            protocols: if flags.disable_http2 {
                Protocols::Http1
            } else {
                Protocols::Http2AndHttp1
            },
        },
        options,
    })
}

fn certificate(flags: &ServingFlags) -> Result<CertificateSource, UsageError> {
    let files = pair(
        ("--tls-cert-file", flags.tls_cert_file.0.clone()),
        (
            "--tls-private-key-file",
            flags.tls_private_key_file.0.clone(),
        ),
    )?;
    if let Some((certificate, key)) = files {
        return Ok(CertificateSource::Files { certificate, key });
    }
    let Some(directory) = flags.cert_dir.0.clone() else {
        return Err(UsageError::Alone {
            given: "an empty --cert-dir",
            missing: "--tls-cert-file",
        });
    };
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = flags.bind_address.to_string();
    if !flags.bind_address.is_unspecified() && !names.contains(&own) {
        names.push(own);
    }
    Ok(CertificateSource::Directory { directory, names })
}

fn min_version(text: &str) -> Result<MinVersion, UsageError> {
    match text {
        "" | "VersionTLS12" => Ok(MinVersion::Tls12),
        "VersionTLS13" => Ok(MinVersion::Tls13),
        "VersionTLS10" | "VersionTLS11" => Err(UsageError::unsupported(
            MIN_VERSION,
            "TLS 1.0 and 1.1 are broken (RFC 8996) and not served; use VersionTLS12",
        )),
        _ => Err(UsageError::unsupported(
            MIN_VERSION,
            format!("unknown version {text:?}, expected VersionTLS12 or VersionTLS13"),
        )),
    }
}

/// Go's names of suites that can be served, with those of TLS 1.3, which need no choice.
const SUITES: [(&str, Option<CipherSuite>); 11] = [
    ("TLS_AES_128_GCM_SHA256", None),
    ("TLS_AES_256_GCM_SHA384", None),
    ("TLS_CHACHA20_POLY1305_SHA256", None),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
];

/// Suites that Go knows and rustls does not have: CBC, RC4 and 3DES, or keys sent by RSA.
const WEAK_SUITES: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// The suites for TLS 1.2. Weak ones are left out with a notice, for prometheus-adapter's own
/// manifests name them; a list of nothing else is refused.
fn cipher_suites(
    flags: &ServingFlags,
    notices: &mut Vec<String>,
) -> Result<Option<Vec<CipherSuite>>, UsageError> {
    let names = value::flatten(flags.tls_cipher_suites.clone());
    if names.is_empty() {
        return Ok(None);
    }
    let (mut suites, mut weak, mut known) = (Vec::new(), Vec::new(), false);
    for name in &names {
        if let Some((_, suite)) = SUITES.iter().find(|(own, _)| own == name) {
            known = true;
            suites.extend(suite);
        } else if WEAK_SUITES.contains(&name.as_str()) {
            weak.push(name.as_str());
        } else {
            let reason = format!("unknown cipher suite {name:?}");
            return Err(UsageError::unsupported(CIPHER_SUITES, reason));
        }
    }
    if !known {
        return Err(UsageError::unsupported(
            CIPHER_SUITES,
            "none of these can be served: CBC, RC4, 3DES and RSA key exchange are not implemented",
        ));
    }
    if !weak.is_empty() {
        notices.push(format!(
            "{CIPHER_SUITES}: weak suites are not implemented and left out: {}",
            weak.join(", ")
        ));
    }
    Ok(Some(suites))
}
