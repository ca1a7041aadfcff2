//! The process: everything is put together, supervised, and ended in order.
//!
//! Whatever can fail for good is done before a port is open: flags, rules, certificates, clients.
//! From then on nothing ends the process but a signal or a task that died.

mod check;
mod credentials;
mod explain;
mod output;
mod recording;
mod simulate;
mod status;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use prometheus_client::registry::Registry;
use telemetry::health::Health;
use telemetry::liveness::Liveness;
use telemetry::{log, shutdown};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Layer;
use tracing::{info, warn};

pub use check::check;
pub use explain::explain;
use recording::Recording;
pub use simulate::simulate;

use crate::auth::{self, AuthLayer, TrustMerge, TrustReceiver};
use crate::cli::{Config, NamedSource};
use crate::cluster::{self, Cluster};
use crate::discovery::{self, Relister, State};
use crate::evaluation::{self, Evaluator};
use crate::model::{GroupResource, ObjectSource};
use crate::prometheus::{self, Client};
use crate::reload::{self, ReloadError, RulesFile};
use crate::rules::{ResourceRules, RuleSet};
use crate::serving::{self, Bound, CertificateSource, NamedCertificates, ServingCertificate};
use crate::{admin, api};

/// How often the files of certificates and authorities are looked at.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(2);
/// How often the rules file is looked at; a change counts at the second look.
const RULES_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the process from starting, naming the flag or file; or the task that died.
pub fn run(runtime: &Runtime, config: Config) -> Result<()> {
    let (recording, log) = Recording::start(&config)?;
    let outcome = runtime.block_on(serve(config, log));
    recording.end();
    outcome
}

