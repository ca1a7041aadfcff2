//! Wiring and the order of ending: the only place that knows all parts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::shutdown::Signals;
use telemetry::{admin, log};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::Config;
use crate::connection::{Drained, Listener, Serving};
use crate::grpc;
use crate::metric::Metrics;
use crate::pool::Pool;
use crate::service::Service;

/// Both listeners, bound; nothing is served yet.
#[derive(Debug)]
pub struct Bound {
    grpc: Listener,
    admin: admin::Listener,
}

/// How a running server is told to end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Start the orderly end.
    pub drain: CancellationToken,
    /// Do not sit out the drain delay.
    pub hurry: CancellationToken,
}

/// Runs until SIGTERM or SIGINT; a second signal skips the drain delay.
///
/// # Errors
///
/// If a port cannot be had, or calls in flight had to be cut at the end.
pub fn run(config: &Config) -> anyhow::Result<()> {
    log::init(config.log_format, &config.log_filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut signals = Signals::install().context("cannot catch signals")?;
        let bound = Bound::new(config).await?;
        let stop = Stop::default();
        let wait_for_signals = async {
            signals.cancel(&stop.drain).await;
            signals.cancel(&stop.hurry).await;
            std::future::pending().await
        };
        tokio::select! {
            result = bound.serve(config, &stop) => result,
            never = wait_for_signals => never,
        }
    })
}

impl Bound {
    /// Opens the ports.
    ///
    /// # Errors
    ///
    /// Names the flag of the port that cannot be had.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        let grpc = Listener::bind("--grpc-address", config.grpc_address).await?;
        let admin = admin::Listener::bind("--admin-address", config.admin_address).await?;
        tracing::info!(address = %grpc.address(), "listening for gRPC");
        tracing::info!(address = %admin.address(), "listening for operators");
        Ok(Self { grpc, admin })
    }

    /// The gRPC listener's address.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc.address()
    }

    /// The admin listener's address.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves until told to stop, then ends in order: readiness false, drain delay, GOAWAY, last
    /// calls, admin listener.
    ///
    /// # Errors
    ///
    /// If a part died, or calls in flight had to be cut at the end.
    pub async fn serve(self, config: &Config, stop: &Stop) -> anyhow::Result<()> {
        let mut registry = Registry::default();
        let pool = Pool::new(config.pool);
        let metrics = Metrics::register(&mut registry, pool.clone());
        let service = Service {
            pod: config.pod.clone(),
            work: config.work,
            service_time: config.service_time,
            pool,
            metrics: metrics.clone(),
        };
        let (routes, health) = grpc::routes(service).await?;
        let readiness = Health::new();
        let accepting = readiness.condition("accepting");

        let (drain, stop_admin) = (CancellationToken::new(), CancellationToken::new());
        let mut operators = JoinSet::new();
        let router = admin::router(Arc::new(registry), Health::new(), readiness);
        operators.spawn(self.admin.serve(router, stop_admin.clone()));
        let mut calls = JoinSet::new();
        let drain_limit = config.shutdown_timeout;
        let serving = Serving {
            routes,
            policy: config.connection,
            drain_limit,
            metrics,
        };
        // Before the first connection is accepted: nobody who gets through hears NOT_SERVING.
        health.set_serving(true).await;
        calls.spawn(self.grpc.serve(serving, drain.clone()));
        accepting.set(true);

        tokio::select! {
            () = stop.drain.cancelled() => {}
            Some(_) = calls.join_next() => bail!("the gRPC listener died"),
            Some(_) = operators.join_next() => bail!("the admin listener died"),
        }
        accepting.set(false);
        health.set_serving(false).await;
        let delay = config.drain_delay;
        tracing::info!(
            seconds = delay.as_secs(),
            "not ready any more, still serving"
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.hurry.cancelled() => {}
        }
        tracing::info!("sending GOAWAY, finishing the calls in flight");
        health.end_watches().await;
        drain.cancel();
        let drained = calls
            .join_next()
            .await
            .context("the gRPC listener is gone")??;
        stop_admin.cancel();
        while operators.join_next().await.is_some() {}
        conclude(drained, drain_limit)
    }
}

fn conclude(drained: Drained, limit: Duration) -> anyhow::Result<()> {
    if drained.cut > 0 {
        bail!(
            "--shutdown-timeout-seconds: {} connections still had calls in flight after {} s \
             and were closed",
            drained.cut,
            limit.as_secs()
        );
    }
    tracing::info!("all calls finished");
    Ok(())
}
