//! What `make bench` holds the adapter against: the adapter's own TLS, answering fixed bytes.
//!
//! With `--bare` a minimal axum server serves the connections, without the adapter's limits and
//! watching: what a server of this kind can reach.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use bytes::Bytes;
use clap::Parser;
use http::{Response, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use metrics_adapter::serving::{
    self, Bound, CertificateSource, Metrics, Options, PortSharing, ServingCertificate, TlsOptions,
};
use rustls::ServerConfig;
use telemetry::shutdown::Signals;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Parser)]
struct Arguments {
    /// Address to serve HTTPS on
    #[arg(long)]
    address: SocketAddr,
    /// Serving certificate
    #[arg(long)]
    certificate: PathBuf,
    /// Its key
    #[arg(long)]
    key: PathBuf,
    /// File with the bytes of every answer
    #[arg(long)]
    body: PathBuf,
    /// Their media type
    #[arg(long)]
    content_type: String,
    /// Serve with axum alone
    #[arg(long)]
    bare: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut signals = Signals::install().context("cannot catch signals")?;
    let body = std::fs::read(&arguments.body).context("--body")?;
    let source = CertificateSource::Files {
        certificate: arguments.certificate,
        key: arguments.key,
    };
    let certificate = ServingCertificate::load(source, Metrics::default()).await?;
    let tls = serving::server_config(certificate, &TlsOptions::default())?;
    let answer = Answer {
        body: body.into(),
        content_type: arguments.content_type.parse().context("--content-type")?,
    };
    let stop = CancellationToken::new();
    let serving = async {
        if arguments.bare {
            bare(arguments.address, tls, answer).await
        } else {
            let service = tower::service_fn(move |_request| std::future::ready(answer.response()));
            let bound = Bound::bind(arguments.address, PortSharing::Exclusive)?;
            let (options, metrics) = (Options::default(), Metrics::default());
            bound.serve(tls, service, options, metrics, stop).await;
            Ok(())
        }
    };
    tokio::select! {
        ended = serving => ended,
        _signal = signals.recv() => Ok(()),
    }
}

#[derive(Clone)]
struct Answer {
    body: Bytes,
    content_type: header::HeaderValue,
}

impl Answer {
    fn response(&self) -> Result<Response<Full<Bytes>>, Infallible> {
        let mut response = Response::new(Full::new(self.body.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        Ok(response)
    }
}

async fn bare(address: SocketAddr, tls: ServerConfig, answer: Answer) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let headers = [(header::CONTENT_TYPE, answer.content_type)];
    let router = Router::new().fallback(move || async move { (headers, answer.body) });
    let mut connections = JoinSet::new();
    loop {
        let (socket, _peer) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let (acceptor, router) = (acceptor.clone(), router.clone());
        connections.spawn(async move {
            let _ = socket.set_nodelay(true);
            // A connection that fails is its peer's loss; the load generator says what it lacks.
            if let Ok(stream) = acceptor.accept(socket).await {
                let service = TowerToHyperService::new(router);
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        });
    }
}
