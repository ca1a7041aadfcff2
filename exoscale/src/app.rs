//! Wiring and the order of ending: the only place that knows all parts.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::shutdown::Signals;
use telemetry::{admin, log};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Client};
use crate::autoscaler::{self, Autoscaler, Shared};
use crate::cli::{self, Access, Log};
use crate::discovery::{self, Discovery, File, Known};
use crate::scaler::Scaler;

/// Runs `exoscale-sd` until SIGTERM or SIGINT.
///
/// # Errors
/// If the file or the port cannot be had, or a part dies.
pub fn sd(config: cli::sd::Config) -> anyhow::Result<()> {
    let log = start(&config.log, &config.access)?;
    runtime()?.block_on(async {
        let file = File::new(config.file)?;
        let listener = admin::Listener::bind("--listen-address", config.listen).await?;
        let (mut registry, readiness) = (Registry::default(), Health::new());
        let known = Known::default();
        let discovery = Discovery {
            source: discovery::Remote {
                client: Client::new(config.access.api, api::Metrics::register(&mut registry))?,
                id: config.access.pool,
            },
            port: config.port,
            interval: config.interval,
            file,
            known: known.clone(),
            metrics: discovery::Metrics::register(&mut registry),
            ready: readiness.condition("targets"),
        };
        let routes = discovery::routes::router(known).merge(admin::log_level(log));
        let stop = CancellationToken::new();
        let work = discovery.run(stop.clone());
        serve(work, listener, registry, readiness, routes, stop).await
    })
}

/// Runs `exoscale-autoscaler` until SIGTERM or SIGINT.
///
/// # Errors
/// If the port cannot be had, or a part dies.
pub fn autoscaler(config: cli::autoscaler::Config) -> anyhow::Result<()> {
    let log = start(&config.log, &config.access)?;
    runtime()?.block_on(async {
        let listener = admin::Listener::bind("--listen-port", config.listen).await?;
        let (mut registry, readiness) = (Registry::default(), Health::new());
        let shared = Arc::new(Shared::new(
            Scaler::new(config.bounds),
            autoscaler::Metrics::register(&mut registry),
            readiness.condition("pool"),
        ));
        let autoscaler = Autoscaler {
            pool: autoscaler::Remote {
                client: Client::new(config.access.api, api::Metrics::register(&mut registry))?,
                id: config.access.pool,
            },
            options: config.options,
            shared: Arc::clone(&shared),
        };
        let routes = autoscaler::routes::router(shared).merge(admin::log_level(log));
        let stop = CancellationToken::new();
        let work = autoscaler.run(stop.clone());
        serve(work, listener, registry, readiness, routes, stop).await
    })
}

fn start(log: &Log, access: &Access) -> anyhow::Result<log::Handle> {
    let handle = log::init(log.format, &log.filter)?;
    if access.secret_in_arguments {
        tracing::warn!(
            "--exoscale-api-secret: everybody on this machine can read it; \
             use EXOSCALE_SECRET or EXOSCALE_SECRET_FILE"
        );
    }
    // The TLS provider is chosen here, once; it cannot be set already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(handle)
}

/// One thread: there is one thing to do at a time.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Runs the loop and the listener until a signal; the loop ends first.
async fn serve(
    work: impl Future<Output = ()> + Send + 'static,
    listener: admin::Listener,
    registry: Registry,
    readiness: Health,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("cannot catch signals")?;
    tracing::info!(address = %listener.address(), "listening");
    let router = admin::router(Arc::new(registry), Health::new(), readiness).merge(routes);
    let (mut works, mut listeners) = (JoinSet::new(), JoinSet::new());
    works.spawn(work);
    // Requests that come while the loop ends could not be acted on: both stop together.
    listeners.spawn(listener.serve(router, stop.clone()));
    tokio::select! {
        () = signals.cancel(&stop) => {}
        Some(_) = works.join_next() => bail!("the loop died"),
        Some(_) = listeners.join_next() => bail!("the listener died"),
    }
    while let Some(ended) = works.join_next().await {
        ended.context("the loop died")?;
    }
    while let Some(ended) = listeners.join_next().await {
        ended.context("the listener died")?;
    }
    Ok(())
}