async fn serve(config: Config, log: log::Handle) -> Result<()> {
    let started = Instant::now();
    for notice in &config.notices {
        warn!("{notice}");
    }
    let mut signals = shutdown::Signals::install().context("cannot catch signals")?;
    let mut root = Registry::default();
    let spans = recording::spans(&config, &mut root);
    let registry = root.sub_registry_with_prefix("metrics_adapter");
    let reload_metrics = reload::Metrics::register(registry);
    let rules_file = RulesFile::load(config.rules, config.relist, reload_metrics.clone());
    let rules_file = rules_file.map_err(as_usage)?;
    let (updates, file) = (rules_file.subscribe(), rules_file.state());
    let rules = Arc::clone(&updates.borrow());
    let serving_metrics = serving::Metrics::register(registry);
    let certificates = certificates(
        config.certificate,
        config.named_certificates,
        &serving_metrics,
    )
    .await?;
    let watched = certificates.certificates();
    let tls =
        serving::server_config(Arc::new(certificates), &config.tls).context("cannot set up TLS")?;
    let mut prometheus = config.prometheus;
    let prometheus_timeout = prometheus.timeout;
    credentials::complete(&mut prometheus, config.prometheus_login).await?;
    let prometheus_metrics = prometheus::Metrics::register(registry);
    let client = Client::new(prometheus, prometheus_metrics.clone())?;
    let client = Arc::new(client);
    let cluster_metrics = cluster::Metrics::register(registry);
    let connect = async |flag, file: Option<&Path>| {
        cluster::client::client(flag, file, &cluster_metrics).await
    };
    let (lister, authentication, authorization) = (
        config.lister_kubeconfig.as_deref(),
        config.authentication_kubeconfig.as_deref(),
        config.authorization_kubeconfig.as_deref(),
    );
    let clients = cluster::Clients {
        lister: connect("--lister-kubeconfig", lister).await?,
        authentication: connect("--authentication-kubeconfig", authentication).await?,
        authorization: connect("--authorization-kubeconfig", authorization).await?,
    };
    let lookup = if config.trust.needs_cluster() {
        cluster::Lookup::Watched
    } else {
        cluster::Lookup::Skipped
    };
    let options = cluster::Options::new(config.discovery_interval, lookup);
    let (cluster, watches) = cluster::connect(clients, &options, &cluster_metrics);
    let auth_metrics = auth::Metrics::register(registry);
    let (trust_merge, trust) =
        TrustMerge::load(config.trust, cluster.trust(), &auth_metrics).await?;
    let objects = Arc::new(cluster.clone());
    watch_pods(&cluster);
    if let Some(rules) = &rules.resource {
        watch_consumers(&cluster, rules);
    }
    let relister = Relister::new(
        Arc::clone(&client),
        Arc::clone(&objects),
        Arc::clone(&rules),
        config.relist,
        discovery::Metrics::register(registry),
    )
    .with_kinds(cluster.kinds())
    .with_updates(updates.clone());
    let evaluator = Evaluator::new(
        Arc::clone(&client),
        objects,
        relister.state(),
        config.max_staleness,
        evaluation::Metrics::register(registry),
    );
    let evaluator = Arc::new(evaluator);
    let api_metrics = api::Metrics::register(registry);
    let gate = AuthLayer::new(
        trust.clone(),
        cluster.reviewer(),
        &config.auth,
        auth_metrics,
    );

    let admin_listener =
        telemetry::admin::Listener::bind("--admin-address", config.admin_address).await?;
    let bound = Bound::bind(config.secure_address, config.port_sharing)?;
    info!(
        rules = rules.custom.len(),
        external_rules = rules.external.len(),
        resource_rules = rules.resource.is_some(),
        admin = %admin_listener.address(),
        "metrics-adapter {} started",
        env!("CARGO_PKG_VERSION")
    );

    let (liveness, readiness) = (Health::new(), Health::new());
    let loops = Liveness::new(liveness.clone());
    let accepting = readiness.condition("accepting");
    readiness.note("rules-file", move || {
        if reload_metrics.is_successful() {
            "in use".to_owned()
        } else {
            "refused, the rules of before are in use; the log says why".to_owned()
        }
    });
    let discovered = relister.state();
    readiness.note("rules", move || discovery::summary(&discovered.health()));
    let discovered = relister.state();
    readiness.note("collisions", move || {
        discovery::collisions(discovered.catalog().collisions().len())
    });
    ready_when(
        &readiness,
        trust,
        cluster.clone(),
        relister.state(),
        config.startup_grace,
    );
    let health = telemetry::admin::router(Arc::new(root), liveness, readiness.clone());
    let routes = api::router(Arc::clone(&evaluator), api_metrics).merge(health.clone());
    let service = spans.layer(gate.layer(routes));
    let sources = status::Sources {
        started,
        readiness,
        file,
        discovery: relister.state(),
        evaluator: Arc::clone(&evaluator),
        client: Arc::clone(&client),
        prometheus: prometheus_metrics,
        certificates: watched.clone(),
    };
    let operators = health
        .merge(telemetry::admin::log_level(log))
        .merge(admin::router(move || sources.status()));

    let background = CancellationToken::new();
    let (serving_stop, admin_stop) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks: JoinSet<(&'static str, Result<()>)> = JoinSet::new();
    tasks.spawn(named(
        "clock of liveness",
        loops.clone().run(background.clone()),
    ));
    let (stop, clock) = (background.clone(), loops.clone());
    tasks.spawn(async move {
        let ended = watches.run(stop, &clock).await;
        ("watches", ended.map_err(Into::into))
    });
    let alive = loops.loops("relist", config.relist.interval + prometheus_timeout);
    let relisting = alive.watch(relister.run(background.clone()));
    tasks.spawn(named("relist loop", relisting));
    let (stop, alive) = (
        background.clone(),
        loops.loops("rules-file", RULES_INTERVAL),
    );
    let watching = alive.watch(async move { rules_file.watch(RULES_INTERVAL, &stop).await });
    tasks.spawn(named("watch of the rules file", watching));
    tasks.spawn(named(
        "watch of the resource rules",
        follow_consumers(updates, cluster, background.clone()),
    ));
    let alive = loops.loops("certificates", CERTIFICATE_INTERVAL);
    let watching = alive.watch(trust_merge.run(CERTIFICATE_INTERVAL, background.clone()));
    tasks.spawn(named("watch of trusted authorities", watching));
    let (stop, prometheus) = (background.clone(), Arc::clone(&client));
    let watching = alive.watch(async move { prometheus.watch(CERTIFICATE_INTERVAL, &stop).await });
    tasks.spawn(named("watch of Prometheus' certificates", watching));
    let stop = background.clone();
    tasks.spawn(named("queries ahead of polls", async move {
        stop.run_until_cancelled(evaluator.keep_warm()).await;
    }));
    let stop = background.clone();
    tasks.spawn(named("reviews ahead of polls", async move {
        stop.run_until_cancelled(gate.keep_warm()).await;
    }));
    for certificate in watched {
        let stop = background.clone();
        let watching =
            alive.watch(async move { certificate.watch(CERTIFICATE_INTERVAL, &stop).await });
        tasks.spawn(named("certificate watch", watching));
    }
    tasks.spawn(named(
        "admin listener",
        admin_listener.serve(operators, admin_stop.clone()),
    ));
    tasks.spawn(named(
        "HTTPS listener",
        bound.serve(
            tls,
            service,
            config.serving,
            serving_metrics,
            serving_stop.clone(),
        ),
    ));
    accepting.set(true);

    let died = tokio::select! {
        signal = signals.recv() => {
            info!(signal, "shutting down");
            None
        }
        ended = tasks.join_next() => Some(unexpected(ended)),
    };
    accepting.set(false);
    if died.is_none() {
        // Endpoints and the aggregator need a moment to forget this process. A second signal is
        // impatience.
        tokio::select! {
            () = tokio::time::sleep(config.shutdown_delay) => {}
            _ = signals.recv() => {}
        }
    }
    serving_stop.cancel();
    // The watches and the relist loop feed the requests that are still being drained.
    while let Some(ended) = tasks.join_next().await {
        if matches!(ended, Ok(("HTTPS listener", _))) {
            break;
        }
    }
    background.cancel();
    admin_stop.cancel();
    while tasks.join_next().await.is_some() {}
    died.map_or(Ok(()), Err)
}

async fn certificates(
    default: CertificateSource,
    named: Vec<NamedSource>,
    metrics: &serving::Metrics,
) -> Result<NamedCertificates> {
    let load = |source| ServingCertificate::load(source, metrics.clone());
    let mut certificates = NamedCertificates::new(load(default).await?);
    for NamedSource { names, source } in named {
        certificates.add(&names, load(source).await?);
    }
    Ok(certificates)
}

/// Pods are what almost every HPA asks for: their watch starts before the first relist.
fn watch_pods(cluster: &Cluster) {
    let pods: Vec<_> = cluster.resolve("", "pods").into_iter().collect();
    cluster.watch(&pods);
}

/// Nodes and running pods, for `kubectl top` and Resource metrics. Readiness does not wait for
/// them: custom and external metrics do without.
fn watch_consumers(cluster: &Cluster, rules: &ResourceRules) {
    for field in rules.missing_queries() {
        warn!(field, "{field} is empty: some usage will not be served");
    }
    cluster.watch_consumers();
}

/// The first resource rules may come with a later version of the file.
async fn follow_consumers(
    mut updates: watch::Receiver<Arc<RuleSet>>,
    cluster: Cluster,
    stop: CancellationToken,
) {
    while let Some(Ok(())) = stop.run_until_cancelled(updates.changed()).await {
        if let Some(rules) = &updates.borrow_and_update().resource {
            watch_consumers(&cluster, rules);
        }
    }
    // The last version of the file stays good without anybody who looks at it.
    stop.cancelled().await;
}

/// What does not go with the flags is told as they are, see `main`.
fn as_usage(error: ReloadError) -> anyhow::Error {
    match error {
        ReloadError::Flags(error) => error.into(),
        error => error.into(),
    }
}

/// Readiness: callers can be told apart, pods can be selected, and there was a chance to learn
/// the list of metrics. Each condition, once true, stays true: what goes away later (Prometheus,
/// kube-apiserver) must not take the endpoint of the APIServices with it.
fn ready_when(
    readiness: &Health,
    trust: TrustReceiver,
    cluster: Cluster,
    state: Arc<State>,
    grace: Duration,
) {
    let started = Instant::now();
    let pods = GroupResource::new("", "pods");
    readiness.check("authentication-configuration", move || {
        trust.borrow().is_some()
    });
    readiness.check("pods-listed", move || cluster.is_synced(&pods));
    readiness.check("first-relist", move || {
        state.first_round_done() || started.elapsed() >= grace
    });
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> (&'static str, Result<()>) {
    task.await;
    (name, Ok(()))
}

fn unexpected(
    ended: Option<Result<(&'static str, Result<()>), tokio::task::JoinError>>,
) -> anyhow::Error {
    match ended {
        Some(Ok((name, Ok(())))) => anyhow!("the {name} ended unexpectedly"),
        Some(Ok((name, Err(error)))) => error.context(format!("the {name} failed")),
        Some(Err(error)) => anyhow!("a task panicked: {error}"),
        None => anyhow!("no task is running"),
    }
}
