//! The service `Operations`: admission, work, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::operations_server::Operations;
use proto::{DoRequest, DoResponse};
use tonic::{Code, Request, Response, Status};

use crate::deadline;
use crate::metric::Metrics;
use crate::pool::{Pool, Worker};
use crate::work::{MAX_PRIME_LIMIT, Work, count_primes};

/// Implements `Operations` over one pool.
#[derive(Clone, Debug)]
pub struct Service {
    /// Who answers.
    pub pod: String,
    /// What an operation does.
    pub work: Work,
    /// How long an operation takes with [`Work::Delay`].
    pub service_time: Duration,
    /// Who may work.
    pub pool: Pool,
    /// What is measured.
    pub metrics: Metrics,
}

/// Tells a computation that nobody waits for its result any more.
struct StopOnDrop(Arc<AtomicBool>);

#[tonic::async_trait]
impl Operations for Service {
    async fn r#do(&self, request: Request<DoRequest>) -> Result<Response<DoResponse>, Status> {
        let call = self.metrics.call();
        let operation = self.operation(request.get_ref());
        let result = match deadline::of(request.metadata()) {
            Some(limit) => tokio::time::timeout(limit, operation)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("the call's deadline passed"))),
            None => operation.await,
        };
        let elapsed = call.elapsed();
        call.end(result.as_ref().map_or_else(Status::code, |_| Code::Ok));
        let count = result?;
        let service_micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Ok(Response::new(DoResponse {
            pod: self.pod.clone(),
            count,
            service_micros,
        }))
    }
}

impl Service {
    /// One operation, from admission to its result.
    async fn operation(&self, request: &DoRequest) -> Result<u64, Status> {
        if self.work == Work::Primes && request.max_prime > MAX_PRIME_LIMIT {
            let message = format!("max_prime: at most {MAX_PRIME_LIMIT} is computed");
            return Err(Status::invalid_argument(message));
        }
        let admitted = self.pool.admit().await;
        let worker = admitted.map_err(|full| Status::resource_exhausted(full.to_string()))?;
        match self.work {
            Work::Delay => {
                tokio::time::sleep(self.service_time).await;
                Ok(0)
            }
            Work::Primes => compute(worker, request.max_prime).await,
        }
    }
}

/// Counts primes off the threads that serve the network. The worker stays busy until the
/// computation ends, even if the caller leaves: the CPU is busy that long.
async fn compute(worker: Worker, max_prime: u64) -> Result<u64, Status> {
    let stop = Arc::new(AtomicBool::new(false));
    let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
    let computation = move || {
        let count = count_primes(max_prime, &stop);
        drop(worker);
        count
    };
    match tokio::task::spawn_blocking(computation).await {
        Ok(Some(count)) => Ok(count),
        Ok(None) => Err(Status::cancelled("the computation was stopped")),
        Err(error) => {
            tracing::error!(%error, "counting primes failed");
            Err(Status::internal("the computation failed"))
        }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
