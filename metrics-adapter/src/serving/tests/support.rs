//! Certificates, a server and a client for tests with real TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::serving::{
    Bound, CertificateSource, Metrics, Options, PortSharing, ServingCertificate, TlsOptions,
};

#[path = "../../../tests/it/authority.rs"]
mod authority;
#[path = "../../../tests/it/tls.rs"]
mod tls;

pub(crate) use authority::{Ca, Identity};
pub(crate) use tls::{Answer, AnyServer, Client, Dial, Failure, Protocol};

/// The longest that a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it did not happen in time")
}

pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) async fn eventually_async<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A PEM pair for serving on loopback.
pub(crate) fn mk_serving_pair() -> (String, String) {
    mk_serving_pair_for("127.0.0.1")
}

/// A PEM pair for a DNS name or an IP address.
pub(crate) fn mk_serving_pair_for(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A server on loopback with a self-signed certificate of its own.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) token: CancellationToken,
    task: JoinHandle<()>,
    /// Its certificate.
    pub(crate) pem: String,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestServer {
    pub(crate) async fn start<S, B>(service: S, options: Options) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let directory = tempfile::tempdir().unwrap();
        let source = CertificateSource::Directory {
            directory: directory.path().to_owned(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        };
        let metrics = Metrics::default();
        let certificate = ServingCertificate::load(source, metrics.clone())
            .await
            .unwrap();
        let pem = std::fs::read_to_string(directory.path().join("apiserver.crt")).unwrap();
        let tls = crate::serving::server_config(certificate, &TlsOptions::default()).unwrap();
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), PortSharing::Exclusive).unwrap();
        let (address, token) = (bound.address(), CancellationToken::new());
        let serving = bound.serve(tls, service, options, metrics.clone(), token.clone());
        let task = tokio::spawn(serving);
        Self {
            address,
            metrics,
            token,
            task,
            pem,
        }
    }

    pub(crate) fn ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn end(&mut self) {
        (&mut self.task).await.unwrap();
    }

    pub(crate) async fn handshake(
        &self,
        protocol: Protocol,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.dial(protocol, identity).handshake().await
    }

    pub(crate) async fn client(
        &self,
        protocol: Protocol,
        identity: Option<&Identity>,
    ) -> Result<Client, Failure> {
        self.dial(protocol, identity).client().await
    }

    fn dial<'a>(&self, protocol: Protocol, identity: Option<&'a Identity>) -> Dial<'a> {
        Dial {
            address: self.address,
            protocol,
            identity,
            authorities: &[],
        }
    }

    pub(crate) async fn try_get(
        &self,
        protocol: Protocol,
        identity: Option<&Identity>,
        path: &str,
    ) -> Result<Answer, Failure> {
        self.client(protocol, identity).await?.get(path).await
    }

    pub(crate) async fn get(
        &self,
        protocol: Protocol,
        identity: Option<&Identity>,
        path: &str,
    ) -> Answer {
        within(self.try_get(protocol, identity, path))
            .await
            .unwrap()
    }
}
