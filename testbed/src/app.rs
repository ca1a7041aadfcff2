//! The program: one action per run. Exit codes: 0, 1 for a failure, 64 for wrong usage, 3 when a
//! demo did not hold its goal; `exec` and
//! `shell` become the command and so end with its code.

use std::{ffi::OsString, os::unix::process::CommandExt, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;

use crate::{
    aws, bench, binaries,
    cli::{self, Action, Cli},
    cluster::Cluster,
    component::Options,
    demo, down, e2e, exoscale, images, progress, report, setup, up,
};

/// EX_USAGE of sysexits.h.
const USAGE: u8 = 64;
/// What `demo` ends with when it ran well but the goal was not held, as `loadclient verify` does.
const NOT_HELD: u8 = 3;

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match act(cli.command) {
        Ok(code) => code,
        Err(error) => {
            progress::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn act(action: Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Setup => setup::setup()?,
        Action::Build => binaries::build()?,
        Action::Up { feature_gates } => drop(up::up(&Options { feature_gates })?),
        Action::Down => down::down()?,
        Action::Status => up::status()?,
        Action::Images { names } => images::images(&names)?,
        Action::E2e { list: true, .. } => e2e::list(),
        Action::E2e { filters, .. } => {
            if !e2e::run(&filters)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Action::Demo {
            output_dir,
            clients,
            phase,
        } => {
            let options = demo::Options {
                output_dir,
                clients,
                phases: phase,
            };
            if !demo::demo(&options)? {
                return Ok(NOT_HELD.into());
            }
        }
        Action::DemoExoscale { output_dir } => {
            if !exoscale::demo(output_dir)? {
                return Ok(NOT_HELD.into());
            }
        }
        Action::DemoAws { output_dir } => {
            if !aws::demo(output_dir)? {
                return Ok(NOT_HELD.into());
            }
        }
        Action::Bench {
            size,
            callers,
            connections,
            window,
            rounds,
            parts,
            hpas,
            periods,
            protobuf,
            adapter,
            output_dir,
        } => bench::bench(&bench::Options {
            sizes: size.sizes(),
            callers: callers.into_iter().map(usize::from).collect(),
            connections: connections.into(),
            window: Duration::from_secs(window),
            rounds,
            parts,
            hpas: hpas.into(),
            periods,
            protobuf,
            adapter,
            output_dir,
        })?,
        Action::Report { input } => report::render(&input)?,
        Action::Exec { command } => {
            let (program, args) = command.split_first().context("no command given")?;
            become_command(program, args)?;
        }
        Action::Shell => {
            let shell = cli::variable("SHELL").unwrap_or_else(|| "/bin/sh".into());
            progress::say("inside the testbed; try `kubectl get pods -A`, leave with `exit`");
            become_command(&shell, &[])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Replaces this process; returns only when that fails.
fn become_command(program: &OsString, args: &[OsString]) -> anyhow::Result<()> {
    let cluster = Cluster::connect()?;
    let error = cluster.command(program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
