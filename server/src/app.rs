//! Wiring and the order of ending: the only place that knows all parts.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::listener::{Drained, Listener};
use telemetry::shutdown::Signals;
use telemetry::{admin, http, log, trace};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::burn::Burner;
use crate::cli::Config;
use crate::connection::{self, Serving};
use crate::counter;
use crate::flaky::Flaky;
use crate::grpc;
use crate::metric::Metrics;
use crate::pool::Pool;
use crate::role::Role;
use crate::service::Service;
use crate::web::hit::Hits;
use crate::web::{self, Conventions, Hosts, Web};

/// How long the last spans may take to be sent, after all requests have ended.
pub(crate) const TRACES_TIMEOUT: Duration = Duration::from_secs(3);

/// A role's listener, serving until it is drained; an error ends the process.
type Part = Pin<Box<dyn Future<Output = anyhow::Result<Drained>> + Send>>;

/// All listeners, bound; nothing is served yet.
#[derive(Debug)]
pub struct Bound {
    grpc: Option<Listener>,
    web: Option<Listener>,
    counter: Option<Listener>,
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
    let traces = trace::Pipeline::start(&config.trace)?;
    let log = log::init_traced(config.log_format, &config.log_filter, &traces)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::install().context("cannot catch signals")?;
        let bound = Bound::new(config).await?;
        let stop = Stop::default();
        let wait_for_signals = async {
            signals.cancel(&stop.drain).await;
            signals.cancel(&stop.hurry).await;
            std::future::pending().await
        };
        tokio::select! {
            result = bound.serve(config, &stop, Some(log)) => result,
            never = wait_for_signals => never,
        }
    });
    traces.shutdown(TRACES_TIMEOUT);
    // Does not wait for a lookup of Redis' name, which can hang for as long as the resolver likes.
    runtime.shutdown_background();
    result
}

