//! The machine's clock, which somebody sets while the adapter runs.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::probe::Probe;
use crate::report::Row;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

const HOUR: i64 = 3600;
/// Several relists, reviews and looks at files.
const TIME: Duration = Duration::from_secs(4);

/// Nobody notices.
const JUDGED: Judged = Judged {
    limit: Duration::from_millis(2500),
    discovery: DISCOVERY,
    unharmed: &[Probe::Fresh, Probe::Pods, Probe::Queue, Probe::Stranger],
};

/// Every fault is two steps: there and back.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        probes: &[
            Probe::Discovery,
            Probe::Fresh,
            Probe::Pods,
            Probe::Queue,
            Probe::Stranger,
        ],
        clock: true,
        ..Setup::default()
    };
    let world = World::start(suite, setup).await;
    for (name, offset) in [
        ("clock: an hour ahead", HOUR),
        ("clock: an hour behind", -HOUR),
    ] {
        let fault = async {
            let (start, used) = (Instant::now(), world.processor_time());
            world.set_clock(offset);
            sleep(TIME).await;
            world.set_clock(0);
            let (took, used) = (start.elapsed(), world.processor_time() - used);
            let mut problems = Vec::new();
            // Four fifths of a processor: some loop does not sleep.
            if used > took * 4 / 5 {
                problems.push(format!("{used:?} of processor time in {took:?}"));
            }
            if !world
                .log()
                .contains("clocks of this machine and of Prometheus disagree")
            {
                problems.push("the step was not noticed".to_owned());
            }
            problems
        };
        world.fault_checked(name, JUDGED, fault).await;
    }
    world.rows()
}
