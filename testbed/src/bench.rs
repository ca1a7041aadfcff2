//! `make bench`: what the adapter can do, beside what its TLS can do at best, in the same run.
//!
//! Real: kube-apiserver, etcd, Prometheus and the adapter, all on loopback. Made up: pods without a
//! node, and one exporter that has the series of all of them. docs/performance.md says what is
//! measured and how to read it. Law: a wrong answer fails the bench; a slow one does not, for a
//! report of a busy machine is still a report.
//!
//! | module | owns |
//! | --- | --- |
//! | `plan` | sizes, names, values, questions: the same in every run |
//! | `stage`, `objects`, `exporter` | what runs, what is in kube-apiserver, what Prometheus scrapes |
//! | `connection`, `load`, `check` | callers, and whether they are told the truth |
//! | `window`, `usage`, `audit`, `exposition`, `statistic` | what is counted, and what is made of it |
//! | `limit` | the adapter beside the static limit |
//! | `aggregated` | the adapter through kube-apiserver |
//! | `queue`, `controller` | the HPA controller: when it asks, what it sees, what that costs |
//! | `start` | from a process' start to its first right answer |
//! | `relist` | a rule that matches a great many series |
//! | `report`, `bound` | the table and the file; what was promised |

mod aggregated;
mod audit;
mod bound;
mod check;
mod connection;
mod controller;
mod error;
mod exporter;
mod exposition;
mod least;
mod limit;
mod load;
mod objects;
mod plan;
mod queue;
mod relist;
mod report;
mod stage;
mod start;
mod statistic;
mod usage;
mod window;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use tokio::time::sleep;

use self::{
    check::Encoding,
    controller::Course,
    exporter::Exporter,
    limit::Contest,
    load::{Prepared, Target},
    queue::Arrival,
    report::{Report, SizeReport},
    stage::{Places, Programs, Stage, front_proxy_headers},
};
pub use self::{
    error::{Error, Result},
    plan::Size,
};
use crate::{child::Child, layout::Layout, progress::say};

/// What is to be measured, and how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// One after the other.
    pub sizes: Vec<Size>,
    /// Callers at the same time, each number in windows of its own.
    pub callers: Vec<usize>,
    /// Connections that the callers share.
    pub connections: usize,
    /// The length of one window.
    pub window: Duration,
    /// Windows of each kind.
    pub rounds: u32,
    /// What is to be measured; several at once take turns.
    pub parts: Vec<Part>,
    /// HPAs of the simulated controller, at most: those that a size has.
    pub hpas: usize,
    /// Periods of it that are measured.
    pub periods: u32,
    /// Ask for protobuf instead of JSON.
    pub protobuf: bool,
    /// Another adapter than the one that was built beside this program.
    pub adapter: Option<PathBuf>,
    /// Where the report goes.
    pub output_dir: Option<PathBuf>,
}

impl Options {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The adapter beside what its TLS can do at best
    Limit,
    /// The adapter through kube-apiserver
    Aggregated,
    /// A simulated HPA controller
    Controller,
    /// From a process' start to its first right answer
    Start,
    /// A list of 1,000,000 series
    Relist,
}

/// Measures and reports.
///
/// # Errors
/// When a part cannot be started or an answer is wrong. Bounds that are not met are in the report.
pub fn bench(options: &Options) -> Result<()> {
    let layout = Layout::find()?;
    crate::binaries::check(&layout)?;
    let programs = programs(options)?;
    let dir = options.output_dir.clone();
    let dir = dir.unwrap_or_else(|| layout.workspace().join("target/bench"));
    // A kubeconfig's files are looked for beside it, wherever the program runs.
    let dir = std::path::absolute(dir).map_err(|cause| Error::failed("--output-dir", cause))?;
    // An error here only says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Several threads: callers must not wait for each other. This one starts the processes, for
    // they are told to end when the thread that started them does.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::failed("runtime", cause))?;
    let mut report = Report::default();
    let result = runtime.block_on(async {
        tokio::select! {
            _pressed = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            result = measure(&layout, &programs, options, &dir, &mut report) => result,
        }
    });
    runtime.shutdown_background();
    if report.sizes.is_empty() {
        return result;
    }
    // What was measured before something failed is worth its time.
    let written = report::write(&report, &dir);
    result.and(written)
}

