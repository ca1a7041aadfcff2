//! The demo of target tracking: a group of one or two instances keeps its average CPU near 40 %,
//! as the Auto Scaling group of `terraform/aws` does, and everybody can watch.
//!
//! Real: the instances' `server` processes, the CPU that they use, the load by `loadclient http`.
//! Ours: the arithmetic of the alarms and of the policy, after AWS' user guide. Fake: instances that
//! boot, and the load balancer, by `exoscale-fake`. Time runs 20 times as fast. Law: everything is
//! on loopback, ends with the demo, and takes five minutes at most once the programs are built.
//!
//! | module | owns |
//! | --- | --- |
//! | `tracking` | from data points to a size; pure |
//! | `plan` | load, times and limits, and the arithmetic behind them |
//! | `stage` | what is started |
//! | `metric` | from counters of CPU time to data points |
//! | `watch` | looking, deciding when to go on, showing |
//! | `judge` | the verdict and the report |

mod judge;
mod metric;
mod plan;
mod stage;
mod tracking;
mod watch;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use self::stage::Stage;
use crate::{
    error::{Error, Result},
    layout::Layout,
    progress::{say, step},
    report, setup,
};

/// Runs the demo; says whether the group did what it should.
///
/// # Errors
/// When a part cannot be started, or the demo is interrupted.
pub fn demo(output_dir: Option<PathBuf>) -> Result<bool> {
    let layout = Layout::find()?;
    let dir = output_dir.unwrap_or_else(|| layout.workspace().join("target/demo-aws"));
    setup::aws()?;
    let programs = step("build the programs", || stage::build(&layout))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::Missing(format!("cannot start a runtime: {cause}")))?;
    // An error here only says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut stage = step("start everything on loopback", || {
        Stage::start(&programs, &dir)
    })?;
    let seen = runtime.block_on(async {
        tokio::select! {
            () = crate::demo::interrupted() => Err(Error::Missing("interrupted".to_owned())),
            seen = watch::watch(&mut stage) => seen,
        }
    });
    stage.end();
    let verdict = judge::judge(seen?);
    let text = judge::text(&verdict);
    let json = serde_json::to_string(&verdict.pool).unwrap_or_default() + "\n";
    for (name, text) in [
        ("report.txt", &text),
        ("demo.svg", &report::pool_picture(&verdict.pool)),
        ("summary.json", &json),
    ] {
        let file = dir.join(name);
        fs::write(&file, text).map_err(Error::file("write", file))?;
    }
    let _ = writeln!(io::stdout().lock(), "\n{text}");
    say(&format!("report and picture are in {}", dir.display()));
    Ok(verdict.pool.held)
}
