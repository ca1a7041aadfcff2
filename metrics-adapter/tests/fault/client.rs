//! Callers of the adapter: over TLS and HTTP/2, with the front proxy's certificate, as
//! kube-apiserver's aggregator calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::Identity;

type Sender = http2::SendRequest<Full<Bytes>>;
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whom the request is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum As {
    /// The front proxy names this user and group.
    User(&'static str, &'static str),
    /// Nobody is named; this token is sent.
    Token(&'static str),
}

/// The aggregator's own health check.
pub(crate) const MASTER: As = As::User("system:aggregator", "system:masters");
/// The HPA controller, which is to be reviewed.
pub(crate) const HPA: As = As::User("system:controller:hpa", "system:authenticated");
/// Somebody who may nothing.
pub(crate) const STRANGER: As = As::User("stranger", "system:authenticated");

/// A client with one connection, made anew when it is closed.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    sender: Mutex<Option<Sender>>,
}

impl Client {
    /// Trusts the server by `authorities`.
    pub(crate) fn new(
        address: SocketAddr,
        authorities: &[CertificateDer<'static>],
        identity: Option<&Identity>,
    ) -> Self {
        Self {
            address,
            tls: Arc::new(config(authorities, identity, b"h2")),
            sender: Mutex::new(None),
        }
    }

    /// Status and body.
    pub(crate) async fn get(&self, path: &str, who: As) -> Result<(u16, String), Failure> {
        let mut sender = self.connection().await?;
        match send(&mut sender, path, who).await {
            Ok(answer) => Ok(answer),
            // As Go does with a connection that was closed while it was about to be used.
            Err(error) if sender.is_closed() => {
                let mut again = self.connection().await.map_err(|_| error)?;
                send(&mut again, path, who).await
            }
            Err(error) => Err(error),
        }
    }

    /// Likewise, on a connection of its own; also the certificate that was served.
    pub(crate) async fn fresh(
        &self,
        path: &str,
        who: As,
    ) -> Result<(u16, String, Vec<u8>), Failure> {
        let (mut sender, certificate) = self.connect().await?;
        let (status, body) = send(&mut sender, path, who).await?;
        Ok((status, body, certificate))
    }

    async fn connection(&self) -> Result<Sender, Failure> {
        let open = self.sender.lock().unwrap().clone();
        if let Some(sender) = open.filter(|sender| !sender.is_closed()) {
            return Ok(sender);
        }
        let (sender, _) = self.connect().await?;
        *self.sender.lock().unwrap() = Some(sender.clone());
        Ok(sender)
    }

    pub(crate) async fn connect(&self) -> Result<(Sender, Vec<u8>), Failure> {
        let stream = handshake(self.address, Arc::clone(&self.tls)).await?;
        let served = stream.get_ref().1.peer_certificates();
        let certificate = served.map_or_else(Vec::new, |chain| chain[0].to_vec());
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok((sender, certificate))
    }
}

/// A TLS client for `protocol`.
pub(crate) fn config(
    authorities: &[CertificateDer<'static>],
    identity: Option<&Identity>,
    protocol: &[u8],
) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    // What was true at the last handshake is not what these tests ask about.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

pub(crate) async fn handshake(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(tls).connect(name, socket).await
}

pub(crate) fn request(path: &str, who: As) -> Request<Full<Bytes>> {
    let request = Request::get(format!("https://127.0.0.1{path}"));
    let request = match who {
        As::User(name, group) => request
            .header("x-remote-user", name)
            .header("x-remote-group", group),
        As::Token(token) => request.header("authorization", format!("Bearer {token}")),
    };
    request.body(Full::default()).unwrap()
}

async fn send(sender: &mut Sender, path: &str, who: As) -> Result<(u16, String), Failure> {
    sender.ready().await?;
    let response = sender.send_request(request(path, who)).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}
