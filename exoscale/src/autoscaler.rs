//! The loop between requests and the pool: whatever was requested, one step per tick.
//!
//! Law: a request is acknowledged at once and acted on by the loop; nothing but the loop talks to
//! the API. What is still open when the process ends is dropped and said: an alert that goes on
//! asks again.

mod metric;
pub mod routes;
mod state;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

pub use metric::Metrics;
pub use state::{Shared, Status};

use crate::api::{Client, Error, InstancePool, Operation, PoolId};
use crate::scaler::{Answer, Decision, Step, View};

/// Without an interval: pause before a waiting request is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Without an interval: how often the pool is read although nobody asked.
const LOOK: Duration = Duration::from_secs(60);

/// A call under way when the process is told to end has this long.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The pool that is scaled.
pub trait Pool: Send + Sync {
    /// The pool as it is now.
    fn read(&self) -> impl Future<Output = Result<InstancePool, Error>> + Send;
    /// Asks for another size, once.
    fn scale(&self, size: u32) -> impl Future<Output = Result<Operation, Error>> + Send;
}

/// A pool behind the API.
#[derive(Debug)]
pub struct Remote {
    /// The API.
    pub client: Client,
    /// Which pool.
    pub id: PoolId,
}

impl Pool for Remote {
    async fn read(&self) -> Result<InstancePool, Error> {
        self.client.pool(&self.id).await
    }

    async fn scale(&self, size: u32) -> Result<Operation, Error> {
        self.client.scale(&self.id, size).await
    }
}

/// How the loop behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From step to step; zero for at once.
    pub interval: Duration,
    /// Decide, but do not ask the API to scale.
    pub dry_run: bool,
}

/// The loop.
#[derive(Debug)]
pub struct Autoscaler<P> {
    /// What is scaled.
    pub pool: P,
    /// How.
    pub options: Options,
    /// What the routes share with it.
    pub shared: Arc<Shared>,
}

impl<P: Pool> Autoscaler<P> {
    /// Runs until `stop`; a call of the API under way may still finish.
    pub async fn run(self, stop: CancellationToken) {
        let stopped = async {
            stop.cancelled().await;
            sleep(LAST_CALL).await;
        };
        tokio::select! {
            () = self.steps(&stop) => {}
            () = stopped => tracing::warn!("a call of the api was given up at the end"),
        }
        if let Some(direction) = self.shared.scaler().pending() {
            tracing::warn!(direction = direction.name(), "ending with a request open");
        }
    }

    async fn steps(&self, stop: &CancellationToken) {
        let mut tick = (!self.options.interval.is_zero()).then(|| {
            let mut tick = interval(self.options.interval);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            tick
        });
        let mut first = true;
        loop {
            let wake = async {
                match &mut tick {
                    Some(tick) => drop(tick.tick().await),
                    None if first => {}
                    None => self.request_or_pause().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = wake => {}
            }
            first = false;
            self.step().await;
        }
    }

    /// Without an interval: the next request, unless one waits already.
    async fn request_or_pause(&self) {
        let waiting = self.shared.scaler().is_waiting();
        let request = async {
            if waiting {
                pending().await
            } else {
                self.shared.requested().await;
            }
        };
        tokio::select! {
            () = request => {}
            () = sleep(if waiting { RETRY } else { LOOK }) => {}
        }
    }

    /// Reads the pool and takes one step at most.
    async fn step(&self) {
        let pool = match self.pool.read().await {
            Ok(pool) => pool,
            Err(error) => {
                let kept = self.shared.scaler().pending().is_some();
                tracing::warn!(%error, request_kept = kept, "cannot read the instance pool");
                self.shared.unreadable(&error);
                return;
            }
        };
        self.shared.seen(&pool);
        let view = View {
            size: pool.size,
            busy: !pool.state.is_running(),
        };
        let decision = self.shared.scaler().decide(view);
        match decision {
            Decision::Idle => {}
            Decision::Busy => {
                tracing::info!(state = pool.state.name(), "the pool is busy, request kept");
            }
            Decision::AtBound(direction) => {
                tracing::info!(
                    direction = direction.name(),
                    size = pool.size,
                    "at the bound, nothing to do"
                );
                self.shared.acted(direction, "at_bound");
            }
            Decision::Confirmed(step) => {
                tracing::info!(from = step.from, to = step.to, "scaled, seen in the pool");
                self.shared.acted(step.direction, "scaled");
            }
            Decision::Overtaken(step) => {
                tracing::warn!(
                    from = step.from,
                    to = step.to,
                    size = pool.size,
                    "somebody else changed the size, step dropped"
                );
                self.shared.acted(step.direction, "overtaken");
            }
            Decision::Scale(step) => self.scale(step).await,
        }
    }

    async fn scale(&self, step: Step) {
        let Step {
            direction,
            from,
            to,
        } = step;
        if self.options.dry_run {
            tracing::info!(from, to, "would scale (dry run)");
            self.shared.scaler().answered(Answer::Accepted);
            self.shared.acted(direction, "dry_run");
            return;
        }
        let started = Instant::now();
        let result = self.pool.scale(to).await;
        let milliseconds = started.elapsed().as_millis();
        let (answer, outcome) = judge(&result);
        self.shared.scaler().answered(answer);
        match &result {
            Ok(_) if answer == Answer::Accepted => {
                tracing::info!(from, to, milliseconds, "scaling");
            }
            Ok(operation) => {
                let reason = operation.reason.as_str();
                tracing::error!(from, to, reason, "scaling failed");
            }
            Err(error) => tracing::warn!(%error, from, to, outcome, "cannot scale"),
        }
        self.shared.acted(direction, outcome);
    }
}

/// What came of a step, and the word for it.
fn judge(result: &Result<Operation, Error>) -> (Answer, &'static str) {
    match result {
        Ok(operation) if ["failure", "timeout"].contains(&operation.state.as_str()) => {
            (Answer::Refused, "refused")
        }
        Ok(_) => (Answer::Accepted, "scaled"),
        Err(Error::Status {
            status: 409 | 429, ..
        }) => (Answer::Postponed, "postponed"),
        Err(Error::Status {
            status: 400..=499, ..
        }) => (Answer::Refused, "refused"),
        // A broken connection, a gateway's error, an answer that is none: the size may be set.
        Err(_) => (Answer::Unknown, "unknown"),
    }
}

#[cfg(test)]
mod tests;
