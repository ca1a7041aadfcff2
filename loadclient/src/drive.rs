//! The run itself: one request after the other, as the plan says.
//!
//! Law: one request in flight, never two; a request that was started is finished and recorded,
//! also when the run is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use proto::DoRequest;
use proto::operations_client::OperationsClient;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use crate::connection::SendError;
use crate::endpoint::Endpoints;
use crate::plan::Plan;
use crate::record::{Record, Summary};

/// When a run ends by itself; neither means never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// After this many requests.
    pub count: Option<u64>,
    /// After this long.
    pub duration: Option<Duration>,
}

/// What every request of a run has in common.
#[derive(Clone, Debug)]
pub struct Template {
    /// The target, for the `:authority` of requests.
    pub origin: http::Uri,
    /// Who asks.
    pub client_id: String,
    /// What is asked.
    pub max_prime: u64,
    /// How long an answer may take, waiting for a connection included.
    pub limit: Duration,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    /// When requests are due.
    pub plan: Plan,
    /// When it ends.
    pub bounds: Bounds,
    /// What is sent.
    pub template: Template,
    /// Where to.
    pub endpoints: Endpoints,
    /// The addresses, from the resolver.
    pub addresses: watch::Receiver<Vec<SocketAddr>>,
    /// What is measured.
    pub record: Record,
}

impl Run {
    /// Makes requests until a bound is reached or `stop`.
    pub async fn drive(mut self, stop: &CancellationToken) -> Summary {
        let start = Instant::now();
        let end = async |bounds: Bounds| match bounds.duration {
            Some(duration) => sleep_until(start + duration).await,
            None => std::future::pending().await,
        };
        let mut sequence = 0;
        while self.bounds.count.is_none_or(|count| sequence < count) {
            let slot = self.plan.next(start.elapsed());
            self.record.missed(slot.missed);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = end(self.bounds) => break,
                () = sleep_until(start + slot.at) => {}
            }
            if self.addresses.has_changed().unwrap_or(false) {
                let addresses = self.addresses.borrow_and_update().clone();
                self.endpoints.update(&addresses);
            }
            if self.endpoints.is_empty() {
                // The name does not resolve yet; the next slot looks again.
                if self.plan.has_slots() {
                    self.record.missed(1);
                    continue;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = end(self.bounds) => break,
                    Ok(()) = self.addresses.changed() => self.addresses.mark_changed(),
                }
                continue;
            }
            sequence += 1;
            self.request(sequence).await;
        }
        self.record.summary(start.elapsed())
    }

    /// One request, recorded.
    async fn request(&mut self, sequence: u64) {
        let start = Instant::now();
        let limit = self.template.limit;
        let result = match timeout(limit, self.attempts(sequence)).await {
            Ok(result) => result,
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        };
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        if let Err(status) = result {
            let message = status.message();
            tracing::debug!(
                sequence,
                code = proto::code_name(code),
                message,
                "request failed"
            );
        }
        self.record.request(start.elapsed(), code);
    }

    /// Sends the request, and once more if the server cannot have processed it (it was going
    /// away); the rotation has moved on, so that is another address if there is one.
    async fn attempts(&mut self, sequence: u64) -> Result<(), Status> {
        match self.attempt(sequence).await {
            Err(Failure {
                unprocessed: true, ..
            }) => {
                self.record.retried();
                self.attempt(sequence)
                    .await
                    .map_err(|failure| failure.status)
            }
            result => result.map_err(|failure| failure.status),
        }
    }

    async fn attempt(&mut self, sequence: u64) -> Result<(), Failure> {
        let connection = match self.endpoints.pick().await {
            Ok(connection) => connection,
            Err(unreachable) => {
                // Nothing was sent, but there is nobody else to send it to.
                let status = Status::unavailable(unreachable.to_string());
                return Err(Failure {
                    unprocessed: false,
                    status,
                });
            }
        };
        let Template {
            origin,
            client_id,
            max_prime,
            limit,
        } = &self.template;
        let message = DoRequest {
            max_prime: *max_prime,
            client_id: client_id.clone(),
            sequence,
        };
        let mut request = Request::new(message);
        request.set_timeout(*limit);
        let mut client = OperationsClient::with_origin(connection, origin.clone());
        client.r#do(request).await.map(drop).map_err(Failure::new)
    }
}

/// Why an attempt failed.
#[derive(Debug)]
struct Failure {
    /// Whether it is certain that the server did not process it.
    unprocessed: bool,
    status: Status,
}

impl Failure {
    fn new(status: Status) -> Self {
        let source = std::error::Error::source(&status);
        match source.and_then(|source| source.downcast_ref::<SendError>()) {
            // The connection's fault, whatever the mapping of its error to a code makes of it.
            Some(error) => Self {
                unprocessed: error.unprocessed,
                status: Status::unavailable(status.message()),
            },
            None => Self {
                unprocessed: false,
                status,
            },
        }
    }
}
