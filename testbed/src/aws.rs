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

/// Runs the demo; says whether the group did what it should.
///
/// # Errors
/// When a part cannot be started, or the demo is interrupted.
pub fn demo(output_dir: Option<PathBuf>) -> Result<bool> {
    let layout = Layout::find()?;
    let dir = output_dir.unwrap_or_else(|| layout.workspace().join("target/demo-aws"));
    setup::aws()?;
    let programs = step("build the programs", || stage::build(&layout))?;
    let mut stage = step("start everything on loopback", || {
        Stage::start(&programs, &dir)
    })?;
    let seen = crate::demo::on_loopback(watch::watch(&mut stage));
    stage.end();
    let verdict = judge::judge(seen?);
    let text = judge::text(&verdict);
    report::write_pool(&verdict.pool, &text, &dir)?;
    let _ = writeln!(io::stdout().lock(), "\n{text}");
    say(&format!("report and picture are in {}", dir.display()));
    Ok(verdict.pool.held)
}
