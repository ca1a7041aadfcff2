//! Wiring of the subcommands: the only place that knows all parts.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::shutdown::Signals;
use telemetry::{admin, log};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{Grpc, Log, Output, Verify};
use crate::drive::{Run, Template};
use crate::endpoint::Endpoints;
use crate::plan::Plan;
use crate::prometheus::{Client, Samples};
use crate::record::{Record, Summary};
use crate::{resolve, verdict};

/// Makes load until a bound, SIGTERM or SIGINT; the request in flight is finished.
///
/// # Errors
///
/// If the admin port cannot be had, or a part dies. Failed requests are no error of the run.
pub fn grpc(log: &Log, config: Grpc) -> anyhow::Result<Summary> {
    log::init(log.format, &log.filter)?;
    let runtime = runtime()?;
    let result = runtime.block_on(make_load(config));
    // Does not wait for a name lookup under way, which can hang for as long as the resolver likes.
    runtime.shutdown_background();
    result
}

/// The verdict: whether the goal was held, and the text to print.
///
/// # Errors
///
/// If Prometheus does not answer, or refuses.
pub fn verify(log: &Log, config: &Verify) -> anyhow::Result<(bool, String)> {
    log::init(log.format, &log.filter)?;
    let client = Client::new(&config.prometheus).context("cannot set up the HTTP client")?;
    let samples = client.samples(&config.selector, config.window);
    let Samples { rps, mean } = runtime()?.block_on(samples)?;
    let verdict = verdict::judge(config.goal, config.window, &rps, &mean);
    let text = match config.output {
        Output::Text => verdict.to_string(),
        Output::Json => serde_json::to_string(&verdict)?,
    };
    Ok((verdict.held, text))
}

/// One thread; only the system's name resolution has another.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn make_load(config: Grpc) -> anyhow::Result<Summary> {
    let mut signals = Signals::install().context("cannot catch signals")?;
    let listener = admin::Listener::bind("--admin-address", config.admin_address).await?;
    let Grpc { target, mode, .. } = config;
    tracing::info!(address = %listener.address(), "listening for operators");
    tracing::info!(%target, ?mode, pacing = ?config.pacing, distance = ?config.distance, "starting");

    let mut registry = Registry::default();
    let record = Record::register(&mut registry);
    let readiness = Health::new();
    let running = readiness.condition("running");
    let router = admin::router(Arc::new(registry), Health::new(), readiness);
    let stop_admin = CancellationToken::new();
    let mut parts = JoinSet::new();
    parts.spawn(listener.serve(router, stop_admin.clone()));

    let (publish, addresses) = watch::channel(Vec::new());
    let lost = Arc::new(Notify::new());
    let wake = Arc::clone(&lost);
    let name = target.clone();
    parts.spawn(async move {
        let lookup = async || {
            let found = tokio::net::lookup_host((name.host(), name.port())).await?;
            Ok(found.collect())
        };
        resolve::watch(lookup, mode, &wake, &publish).await;
    });

    let origin = format!("http://{target}").parse();
    let template = Template {
        origin: origin.with_context(|| format!("--address: {target} makes no URL"))?,
        client_id: config.client_id,
        max_prime: config.max_prime,
        limit: config.limit,
    };
    let plan = Plan::new(config.pacing, config.distance);
    let endpoints = Endpoints::new(lost);
    let run = Run {
        plan,
        bounds: config.bounds,
        template,
        endpoints,
        addresses,
        record,
    };
    let stop = CancellationToken::new();
    let drive = async {
        let summary = run.drive(&stop).await;
        // Ends the wait for a signal, if none came.
        stop.cancel();
        summary
    };
    running.set(true);
    let summary = tokio::select! {
        (summary, ()) = async { tokio::join!(drive, signals.cancel(&stop)) } => summary,
        Some(_) = parts.join_next() => bail!("the admin listener or the resolver died"),
    };
    running.set(false);
    stop_admin.cancel();
    parts.shutdown().await;
    Ok(summary)
}