/// The programs under test lie beside this one, which is built as they are: a load generator without
/// optimisation would be what is measured.
fn programs(options: &Options) -> Result<Programs> {
    let own = std::env::current_exe().map_err(|cause| Error::failed("this program", cause))?;
    let beside = own.parent().unwrap_or(&own);
    let programs = Programs {
        adapter: options
            .adapter
            .clone()
            .unwrap_or_else(|| beside.join("metrics-adapter")),
        limit: beside.join("examples/static_limit"),
    };
    for program in [&programs.adapter, &programs.limit] {
        if !program.is_file() {
            let problem = "is not built yet; `make bench` builds it";
            return Err(Error::failed(program.display().to_string(), problem));
        }
    }
    Ok(programs)
}

async fn measure(
    layout: &Layout,
    programs: &Programs,
    options: &Options,
    dir: &Path,
    report: &mut Report,
) -> Result<()> {
    for size in &options.sizes {
        let places = Places::prepare(layout, dir)?;
        say(&format!("{size}:"));
        let mut told = SizeReport::new(*size);
        let result = one_size(places, programs, options, &mut told).await;
        report.sizes.push(told);
        result?;
    }
    Ok(())
}

async fn one_size(
    places: Places,
    programs: &Programs,
    options: &Options,
    told: &mut SizeReport,
) -> Result<()> {
    let shape = told.size.shape();
    say("  starting etcd, kube-apiserver, Prometheus");
    let exporter = Exporter::start(shape)?;
    let mut stage = Stage::start(places.clone(), &exporter, shape).await?;
    say(&format!(
        "  creating {} pods, waiting for {} series",
        shape.namespaces * shape.pods,
        shape.series()
    ));
    objects::registration(&places).await?;
    objects::pods(&places, shape).await?;
    stage.scraped(shape).await?;

    let mut adapter = places.start_adapter(programs, places.prometheus, &[])?;
    stage::ready(&mut adapter, places.admin).await?;
    // Until what the start needed is given back.
    sleep(SETTLE).await;
    told.idle_bytes = usage::memory(adapter.id())?.now;
    let result = under_load(&stage, programs, options, &adapter, told).await;
    // Its own end explains more than what its clients miss.
    adapter.check()?;
    result?;
    told.peak_bytes = usage::memory(adapter.id())?.peak;
    adapter.end();
    if options.has(Part::Start) {
        say("  starts of the adapter");
        let first = shape.questions()[0];
        for _ in 0..options.rounds {
            let start = start::once(&places, programs, shape, first).await?;
            told.starts.push(start);
        }
    }
    if options.has(Part::Relist) {
        for names in relist::NAMES {
            let relist = relist::measure(&places, programs, names).await?;
            told.relists.push(relist);
        }
    }
    stage.check()
}

/// Everything that one adapter is asked.
async fn under_load(
    stage: &Stage,
    programs: &Programs,
    options: &Options,
    adapter: &Child,
    told: &mut SizeReport,
) -> Result<()> {
    let (places, shape) = (&stage.places, told.size.shape());
    let questions = shape.questions();
    let encoding = if options.protobuf {
        Encoding::Protobuf
    } else {
        Encoding::Json
    };
    let media_type = encoding.media_type();
    let endpoint = places.front_proxy()?;
    let direct = Target {
        questions: Prepared::metrics(&endpoint, shape, &questions, encoding)?,
        endpoint,
        headers: front_proxy_headers(media_type),
    };
    direct.ask_all(WARM_UP_CALLERS).await?;
    let processes = vec![
        (limit::Who::Adapter.name(), adapter.id()),
        ("prometheus", stage.prometheus.id()),
        ("kube-apiserver", stage.apiserver.id()),
    ];
    if options.has(Part::Limit) {
        let (direct, processes) = (direct.clone(), processes.clone());
        let contest =
            Contest::start(places, programs, direct, processes, &questions, media_type).await?;
        for callers in &options.callers {
            let comparison = contest.compare(options, *callers).await?;
            told.comparisons.push(comparison);
        }
    }
    if options.has(Part::Aggregated) {
        say("  through kube-apiserver");
        let endpoint = places.hpa()?;
        let target = Target {
            questions: Prepared::metrics(&endpoint, shape, &questions, encoding)?,
            endpoint,
            headers: aggregated::headers(media_type),
        };
        told.aggregated = aggregated::measure(&target, &processes, options).await?;
    }
    if options.has(Part::Controller) {
        say("  a simulated HPA controller");
        for arrival in Arrival::ALL {
            let course = Course {
                arrival,
                hpas: options.hpas,
                periods: options.periods,
            };
            let simulated = controller::simulate(stage, &direct, shape, course, &processes).await?;
            told.controller.push(simulated);
        }
    }
    Ok(())
}

/// How long an adapter that was just started is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// Callers that ask everything once before the first window.
const WARM_UP_CALLERS: usize = 8;