impl Bound {
    /// Opens the ports of the roles.
    ///
    /// # Errors
    ///
    /// Names the flag of the port that cannot be had.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        let (mut grpc, mut web, mut counter) = (None, None, None);
        if config.roles.contains(&Role::Grpc) {
            let listener = Listener::bind("--grpc-address", config.grpc_address).await?;
            tracing::info!(address = %listener.address(), "listening for gRPC");
            grpc = Some(listener);
        }
        if config.roles.contains(&Role::Web) {
            let listener = Listener::bind("--web-address", config.web_address).await?;
            tracing::info!(address = %listener.address(), "listening for the web");
            web = Some(listener);
        }
        if let Some(config) = &config.counter {
            let listener = Listener::bind("--server-port", config.address).await?;
            tracing::info!(address = %listener.address(), "listening for requests to count");
            counter = Some(listener);
        }
        let admin = admin::Listener::bind("--admin-address", config.admin_address).await?;
        tracing::info!(address = %admin.address(), "listening for operators");
        Ok(Self {
            grpc,
            web,
            counter,
            admin,
        })
    }

    /// The gRPC listener's address, with the role grpc.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(Listener::address)
    }

    /// The web listener's address, with the role web.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(Listener::address)
    }

    /// The admin listener's address.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves until told to stop, then ends in order: readiness false, drain delay, listeners
    /// closed (gRPC's with GOAWAY), last requests, admin listener. `log` is what the admin listener
    /// changes; without one it offers no such thing.
    ///
    /// # Errors
    ///
    /// If a part died, or requests in flight had to be cut at the end.
    pub async fn serve(
        self,
        config: &Config,
        stop: &Stop,
        log: Option<log::Handle>,
    ) -> anyhow::Result<()> {
        let mut registry = Registry::default();
        let target = Info::new([("service_name", config.trace.service.clone())]);
        registry.register("target", "What this process is, for OpenTelemetry", target);
        trace::register(&mut registry);
        let readiness = Health::new();
        let accepting = readiness.condition("accepting");
        let (drain, stop_admin) = (CancellationToken::new(), CancellationToken::new());
        let mut health = None;
        let mut parts: Vec<Part> = Vec::new();
        if let Some(listener) = self.grpc {
            let service = operations(config, &mut registry);
            let metrics = service.metrics.clone();
            let (routes, reporter) = grpc::routes(service).await?;
            let serving = Serving {
                routes,
                policy: config.connection,
                drain_limit: config.shutdown_timeout,
                metrics,
            };
            let served = connection::serve(listener, serving, drain.clone());
            parts.push(Box::pin(async { Ok(served.await) }));
            health = Some(reporter);
        }
        if let Some(listener) = self.web {
            let port = listener.address().port();
            let router = web::router(application(config, port, &mut registry)?);
            let options = web::options(
                config.burner.burns,
                config.header_timeout,
                config.shutdown_timeout,
            );
            let served = http::serve(listener, router, options, drain.clone());
            parts.push(Box::pin(async { Ok(served.await) }));
        }
        if let (Some(listener), Some(counter)) = (self.counter, &config.counter) {
            let address = listener.address();
            let role =
                counter::role::Role::new(counter.clone(), address, &mut registry, &readiness)
                    .context("--redis-host")?;
            let served = role.run(listener, config.shutdown_timeout, drain.clone());
            parts.push(Box::pin(async { Ok(served.await?) }));
        }
        let mut operators = JoinSet::new();
        let router = admin::router(Arc::new(registry), Health::new(), readiness)
            .merge(log.map_or_else(Router::new, admin::log_level));
        operators.spawn(self.admin.serve(router, stop_admin.clone()));
        // Before the first connection is accepted: nobody who gets through hears NOT_SERVING.
        if let Some(health) = &health {
            health.set_serving(true).await;
        }
        let mut serving: JoinSet<anyhow::Result<Drained>> = parts.into_iter().collect();
        accepting.set(true);

        tokio::select! {
            () = stop.drain.cancelled() => {}
            Some(ended) = serving.join_next() => {
                ended.context("a listener died")??;
                bail!("a listener died");
            }
            Some(_) = operators.join_next() => bail!("the admin listener died"),
        }
        accepting.set(false);
        if let Some(health) = &health {
            health.set_serving(false).await;
        }
        let delay = config.drain_delay;
        tracing::info!(
            seconds = delay.as_secs(),
            "not ready any more, still serving"
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.hurry.cancelled() => {}
        }
        tracing::info!("accepting nothing more, finishing the requests in flight");
        if let Some(health) = health {
            health.end_watches().await;
        }
        drain.cancel();
        let mut cut = 0;
        while let Some(drained) = serving.join_next().await {
            cut += drained.context("a listener died")??.cut;
        }
        stop_admin.cancel();
        while operators.join_next().await.is_some() {}
        conclude(cut, config.shutdown_timeout)
    }
}

/// The role grpc.
fn operations(config: &Config, registry: &mut Registry) -> Service {
    let pool = Pool::new(config.pool);
    Service {
        pod: config.pod.clone(),
        work: config.work,
        service_time: config.service_time,
        metrics: Metrics::register(registry, pool.clone()),
        pool,
    }
}

/// The role web; `port` is its listener's.
fn application(config: &Config, port: u16, registry: &mut Registry) -> anyhow::Result<Web> {
    let burner = Burner::start(config.burner).context("--load-threads: cannot start a thread")?;
    let hits = Hits::start(config.hit, registry).context("--hit-threads: cannot start")?;
    let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
    tracing::info!(seed, "what is random at /status follows the seed");
    let hosts = Hosts {
        names: config.web_hosts.clone(),
        port,
    };
    Ok(Web {
        load_time: config.load_time,
        metrics: web::Metrics::register(registry, burner.clone()),
        conventions: Conventions::register(registry, hosts),
        flaky: Flaky::new(seed),
        burner,
        hits,
    })
}

fn conclude(cut: usize, limit: Duration) -> anyhow::Result<()> {
    if cut > 0 {
        bail!(
            "--shutdown-timeout-seconds: {cut} connections still had calls in flight after {} s \
             and were closed",
            limit.as_secs()
        );
    }
    tracing::info!("all requests finished");
    Ok(())
}
