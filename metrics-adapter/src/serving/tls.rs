//! The TLS configuration: certificate by resolver, any client certificate if its key is there.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::server::ResolvesServerCert;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, Error, ProtocolVersion, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// What the HTTPS front accepts in a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The oldest protocol version.
    pub min_version: MinVersion,
    /// Cipher suites for TLS 1.2; `None` for all there are, an empty list for no TLS 1.2. Those of
    /// TLS 1.3 are all served, always, as in Go.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub protocols: Protocols,
}

/// The oldest version of TLS that is accepted; the default is k8s.io/apiserver's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The versions of HTTP that are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1.
    #[default]
    Http2AndHttp1,
    /// HTTP/1.1 only; `--disable-http2`.
    Http1,
}

/// The provider of every TLS connection here, whatever the process' default may be.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A TLS configuration that serves what `certificate` resolves to.
///
/// Client certificates are optional, and of any issuer: the handshake proves that the peer has
/// the key, nothing more. (The certificate authorities change at run time, and a certificate of
/// an unknown one has to be answered with 401, not with a broken handshake.) The list of
/// acceptable authorities is left empty, which asks clients to send what they have: a list
/// would be out of date for the length of a rotation.
///
/// # Errors
/// If the cryptography provider offers no usable cipher suite.
pub fn server_config(
    certificate: Arc<dyn ResolvesServerCert>,
    options: &TlsOptions,
) -> Result<ServerConfig, Error> {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(chosen) = &options.cipher_suites {
        provider.cipher_suites.retain(|suite| {
            suite.version().version == ProtocolVersion::TLSv1_3 || chosen.contains(&suite.suite())
        });
    }
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(options.versions())?
        .with_client_cert_verifier(Arc::new(ProofOfPossession { algorithms }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = match options.protocols {
        Protocols::Http2AndHttp1 => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
        Protocols::Http1 => vec![ALPN_HTTP1.to_vec()],
    };
    Ok(config)
}

const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
const TLS13_AND_TLS12: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

impl TlsOptions {
    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        let without_tls12 = self.cipher_suites.as_ref().is_some_and(Vec::is_empty);
        if self.min_version == MinVersion::Tls13 || without_tls12 {
            TLS13_ONLY
        } else {
            TLS13_AND_TLS12
        }
    }
}

/// ALPN name of HTTP/2.
pub(super) const ALPN_H2: &[u8] = b"h2";
/// ALPN name of HTTP/1.1.
pub(super) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Accepts every certificate whose private key signed the handshake.
#[derive(Debug)]
struct ProofOfPossession {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ProofOfPossession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Trust is decided per request, against the authorities of that moment.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
