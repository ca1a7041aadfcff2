//! HTTP/2 over TLS with a client certificate, as kube-aggregator calls the adapter and client-go
//! calls kube-apiserver.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsConnector;

use super::error::{Error, Result};

/// A server, and who calls it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// A connection; it ends with this value.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    _driver: JoinSet<()>,
}

/// The sending end; clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Sender(http2::SendRequest<Full<Bytes>>);

impl Endpoint {
    /// A server at an address of loopback, verified by `authority`; `client` names `<client>.crt`
    /// and `<client>.key` in the same directory.
    pub(crate) fn new(
        address: SocketAddr,
        dir: &Path,
        authority: &str,
        client: &str,
    ) -> Result<Self> {
        let read = |name: String| -> Result<Vec<u8>> {
            let file = dir.join(name);
            fs::read(&file).map_err(|cause| crate::Error::file("read", file)(cause).into())
        };
        let bad = |cause: rustls_pki_types::pem::Error| Error::failed(client, cause);
        let chain = |pem: Vec<u8>| -> Result<Vec<CertificateDer<'static>>> {
            CertificateDer::pem_slice_iter(&pem)
                .map(|one| one.map_err(bad))
                .collect()
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(read(format!("{authority}.crt"))?)?);
        let key = PrivateKeyDer::from_pem_slice(&read(format!("{client}.key"))?).map_err(bad)?;
        let mut tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain(read(format!("{client}.crt"))?)?, key)
            .map_err(|cause| Error::failed(client, cause))?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            address,
            tls: Arc::new(tls),
        })
    }

    /// The same caller at another address.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self {
            address,
            tls: Arc::clone(&self.tls),
        }
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let failed = |cause: &dyn std::fmt::Display| {
            Error::failed(format!("cannot connect to {}", self.address), cause)
        };
        let socket = TcpStream::connect(self.address)
            .await
            .map_err(|cause| failed(&cause))?;
        socket.set_nodelay(true).map_err(|cause| failed(&cause))?;
        let name = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, socket)
            .await
            .map_err(|cause| failed(&cause))?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| failed(&cause))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever waits for an answer learns of the error.
            let _ = connection.await;
        });
        Ok(Connection {
            sender: Sender(sender),
            _driver: driver,
        })
    }
}

impl Connection {
    pub(crate) fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Sender {
    /// One request and its whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let failed = |cause: hyper::Error| Error::failed("request", cause);
        self.0.ready().await.map_err(failed)?;
        let response = self.0.send_request(request).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(failed)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// A GET.
    pub(crate) async fn get(&mut self, uri: Uri, headers: HeaderMap) -> Result<Response<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.send(request).await
    }
}

/// An absolute URI, as HTTP/2 needs it.
pub(crate) fn uri(address: SocketAddr, path: &str) -> Result<Uri> {
    format!("https://{address}{path}")
        .parse()
        .map_err(|cause| Error::failed(path, cause))
}
