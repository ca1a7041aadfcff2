//! The life of the role: Redis first, then requests; at the end the last requests, then Redis.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::http::Options;
use telemetry::listener::{Drained, Limits, Listener};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Requests;
use super::cli::Config;
use super::http::{Service, router};
use super::metric::Metrics;
use super::redis::{self, Keeper, Redis, Unreachable};

/// What the last requests may take at the end.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Connections at once; others wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4_096;

/// The role, ready to run.
#[derive(Debug)]
pub struct Role {
    service: Arc<Service<Redis>>,
    keeper: Keeper,
    header_timeout: Duration,
}

impl Role {
    /// Registers what is measured and what readiness depends on; `address` is the listener's.
    ///
    /// # Errors
    ///
    /// If Redis' address is none.
    pub fn new(
        config: Config,
        address: SocketAddr,
        registry: &mut Registry,
        readiness: &Health,
    ) -> Result<Self, ::redis::RedisError> {
        let (counter, keeper) = redis::open(config.redis)?;
        let requests = Arc::new(Requests::new(counter));
        let link = keeper.link();
        let metrics = Metrics::register(registry, Arc::clone(&requests), link.clone());
        readiness.check("redis", move || link.is_up());
        let service = Arc::new(Service {
            requests,
            instance: format!("{}:{}", config.host, address.port()),
            metrics,
            tasks: TaskTracker::new(),
        });
        Ok(Self {
            service,
            keeper,
            header_timeout: config.header_timeout,
        })
    }

    /// Serves until `stop`, then lets the requests under way finish, for `limit` at most, and for
    /// [`SHUTDOWN_LIMIT`] at most.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] if Redis does not answer at the start.
    pub async fn run(
        mut self,
        listener: Listener,
        limit: Duration,
        stop: CancellationToken,
    ) -> Result<Drained, Unreachable> {
        tokio::select! {
            started = self.keeper.start() => started?,
            () = stop.cancelled() => return Ok(Drained::default()),
        }
        let limit = limit.min(SHUTDOWN_LIMIT);
        let options = Options {
            limits: Limits {
                connections: MAX_CONNECTIONS,
                drain: limit,
            },
            header_timeout: self.header_timeout,
        };
        let tasks = self.service.tasks.clone();
        let serving = async {
            let router = router(self.service);
            let served = telemetry::http::serve(listener, router, options, stop.clone());
            let stopped = async {
                stop.cancelled().await;
                Instant::now()
            };
            let (drained, stopped) = tokio::join!(served, stopped);
            // Those whose callers have left; each ends within Redis' timeout, which may be long.
            tasks.close();
            if timeout_at(stopped + limit, tasks.wait()).await.is_err() {
                let count = tasks.len();
                tracing::warn!(count, "requests whose callers have left are given up");
            }
            drained
        };
        tokio::select! {
            drained = serving => Ok(drained),
            never = self.keeper.keep() => match never {},
        }
    }
}
