//! The way to kube-apiserver: connections that notice their own death, and limits on every call.
//!
//! Law: every call has a deadline to its last byte, a largest size, a place among so many at once,
//! and a metric.
//! Watches have no place to wait for: there are as many as kinds that rules name.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{ConfigExt as _, retry::RetryPolicy};
use kube::{Client, Config};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tower::retry::RetryLayer;
use tower::util::{MapRequestLayer, option_layer};
use tower::{BoxError, Layer, Service, ServiceBuilder};

use super::Metrics;
use super::metrics::{Answer, Call};
use crate::token::TokenFile;

/// Time to connect, TLS included; kube-apiserver is near or not there.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2500);
/// Time between two pieces of an answer over HTTP/1.1. Longer than a watch of quiet objects is
/// silent.
const READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Time to get a request out.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// After so much silence the other side is asked for a sign of life: by a ping over HTTP/2, by
/// the kernel otherwise.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Without a sign in this time the connection is dead. With the interval it is less than the five
/// seconds in which a watch is to work again; shorter, and a machine that is merely busy would do.
const PING_TIMEOUT: Duration = Duration::from_millis(3500);

/// Deadline of a watch: kube-apiserver ends it long before.
pub(super) const WATCH_DEADLINE: Duration = Duration::from_secs(75);
/// Deadline of a list or document; lists come in pages of 500 objects.
const READ_DEADLINE: Duration = Duration::from_secs(60);
/// Deadline of what is sent for review; whoever asks is less patient.
const REVIEW_DEADLINE: Duration = Duration::from_secs(10);
/// Largest list, document or review, in bytes; a list's page has 500 objects without their specs. A
/// watch may be of any size, one event at a time.
const MAX_BODY: usize = 64 << 20;
/// Lists and documents at once.
const READS: usize = 16;
/// Reviews at once. Whoever asks waits for a place elsewhere.
const REVIEWS: usize = 128;

/// Makes a client of `config`, whose requests carry the token in a file, if there is one.
///
/// kube's own stack speaks HTTP/1.1 only, where nothing tells a quiet watch from one whose
/// connection has died. It is used for what only it can do: proxies, and other server names.
pub(super) fn client(
    config: Config,
    token: Option<TokenFile>,
    metrics: &Metrics,
) -> kube::Result<Client> {
    let config = with_limits(config);
    let calls = Calls::new(metrics.clone());
    let bearer = option_layer(token.map(bearer));
    if config.proxy_url.is_some() || config.tls_server_name.is_some() {
        let builder = kube::client::ClientBuilder::try_from(config)?;
        return Ok(builder.with_layer(&bearer).with_layer(&calls).build());
    }
    let mut tls = config.rustls_client_config()?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PING_INTERVAL));
    tcp.set_keepalive_interval(Some(PING_INTERVAL));
    tcp.set_keepalive_retries(Some(3));
    let mut connector = TimeoutConnector::new(HttpsConnector::from((tcp, tls)));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let http = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector);
    let retry = config.default_retry.then(RetryPolicy::server_retry);
    let service = ServiceBuilder::new()
        .layer(calls)
        .layer(config.base_uri_layer())
        .option_layer(retry.map(RetryLayer::new))
        .option_layer(config.auth_layer()?)
        .layer(bearer)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

/// Puts the token that is in the file now on every request.
fn bearer(
    token: TokenFile,
) -> MapRequestLayer<impl Fn(Request<kube::client::Body>) -> Request<kube::client::Body> + Clone> {
    let token = Arc::new(token);
    MapRequestLayer::new(move |mut request: Request<kube::client::Body>| {
        // There was a good token at the start, so there always is one.
        if let Ok(header) = token.header() {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        request
    })
}

fn with_limits(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    // Without it the time that a pooled connection was idle would count as reading time.
    config.reset_reader_on_write = true;
    let agent = concat!("metrics-adapter/", env!("CARGO_PKG_VERSION"));
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(agent),
    ));
    config
}

/// Limits and counts calls. Clones share the limits.
#[derive(Clone)]
struct Calls {
    reads: Arc<Semaphore>,
    reviews: Arc<Semaphore>,
    metrics: Metrics,
}

impl Calls {
    fn new(metrics: Metrics) -> Self {
        Self {
            reads: Arc::new(Semaphore::new(READS)),
            reviews: Arc::new(Semaphore::new(REVIEWS)),
            metrics,
        }
    }
}

impl<S> Layer<S> for Calls {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            calls: self.clone(),
        }
    }
}

/// A service of which every call is limited and counted.
#[derive(Clone)]
struct Limited<S> {
    inner: S,
    calls: Calls,
}

impl<S, R, B> Service<Request<R>> for Limited<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<LimitedBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let call = call_of(&request);
        let (limit, places) = match call {
            Call::Watch => (WATCH_DEADLINE, None),
            Call::Read => (READ_DEADLINE, Some(Arc::clone(&self.calls.reads))),
            Call::Review => (REVIEW_DEADLINE, Some(Arc::clone(&self.calls.reviews))),
        };
        let metrics = self.calls.metrics.clone();
        let asked = self.inner.call(request);
        Box::pin(async move {
            let start = Instant::now();
            let deadline = Box::pin(tokio::time::sleep(limit));
            let exchange = async {
                let place = match places {
                    // Closed never: the semaphore lives as long as the calls.
                    Some(places) => places.acquire_owned().await.ok(),
                    None => None,
                };
                Ok((asked.await?, place))
            };
            let answer = tokio::time::timeout(limit, exchange).await;
            let took = start.elapsed();
            match answer {
                Ok(Ok((response, place))) => {
                    let status = response.status();
                    let answer = if status.is_success() || status.is_redirection() {
                        Answer::Ok
                    } else {
                        Answer::Refused
                    };
                    metrics.called(call, answer, took);
                    Ok(response.map(|body| LimitedBody {
                        body,
                        deadline,
                        limit,
                        left: (call != Call::Watch).then_some(MAX_BODY),
                        _place: place,
                    }))
                }
                Ok(Err(error)) => {
                    metrics.called(call, Answer::Error, took);
                    Err(S::Error::into(error))
                }
                Err(_elapsed) => {
                    metrics.called(call, Answer::Timeout, took);
                    Err(too_late(limit))
                }
            }
        })
    }
}

fn call_of<R>(request: &Request<R>) -> Call {
    let query = request.uri().query().unwrap_or_default();
    let is_watch = query
        .split('&')
        .any(|part| matches!(part, "watch=true" | "watch=1" | "watch"));
    match *request.method() {
        Method::GET if is_watch => Call::Watch,
        Method::GET => Call::Read,
        _ => Call::Review,
    }
}

fn too_late(limit: Duration) -> BoxError {
    format!("no whole answer within {limit:?}").into()
}

fn too_large() -> BoxError {
    format!("the answer is larger than {MAX_BODY} bytes").into()
}

/// A body with a deadline and an end, which keeps its call's place until its end.
struct LimitedBody<B> {
    body: B,
    deadline: Pin<Box<Sleep>>,
    limit: Duration,
    /// Bytes that may still come; any number if `None`.
    left: Option<usize>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(too_late(self.limit))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if let Some(left) = &mut self.left {
            match left.checked_sub(length) {
                Some(rest) => *left = rest,
                None => return Poll::Ready(Some(Err(too_large()))),
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
