//! Wiring of `probe`: two schedules, one report.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use telemetry::health::{Condition, Health};
use telemetry::shutdown::Signals;
use telemetry::{admin, log, trace};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Endpoint};
use super::cli::Probe;
use super::exchange;
use super::metric::Metrics;
use super::report;
use super::screen::{self, Screen};
use super::tally::Tally;
use crate::cli::{Log, Output};
use crate::target::Target;

/// How long the last spans may take to be sent.
const TRACES_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts on their way to the report; it is faster than the network.
const REPORT_BUFFER: usize = 16;

/// Probes until a bound, SIGTERM or SIGINT, and prints what comes of it; returns whether the run
/// counts as a success. Requests under way then may end, unless a second signal comes.
///
/// # Errors
///
/// If the admin port cannot be had, or standard output cannot be written to. Failed requests are
/// no error of the run.
pub fn run(log: &Log, config: &Probe) -> anyhow::Result<bool> {
    let traces = trace::Pipeline::start(&config.trace)?;
    log::init_traced(log.format, &log.filter, &traces)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(probe(config));
    // Does not wait for a name lookup under way, which can hang for as long as the resolver likes.
    runtime.shutdown_background();
    traces.shutdown(TRACES_TIMEOUT);
    result
}

async fn probe(config: &Probe) -> anyhow::Result<bool> {
    let mut signals = Signals::install().context("cannot catch signals")?;
    let mut registry = Registry::default();
    let (publish, verdict) = watch::channel("unknown: no request ended yet".to_owned());
    let metrics = Metrics::register(&mut registry);
    trace::register(&mut registry);
    let operators = Operators::start(config, registry, verdict).await?;
    let mut report = Report::new(config, metrics, publish);

    let (send, mut attempts) = mpsc::channel(REPORT_BUFFER);
    let stop = CancellationToken::new();
    let probing = async {
        let schedules =
            async { tokio::join!(ask(config, &stop, &send), tell(config, &stop, &send)) };
        tokio::select! {
            _ = schedules => {}
            () = given_up(&mut signals, &stop) => {}
        }
        drop(send);
        Ok(())
    };
    let reporting = async {
        while let Some(attempt) = attempts.recv().await {
            report.take(&attempt)?;
        }
        report.end()
    };
    let done = async { tokio::try_join!(probing, reporting) };
    let result = operators.during(done).await?;
    match result {
        // Nobody reads any more: as good as being told to end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => drop(other.context("cannot write to standard output")?),
    }
    Ok(!report.tally.has_failed(config.fail_on))
}

/// Starts no more requests from the first signal on; returns when one more says that those under
/// way are not to be waited for either.
async fn given_up(signals: &mut Signals, stop: &CancellationToken) {
    signals.cancel(stop).await;
    let signal = signals.recv().await;
    tracing::warn!(signal, "giving up requests under way");
}

/// `GET /status` at once and then at its interval, as often as it was said; then all stops.
async fn ask(config: &Probe, stop: &CancellationToken, report: &mpsc::Sender<Attempt>) {
    let schedule = Schedule {
        endpoint: Endpoint::Status,
        first: Instant::now(),
        interval: config.status_interval,
        count: config.count,
    };
    repeat(config, schedule, stop, report).await;
    stop.cancel();
}

/// `POST /flaky` at its interval, so that the server is first seen as it was found.
async fn tell(config: &Probe, stop: &CancellationToken, report: &mpsc::Sender<Attempt>) {
    let Some(interval) = config.flaky_interval else {
        return;
    };
    let schedule = Schedule {
        endpoint: Endpoint::Flaky,
        first: Instant::now() + interval,
        interval,
        count: None,
    };
    repeat(config, schedule, stop, report).await;
}

/// When to send what.
struct Schedule {
    endpoint: Endpoint,
    first: Instant,
    interval: Duration,
    count: Option<u64>,
}

/// One request after the other: those that are due while one is under way are left out. Whoever
/// stops it waits for the one under way.
async fn repeat(
    config: &Probe,
    schedule: Schedule,
    stop: &CancellationToken,
    report: &mpsc::Sender<Attempt>,
) {
    let mut due = interval_at(schedule.first, schedule.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut left = schedule.count;
    while left != Some(0) && stop.run_until_cancelled(due.tick()).await.is_some() {
        // On the heap: with its span, one request is large.
        let request = exchange::send(&config.target, schedule.endpoint, config.limit);
        let attempt = Box::pin(request).await;
        if report.send(attempt).await.is_err() {
            return;
        }
        left = left.map(|count| count - 1);
    }
}

/// The admin listener, if there is one.
struct Operators {
    stop: CancellationToken,
    parts: JoinSet<()>,
    running: Condition,
}

impl Operators {
    async fn start(
        config: &Probe,
        registry: Registry,
        verdict: watch::Receiver<String>,
    ) -> anyhow::Result<Self> {
        let (liveness, readiness) = (Health::new(), Health::new());
        let running = readiness.condition("running");
        liveness.note("verdict", move || verdict.borrow().clone());
        let (stop, mut parts) = (CancellationToken::new(), JoinSet::new());
        if let Some(address) = config.admin_address {
            let listener = admin::Listener::bind("--admin-address", address).await?;
            tracing::info!(address = %listener.address(), "listening for operators");
            let router = admin::router(Arc::new(registry), liveness, readiness);
            parts.spawn(listener.serve(router, stop.clone()));
        }
        running.set(true);
        Ok(Self {
            stop,
            parts,
            running,
        })
    }

    /// Serves as long as something else takes.
    async fn during<T>(mut self, work: impl Future<Output = T>) -> anyhow::Result<T> {
        let result = tokio::select! {
            result = work => result,
            Some(_) = self.parts.join_next() => bail!("the admin listener died"),
        };
        self.running.set(false);
        self.stop.cancel();
        while self.parts.join_next().await.is_some() {}
        Ok(result)
    }
}

/// Whoever is told of attempts: standard output, metrics, the verdict's readers.
struct Report {
    output: Output,
    target: Target,
    tally: Tally,
    screen: Option<Screen>,
    metrics: Metrics,
    publish: watch::Sender<String>,
    begun: bool,
}

impl Report {
    fn new(config: &Probe, metrics: Metrics, publish: watch::Sender<String>) -> Self {
        let live = config.output == Output::Text && io::stdout().is_terminal();
        let screen = || Screen::new(config.target.clone(), Timestamp::now());
        Self {
            output: config.output,
            target: config.target.clone(),
            tally: Tally::new(),
            screen: live.then(screen),
            metrics,
            publish,
            begun: false,
        }
    }

    fn take(&mut self, attempt: &Attempt) -> io::Result<()> {
        self.tally.add(attempt);
        let verdict = self.tally.verdict();
        self.metrics.observe(attempt, &verdict);
        self.publish.send_replace(verdict.to_string());
        let mut out = io::stdout().lock();
        match &mut self.screen {
            Some(screen) => {
                if !std::mem::replace(&mut self.begun, true) {
                    out.write_all(screen::BEGIN.as_bytes())?;
                }
                out.write_all(screen.frame(attempt, &self.tally).as_bytes())?;
            }
            None => {
                let line = report::line(self.output, &self.target, attempt, &self.tally);
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.begun {
            out.write_all(screen::END.as_bytes())?;
        }
        writeln!(out, "{}", report::summary(self.output, &self.tally))?;
        out.flush()
    }
}
