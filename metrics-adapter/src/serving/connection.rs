//! One connection, from the accepted socket to its last answer.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use hyper::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _};

use super::activity::Activity;
use super::answer::AnswerBody;
use super::cork::Corked;
use super::guard::{GuardedBody, guard, tell_panic};
use super::metrics::{HandshakeFailure, HandshakeLabels};
use super::newcomer::Newcomer;
use super::room::Room;
use super::{Metrics, Options, tls};

/// Request extension: the certificates that the peer sent, its own first. The peer has the
/// private key; whether the issuer is to be trusted is not known. Absent when none were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// Request extension: how the connection stands when some have to give way. Absent where there is no
/// connection, in tests.
#[derive(Clone, Debug)]
pub struct Standing(Activity);

impl Standing {
    /// The caller is known: strangers give way before this connection from now on, whatever its later
    /// requests are.
    pub fn authenticated(&self) {
        self.0.authenticated();
    }
}

/// What all connections of one listener share.
#[derive(Clone)]
pub(super) struct Front<S> {
    pub(super) service: S,
    pub(super) acceptor: TlsAcceptor,
    pub(super) http1: Builder<StreamExecutor>,
    pub(super) http2: Builder<StreamExecutor>,
    pub(super) room: Room,
    pub(super) options: Arc<Options>,
    pub(super) metrics: Arc<Metrics>,
    /// Cancelled when connections are to finish what they have and go.
    pub(super) drain: CancellationToken,
}

/// Runs HTTP/2 streams: at once, as far as they go without waiting, and from there on as tasks on a
/// tracker, so that draining can wait for them.
///
/// Most answers come out of memory and are ready at once. They need no task, no other thread to
/// be woken for them, and those to requests that came together leave together.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    tracker: TaskTracker,
    metrics: Arc<Metrics>,
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut stream = Box::pin(tell_panic(future, Arc::clone(&self.metrics)));
        // Whoever waits is polled again, by its task, and says then whom to wake.
        let mut context = Context::from_waker(Waker::noop());
        if stream.as_mut().poll(&mut context).is_pending() {
            drop(self.tracker.spawn(stream));
        }
    }
}

/// Time that a connection which has to give way gets to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);
/// Likewise, while somebody who is known still reads an answer: as long as a handler gets.
const LONG_GOODBYE: Duration = Duration::from_secs(10);

/// Headers of a request over HTTP/1.1, where hyper's own limit is 100 and a front proxy repeats
/// a header for each of the user's groups. Reading a head takes 64 bytes for each of these.
const MAX_HEADERS: usize = 1024;

/// Connection settings for HTTP/1.1 and HTTP/2. They are two builders, chosen by ALPN, because
/// the automatic choice waits for the first bytes without any timeout.
pub(super) fn builders(
    options: &Options,
    tracker: TaskTracker,
    metrics: Arc<Metrics>,
) -> (Builder<StreamExecutor>, Builder<StreamExecutor>) {
    let mut builder = Builder::new(StreamExecutor { tracker, metrics });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_read_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(options.max_header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_concurrent_streams)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX))
        // Streams that a client opens and resets at once (CVE-2023-44487) end the connection
        // with GOAWAY beyond these numbers; they are h2's own, pinned here.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        // Requests carry no body worth buffering.
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(256 * 1024)
        .keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout);
    (builder.clone().http1_only(), builder.http2_only())
}

