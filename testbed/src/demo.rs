//! The demo: the stock HPA scales the server up and down while the load rises step by step, and
//! everybody can watch. Law: conditions end its steps; the load never outlives it; no figure is
//! said that was not measured.
//!
//! | module | owns |
//! | --- | --- |
//! | `plan` | the steps, the goal, the limits |
//! | `course` | what to do next, from what is seen |
//! | `live` | the loop that looks, acts and shows |
//! | `api`, `look` | the questions, and what the answers say |
//! | `measure` | the figures of each step |
//! | `screen` | what is shown meanwhile |
//! | `environment` | versions and the machine |

mod api;
mod course;
mod environment;
mod live;
mod look;
mod measure;
mod plan;
mod screen;

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
};

use self::{
    api::Api,
    live::{Load, Seen, interrupted},
};
use crate::{
    binaries,
    cluster::Cluster,
    component, error, images,
    layout::Layout,
    network,
    progress::{now, say, step},
    report::{self, Fact, Maxima, Phase, Summary},
    setup,
    stack::Stack,
    up,
};

/// Watches a demo that runs on loopback until it is over, or somebody interrupts it.
///
/// # Errors
/// Those of `watching`, or because of the interruption.
pub(crate) fn on_loopback<T>(watching: impl Future<Output = error::Result<T>>) -> error::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| error::Error::Missing(format!("cannot start a runtime: {cause}")))?;
    // An error here only says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runtime.block_on(async {
        tokio::select! {
            () = interrupted() => Err(error::Error::Missing("interrupted".to_owned())),
            seen = watching => seen,
        }
    })
}

/// What the user may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the report goes; `target/demo` of the workspace when it is not given.
    pub output_dir: Option<PathBuf>,
    /// Number of clients in each step.
    pub clients: Vec<u32>,
    /// What was done before this process, as `name=seconds`; for the demo's own use.
    pub phases: Vec<String>,
}

/// Why a demo ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something of the testbed failed.
    #[error(transparent)]
    Testbed(#[from] crate::Error),
    /// Nobody could say whether the goal was held.
    #[error("the goal was not judged: `loadclient verify` gave no verdict, see above")]
    NotJudged,
    /// A signal asked for the end.
    #[error("interrupted; the load is stopped, the cluster stays up (`make down` removes it)")]
    Interrupted,
    /// The process could not do what it must.
    #[error("cannot {action}: {cause}")]
    Process {
        /// What it could not do.
        action: &'static str,
        /// Why.
        cause: io::Error,
    },
}

impl Error {
    fn process(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Process { action, cause }
    }
}

/// Runs the demo; says whether the goal was held. Outside the cluster's network it sets up what is
/// missing, and then becomes a process inside.
///
/// # Errors
/// When a part cannot be set up, or the demo is interrupted.
pub fn demo(options: &Options) -> Result<bool, Error> {
    if network::inside() {
        run(options)
    } else {
        Err(enter(options))
    }
}

/// Sets up what is missing and replaces this process; returns only when that fails.
fn enter(options: &Options) -> Error {
    let phases = match prepare() {
        Ok(phases) => phases,
        Err(error) => return error.into(),
    };
    let command = || -> Result<_, Error> {
        let program = std::env::current_exe().map_err(Error::process("find this program"))?;
        Ok(Cluster::connect()?.command(program))
    };
    let mut command = match command() {
        Ok(command) => command,
        Err(error) => return error,
    };
    command
        .arg("demo")
        .arg("--clients")
        .arg(joined(&options.clients));
    if let Some(dir) = &options.output_dir {
        command.arg("--output-dir").arg(dir);
    }
    for phase in phases {
        let mut text = OsString::from("--phase=");
        text.push(format!("{}={:.1}", phase.name, phase.seconds));
        command.arg(text);
    }
    Error::process("enter the cluster's network")(command.exec())
}

/// Everything up to a cluster that has the images.
fn prepare() -> crate::Result<Vec<Phase>> {
    let mut phases = Vec::new();
    let mut phase = |name: &str, run: &dyn Fn() -> crate::Result<()>| {
        let begun = now();
        say(&format!("{name}:"));
        run()?;
        phases.push(Phase {
            name: name.to_owned(),
            seconds: begun.elapsed().as_secs_f64(),
        });
        Ok::<_, crate::Error>(())
    };
    phase("install what is missing", &setup::setup)?;
    phase("build Kubernetes", &binaries::build)?;
    phase("start the cluster", &|| {
        up::up(&component::Options::default()).map(drop)
    })?;
    phase("build and import images", &|| images::images(&[]))?;
    Ok(phases)
}

