use std::io;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};

use super::*;
use crate::serving::tests::support::{AnyServer, mk_serving_pair_for};

/// What both sides agreed on.
#[derive(Debug, PartialEq, Eq)]
struct Agreed {
    version: ProtocolVersion,
    suite: CipherSuite,
    protocol: Option<Vec<u8>>,
}

/// A handshake in memory of a client that speaks `versions` and prefers HTTP/2.
fn negotiate(
    options: &TlsOptions,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Agreed, Error> {
    let (certificate, key) = mk_serving_pair_for("127.0.0.1");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let pair = CertifiedKey::from_der(vec![certificate], key, &provider()).unwrap();
    let config = server_config(Arc::new(SingleCertAndKey::from(pair)), options).unwrap();
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();

    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();

    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut io::Cursor::new(wire)).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut io::Cursor::new(wire)).unwrap();
        client.process_new_packets()?;
    }
    Ok(Agreed {
        version: server.protocol_version().unwrap(),
        suite: server.negotiated_cipher_suite().unwrap().suite(),
        protocol: server.alpn_protocol().map(<[u8]>::to_vec),
    })
}

const TLS12_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[test]
fn both_versions_and_http2_by_default() {
    let agreed = negotiate(&TlsOptions::default(), TLS13_AND_TLS12).unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
    assert_eq!(agreed.protocol, Some(ALPN_H2.to_vec()));
    let agreed = negotiate(&TlsOptions::default(), TLS12_ONLY).unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_2);
}

#[test]
fn http2_can_be_turned_off() {
    let options = TlsOptions {
        protocols: Protocols::Http1,
        ..TlsOptions::default()
    };
    let agreed = negotiate(&options, TLS13_ONLY).unwrap();
    assert_eq!(agreed.protocol, Some(ALPN_HTTP1.to_vec()));
}

#[test]
fn tls_12_can_be_turned_off() {
    let by_version = TlsOptions {
        min_version: MinVersion::Tls13,
        ..TlsOptions::default()
    };
    let by_suites = TlsOptions {
        cipher_suites: Some(Vec::new()),
        ..TlsOptions::default()
    };
    for options in [by_version, by_suites] {
        assert!(negotiate(&options, TLS12_ONLY).is_err(), "{options:?}");
        assert!(negotiate(&options, TLS13_ONLY).is_ok(), "{options:?}");
    }
}

#[test]
fn suites_can_be_chosen_for_tls_12_only() {
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    let options = TlsOptions {
        cipher_suites: Some(vec![suite]),
        ..TlsOptions::default()
    };
    assert_eq!(negotiate(&options, TLS12_ONLY).unwrap().suite, suite);
    assert!(negotiate(&options, TLS13_ONLY).is_ok());
}