impl<S, B> Front<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Serves `socket` to its end. Errors of one peer are no errors of ours: they are counted
    /// and logged at debug level.
    pub(super) async fn serve(
        self,
        socket: TcpStream,
        peer: SocketAddr,
        (newcomer, displaced): (Newcomer, CancellationToken),
    ) {
        // Answers are small and wait for nothing: do not let Nagle's algorithm hold them back.
        let _ = socket.set_nodelay(true);
        let deadline = tokio::time::Instant::now() + self.options.handshake_timeout;
        let mut first_byte = [0];
        tokio::select! {
            // What is wrong with the socket shows in the handshake. (`readable` may be wrong.)
            _ = tokio::time::timeout_at(deadline, socket.peek(&mut first_byte)) => {}
            // Nothing was asked yet, so nothing is lost.
            () = self.drain.cancelled() => return,
            () = displaced.cancelled() => return self.displaced(peer),
        }
        drop(newcomer);
        let (newcomer, displaced) = self.room.new.add().await;
        // On the heap, for silent connections are to be small.
        let handshake = Box::pin(self.acceptor.accept(socket));
        let stream = tokio::select! {
            result = tokio::time::timeout_at(deadline, handshake) => match result {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    self.count(HandshakeFailure::Protocol);
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                    return;
                }
                Err(_elapsed) => {
                    self.count(HandshakeFailure::Timeout);
                    tracing::debug!(%peer, "TLS handshake took too long");
                    return;
                }
            },
            () = self.drain.cancelled() => return,
            () = displaced.cancelled() => return self.displaced(peer),
        };
        // Of those who have asked nobody is displaced any more.
        let serving = Box::pin(self.serve_http(stream, peer, newcomer));
        displaced.run_until_cancelled(serving).await;
    }

    fn displaced(&self, peer: SocketAddr) {
        self.count(HandshakeFailure::Displaced);
        tracing::debug!(%peer, "closing a silent connection for newer ones");
    }

    fn count(&self, reason: HandshakeFailure) {
        self.metrics
            .handshake_failures
            .get_or_create(&HandshakeLabels { reason })
            .inc();
    }

    async fn serve_http(self, stream: TlsStream<TcpStream>, peer: SocketAddr, newcomer: Newcomer) {
        let session = stream.get_ref().1;
        let builder = match session.alpn_protocol() {
            Some(tls::ALPN_H2) => &self.http2,
            _ => &self.http1,
        };
        let certificates = session
            .peer_certificates()
            .filter(|chain| !chain.is_empty())
            .map(|chain| PeerCertificates(chain.to_vec().into()));
        let displaced = CancellationToken::new();
        let activity = Activity::new(self.room.idle.clone(), displaced.clone());
        let handler = Handler {
            service: self.service.clone(),
            request_timeout: self.options.request_timeout,
            metrics: Arc::clone(&self.metrics),
            activity: activity.clone(),
            newcomer: Mutex::new(Some(newcomer)),
            room: self.room.clone(),
            certificates,
        };
        let service = hyper::service::service_fn(move |request| handler.answer(request));
        let corked = Corked::new(stream);
        let io = TokioIo::new(corked.clone());
        let mut connection = pin!(builder.serve_connection(io, service));
        let (mut draining, mut leaving) = (false, None);
        loop {
            let deadline =
                activity.deadline(self.options.header_read_timeout, self.options.idle_timeout);
            // Requests come and go without this loop's help: look again after the shorter time.
            let again = tokio::time::Instant::now()
                + self
                    .options
                    .header_read_timeout
                    .min(self.options.idle_timeout);
            let wake = if leaving.is_some() {
                tokio::time::Instant::now() + GOODBYE
            } else {
                deadline.map_or(again, |deadline| deadline.min(again))
            };
            tokio::select! {
                result = poll_fn(|context| corked.around(connection.as_mut(), context)) => {
                    if let Err(error) = result {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = self.drain.cancelled(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = displaced.cancelled(), if leaving.is_none() => {
                    leaving = Some(tokio::time::Instant::now() + LONG_GOODBYE);
                    self.metrics.displaced.inc();
                    tracing::debug!(%peer, "closing an idle connection for newer ones");
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(wake), if leaving.is_some() => {
                    let too_long = leaving.is_some_and(|end| end <= tokio::time::Instant::now());
                    // A request that came meanwhile gets its answer.
                    if activity.is_idle() && (too_long || !activity.is_sending()) {
                        return;
                    }
                }
                () = tokio::time::sleep_until(wake), if !draining && leaving.is_none() => {
                    let now = tokio::time::Instant::now();
                    let idle = activity
                        .deadline(self.options.header_read_timeout, self.options.idle_timeout)
                        .is_some_and(|deadline| deadline <= now);
                    if idle {
                        tracing::debug!(%peer, "closing an idle connection");
                        // A peer that does not even finish a goodbye is cut off.
                        connection.as_mut().graceful_shutdown();
                        let limit = self.options.header_read_timeout;
                        let goodbye = poll_fn(|context| corked.around(connection.as_mut(), context));
                        let _ = tokio::time::timeout(limit, goodbye).await;
                        return;
                    }
                }
            }
        }
    }
}

/// What the requests of one connection need.
struct Handler<S> {
    service: S,
    request_timeout: Duration,
    metrics: Arc<Metrics>,
    activity: Activity,
    /// Until the first request.
    newcomer: Mutex<Option<Newcomer>>,
    room: Room,
    certificates: Option<PeerCertificates>,
}

impl<S, B> Handler<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    /// One request; the returned future owns all it needs, for HTTP/2 runs it as a task.
    fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<AnswerBody<GuardedBody<B>>>, Infallible>> + Send + use<S, B>
    {
        let newcomer = self
            .newcomer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if newcomer.is_some() {
            self.room.asked();
        }
        let standing = Standing(self.activity.clone());
        request.extensions_mut().insert(standing);
        if let Some(certificates) = self.certificates.clone() {
            request.extensions_mut().insert(certificates);
        }
        let in_flight = self.activity.start();
        // The call itself happens inside the guard, with the first poll: it may panic as well.
        let handler = self.service.clone().oneshot(request);
        let metrics = Arc::clone(&self.metrics);
        guard(handler, self.request_timeout, metrics).map(move |response| {
            let sending = in_flight.end();
            Ok(response.map(|body| AnswerBody::new(body, sending)))
        })
    }
}
