//! The demo of the instance pool: alerts scale it by its average CPU, and everybody can watch.
//!
//! Real: Prometheus and Alertmanager with the files of `exoscale/monitoring`, in which only
//! addresses and times are changed; `exoscale-sd`, `exoscale-autoscaler`, and the instances'
//! `server` processes with the CPU they use. Fake: Exoscale itself. Law: everything is on loopback,
//! ends with the demo, and takes five minutes at most, of which growing takes two.
//!
//! | module | owns |
//! | --- | --- |
//! | `plan` | load, times and limits, and the arithmetic behind them |
//! | `stage` | what is started, with which files |
//! | `watch` | looking, deciding when to go on, showing |
//! | `judge` | the verdict and the report |

mod judge;
mod plan;
mod stage;
mod watch;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use self::stage::Stage;
use crate::{
    error::Result,
    layout::Layout,
    progress::{say, step},
    report, setup,
};

/// Runs the demo; says whether the pool did what it should.
///
/// # Errors
/// When a part cannot be started, or the demo is interrupted.
pub fn demo(output_dir: Option<PathBuf>) -> Result<bool> {
    let layout = Layout::find()?;
    let dir = output_dir.unwrap_or_else(|| layout.workspace().join("target/demo-exoscale"));
    setup::exoscale()?;
    let programs = step("build the programs", || stage::build(&layout))?;
    let mut stage = step("start everything on loopback", || {
        Stage::start(&layout, &programs, &dir)
    })?;
    let seen = crate::demo::on_loopback(watch::watch(&stage));
    let ends = stage.end();
    let verdict = judge::judge(seen?, &ends);
    let text = judge::text(&verdict);
    report::write_pool(&verdict.pool, &text, &dir)?;
    let _ = writeln!(io::stdout().lock(), "\n{text}");
    say(&format!("report and picture are in {}", dir.display()));
    Ok(verdict.pool.held)
}