/// Installs the stack, makes the load, watches, and reports.
fn run(options: &Options) -> Result<bool, Error> {
    let begun = now();
    let mut phases = parsed(&options.phases);
    let cluster = Cluster::connect()?;
    say("install the charts:");
    let stack = Stack::deploy(&cluster, &plan::settings())?;
    phases.push(Phase {
        name: "install the charts".to_owned(),
        seconds: begun.elapsed().as_secs_f64(),
    });

    let waited = now();
    // An error here only says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let api = Api::new(cluster.layout())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::process("start a runtime"))?;
    let load = Load(&stack);
    let result = runtime.block_on(async {
        tokio::select! {
            () = interrupted() => Err(Error::Interrupted),
            seen = watch(&api, &stack, &options.clients) => seen,
        }
    });
    // First of all, whatever the result is.
    drop(load);
    let environment = match &result {
        Ok(_) => runtime.block_on(environment::facts(&api)),
        Err(_) => Vec::new(),
    };
    // A wait in the background must not keep an interrupted demo.
    runtime.shutdown_background();
    let seen = result?;
    let first = seen.samples.last().map_or(0.0, |last| last.t);
    phases.push(Phase {
        name: "first metrics".to_owned(),
        seconds: (waited.elapsed().as_secs_f64() - first).max(0.0),
    });
    let summary = summary(seen, phases, environment);
    let dir = output_dir(options, cluster.layout());
    report::write(&summary, &dir)?;
    conclude(&summary, &dir).map_err(Error::process("write to standard output"))?;
    let verdict = summary.verdict.ok_or(Error::NotJudged)?;
    Ok(verdict.held)
}

/// Starts the first step's clients, waits until the HPA has its metrics, and watches.
async fn watch(api: &Api, stack: &Stack, clients: &[u32]) -> Result<Seen, Error> {
    api.scale_clients(clients.first().copied().unwrap_or(0))
        .await?;
    let waiting = stack.clone();
    tokio::task::spawn_blocking(move || {
        step("metrics served for the server's pods", || {
            waiting.wait_metrics()
        })?;
        step("HPA reads both metrics", || waiting.wait_hpa())
    })
    .await
    .map_err(|error| Error::process("wait for the metrics")(error.into()))??;
    Ok(live::watch(api, stack, clients).await?)
}

fn summary(seen: Seen, mut phases: Vec<Phase>, environment: Vec<Fact>) -> Summary {
    let steps = measure::steps(&seen.made, &seen.samples);
    phases.extend(steps.iter().map(|step| Phase {
        name: if step.clients == 0 {
            "load stopped, back to one pod".to_owned()
        } else {
            format!("load of {} requests/s", step.offered)
        },
        seconds: step.end - step.start,
    }));
    let total_seconds = phases.iter().map(|phase| phase.seconds).sum();
    let settings = plan::differences().into_iter();
    Summary {
        started: seen.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        goal: plan::GOAL,
        verdict: seen.verdict,
        judged: seen.judged,
        checks: measure::checks(&steps, total_seconds),
        target: plan::TARGET,
        maxima: Maxima::of(&seen.samples),
        steps,
        events: seen.events,
        phases,
        total_seconds,
        environment,
        settings: settings
            .map(|(name, value)| Fact {
                name: name.to_owned(),
                value,
            })
            .collect(),
        samples: seen.samples,
    }
}

fn output_dir(options: &Options, layout: &Layout) -> PathBuf {
    let default = || layout.workspace().join("target/demo");
    options.output_dir.clone().unwrap_or_else(default)
}

/// The last words.
fn conclude(summary: &Summary, dir: &std::path::Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}", report::text(summary))?;
    for (what, file) in [
        ("report", report::PAGE),
        ("figures", report::SUMMARY),
        ("picture", report::PICTURE),
    ] {
        writeln!(out, "  {what:<8} {}", dir.join(file).display())?;
    }
    writeln!(
        out,
        "\nThe cluster stays up with everything installed, without load.\n  \
         make shell   look around: kubectl describe hpa server\n  \
         make down    remove all"
    )
}

fn joined(clients: &[u32]) -> String {
    let clients: Vec<String> = clients.iter().map(u32::to_string).collect();
    clients.join(",")
}

/// What [`enter`] has passed on.
fn parsed(phases: &[String]) -> Vec<Phase> {
    phases
        .iter()
        .filter_map(|phase| {
            let (name, seconds) = phase.rsplit_once('=')?;
            Some(Phase {
                name: name.to_owned(),
                seconds: seconds.parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_survive_the_way_inside() {
        let phases = parsed(&["build a=b=1.5".into(), "broken".into()]);
        let expected = Phase {
            name: "build a=b".into(),
            seconds: 1.5,
        };
        assert_eq!(phases, [expected]);
        assert_eq!(joined(&[1, 6]), "1,6");
    }
}
