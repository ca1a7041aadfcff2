//! One request over a connection of its own, and the class of whatever comes of it.
//!
//! A fresh connection each time: a probe is to notice that nobody listens any more, and no request
//! suffers from what an earlier one left behind. Interim answers are skipped, redirects are not
//! followed, bodies are read and forgotten. Each request is a span, whose context the server gets.

use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use telemetry::trace::client::Call;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::attempt::{Attempt, Endpoint, Outcome};
use crate::target::Target;

/// How much of a body is read; what is longer counts as read, so that nobody can keep a probe busy.
const BODY_LIMIT: usize = 1 << 20;

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("{}", chain(.0))]
    Http(hyper::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the request makes no sense: {0}")]
    Request(http::Error),
}

/// Sends one request; the answer must be there within `limit`, connecting included.
pub async fn send(target: &Target, endpoint: Endpoint, limit: Duration) -> Attempt {
    let request = async |call: &Call, code: &mut Option<StatusCode>| {
        let address = (target.host(), target.port());
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(Failure::Connect)?;
        converse(stream, target, endpoint, call, code).await
    };
    measure(target, endpoint, limit, request).await
}

/// As [`send`], over a stream that is there already; for tests.
pub async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
    endpoint: Endpoint,
    limit: Duration,
) -> Attempt {
    let request = async |call: &Call, code: &mut Option<StatusCode>| {
        converse(stream, target, endpoint, call, code).await
    };
    measure(target, endpoint, limit, request).await
}

/// Takes the time of a request, and judges it.
async fn measure(
    target: &Target,
    endpoint: Endpoint,
    limit: Duration,
    request: impl AsyncFnOnce(&Call, &mut Option<StatusCode>) -> Result<(), Failure>,
) -> Attempt {
    let (time, start) = (Timestamp::now(), Instant::now());
    let url = format!("http://{target}{}", endpoint.path());
    let call = Call::start(&endpoint.method(), &url, endpoint.path());
    let trace = call.trace_id();
    let mut code = None;
    let exchange = request(&call, &mut code).instrument(call.span().clone());
    let result = timeout(limit, exchange).await;
    let failure = match result {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Timeout(limit)),
    };
    let (outcome, error) = match (failure, code) {
        (Some(failure), _) => (failure.outcome(), Some(failure.to_string())),
        (None, Some(code)) => (
            Outcome::of(code),
            (!code.is_success()).then(|| format!("HTTP status {code}")),
        ),
        // A request does not succeed without a code; were it so, it would be no answer.
        (None, None) => (Outcome::ProtocolError, Some("no status".to_owned())),
    };
    match code {
        Some(code) if outcome.is_answer() => call.answered(code),
        _ => call.failed(outcome.as_str()),
    }
    Attempt {
        time,
        endpoint,
        duration: start.elapsed(),
        code,
        outcome,
        error,
        trace,
    }
}

/// The request and its answer; `code` is set as soon as it is known.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
    endpoint: Endpoint,
    call: &Call,
    code: &mut Option<StatusCode>,
) -> Result<(), Failure> {
    let mut request = Request::builder()
        .method(endpoint.method())
        .uri(endpoint.path())
        .header(header::HOST, target.to_string())
        .header(header::USER_AGENT, "loadclient-probe")
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::<Bytes>::new())
        .map_err(Failure::Request)?;
    call.inject(request.headers_mut());
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(Failure::Http)?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        *code = Some(answer.status());
        let (mut body, mut length) = (answer.into_body(), 0);
        while length < BODY_LIMIT {
            let Some(frame) = body.frame().await else {
                break;
            };
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(())
    };
    let mut exchange = pin!(exchange);
    tokio::select! {
        biased;
        result = exchange.as_mut() => return result.map_err(Failure::Http),
        // How the connection ended, the exchange is told.
        _ = connection => {}
    }
    exchange.await.map_err(Failure::Http)
}

impl Failure {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Connect(_) => Outcome::TransportError,
            Self::Timeout(_) => Outcome::Timeout,
            Self::Http(error) => class(error),
            Self::Request(_) => Outcome::ProtocolError,
        }
    }
}

/// Whether the connection or what came over it was at fault.
fn class(error: &hyper::Error) -> Outcome {
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        // hyper's own, for chunks that are none.
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Outcome::ProtocolError,
        Some(_) => Outcome::TransportError,
        None if error.is_parse() => Outcome::ProtocolError,
        // The server spoke before it was asked.
        None if error.is_canceled()
            && error
                .source()
                .is_some_and(|cause| cause.is::<hyper::Error>()) =>
        {
            Outcome::ProtocolError
        }
        None => Outcome::TransportError,
    }
}

fn causes(error: &hyper::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source())
}

/// The error and its causes on one line.
fn chain(error: &hyper::Error) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests;
