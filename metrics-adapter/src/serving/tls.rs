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
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// TLS 1.2 and 1.3, as k8s.io/apiserver's default `--tls-min-version`.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The provider of every TLS connection here, whatever the process' default may be.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A TLS configuration that serves what `certificate` resolves to, over HTTP/2 and HTTP/1.1.
///
/// Client certificates are optional, and of any issuer: the handshake proves that the peer has
/// the key, nothing more. (The certificate authorities change at run time, and a certificate of
/// an unknown one has to be answered with 401, not with a broken handshake.) The list of
/// acceptable authorities is left empty, which asks clients to send what they have: a list
/// would be out of date for the length of a rotation.
///
/// # Errors
/// If the cryptography provider offers no usable cipher suite.
pub fn server_config(certificate: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, Error> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(Arc::new(ProofOfPossession { algorithms }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok(config)
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
