//! Wiring of the subcommand.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::shutdown::Signals;
use telemetry::{admin, log};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cli::Http;
use super::drive::Run;
use super::record::Record;
use super::report::{Asked, Report};
use crate::app::runtime;
use crate::cli::{Log, Output};

/// Makes load for its time, or until SIGTERM or SIGINT; requests in flight are finished. Returns
/// the text to print.
///
/// # Errors
///
/// If the admin port cannot be had, or a part dies. Failed requests are no error of the run.
pub fn run(log: &Log, config: Http) -> anyhow::Result<String> {
    log::init(log.format, &log.filter)?;
    let output = config.output;
    let runtime = runtime()?;
    let report = runtime.block_on(make_load(config))?;
    // Does not wait for a name lookup under way, which can hang for as long as the resolver likes.
    runtime.shutdown_background();
    Ok(match output {
        Output::Text => report.to_string(),
        Output::Json => serde_json::to_string(&report)?,
    })
}

async fn make_load(config: Http) -> anyhow::Result<Report> {
    let mut signals = Signals::install().context("cannot catch signals")?;
    let listener = admin::Listener::bind("--admin-address", config.admin_address).await?;
    tracing::info!(address = %listener.address(), "listening for operators");
    let client = client(&config).context("cannot set up the HTTP client")?;
    let asked = Asked {
        url: config.url.to_string(),
        threads: config.threads,
        rate: config.schedule.rate,
    };
    let (url, duration) = (&asked.url, config.schedule.duration);
    tracing::info!(url, ?duration, threads = asked.threads, rate = ?asked.rate, "starting");

    let mut registry = Registry::default();
    let record = Arc::new(Record::register(&mut registry));
    let readiness = Health::new();
    let running = readiness.condition("running");
    let router = admin::router(Arc::new(registry), Health::new(), readiness);
    let (stop, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let mut parts = JoinSet::new();
    parts.spawn(listener.serve(router, stop_admin.clone()));

    let run = Run {
        client,
        url: config.url,
        threads: config.threads,
        schedule: config.schedule,
        record: Arc::clone(&record),
    };
    let drive = async {
        let ended = run.drive(stop.clone()).await;
        // Ends the wait for a signal, if none came.
        stop.cancel();
        ended
    };
    running.set(true);
    let ended = tokio::select! {
        (ended, ()) = async { tokio::join!(drive, signals.cancel(&stop)) } => ended,
        Some(_) = parts.join_next() => bail!("the admin listener died"),
    };
    running.set(false);
    stop_admin.cancel();
    while parts.join_next().await.is_some() {}
    let totals = record.totals();
    Ok(Report::new(asked, &totals, ended.missed, ended.elapsed))
}

/// Redirects are answers: who follows them may come to a stranger's door. Proxies likewise.
fn client(config: &Http) -> Result<reqwest::Client, reqwest::Error> {
    let idle = if config.keep_alive {
        usize::from(config.threads)
    } else {
        0
    };
    let mut builder = reqwest::Client::builder()
        .timeout(config.limit)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(idle);
    if config.url.scheme() == "http" {
        // Certificates are not needed, and an image from scratch has none to load.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}
