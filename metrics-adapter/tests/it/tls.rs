//! Callers over TLS, who send what a test wants and nothing else. The unit tests use them as well.

#![allow(dead_code, reason = "nobody needs all of it")]
#![allow(
    clippy::disallowed_methods,
    reason = "connections end with the test's runtime"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::Identity;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// How to call.
#[derive(Clone, Copy)]
pub(crate) struct Dial<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) identity: Option<&'a Identity>,
    /// Who may vouch for the server; nobody need, if empty.
    pub(crate) authorities: &'a [CertificateDer<'static>],
}

impl Dial<'_> {
    pub(crate) async fn handshake(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if self.authorities.is_empty() {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer))
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(self.authorities.iter().cloned());
            builder.with_root_certificates(roots)
        };
        let mut config = match self.identity {
            Some(identity) => {
                let key = PrivateKeyDer::Pkcs8(identity.key.serialize_der().into());
                let signer = provider().key_provider.load_private_key(key).unwrap();
                // Unlike `with_client_auth_cert`, this also takes a key that does not fit.
                let key = rustls::sign::CertifiedKey::new(identity.chain.clone(), signer);
                builder
                    .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![match self.protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }

    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(self.client_and_certificate().await?.0)
    }

    /// A connection, and the certificate that was served.
    pub(crate) async fn client_and_certificate(
        &self,
    ) -> Result<(Client, CertificateDer<'static>), Failure> {
        let stream = self.handshake().await?;
        let served = stream.get_ref().1.peer_certificates();
        // rustls knows no server without a certificate.
        let certificate = served.unwrap()[0].clone().into_owned();
        let io = TokioIo::new(stream);
        let client = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Client::Http1(Arc::new(tokio::sync::Mutex::new(sender)))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Client::Http2(sender)
            }
        };
        Ok((client, certificate))
    }
}

/// One connection.
#[derive(Clone)]
pub(crate) enum Client {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        self.send(path, &[]).await
    }

    pub(crate) async fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let (parts, body) = self.begin(path, headers).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: parts.status,
            body: String::from_utf8(body.to_vec())?,
        })
    }

    /// Up to the answer's head.
    pub(crate) async fn begin(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Failure> {
        let uri = match self {
            Self::Http1(_) => path.to_owned(),
            Self::Http2(_) => format!("https://127.0.0.1{path}"),
        };
        let mut request = Request::get(uri).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default())?;
        Ok(match self {
            Self::Http1(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => sender.send_request(request).await?,
        })
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Who serves is not what these tests are about.
#[derive(Debug)]
pub(crate) struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
