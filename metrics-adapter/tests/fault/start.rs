//! What is away when the adapter starts.

use std::time::Duration;

use crate::probe::Probe;
use crate::proxy::Mode;
use crate::report::Row;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

const JUDGED: Judged = Judged {
    limit: Duration::from_millis(2500),
    discovery: DISCOVERY,
    unharmed: &[],
};

/// Prometheus comes a good while after the adapter, which relists every ten minutes.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        probes: &[Probe::Discovery, Probe::Pods, Probe::Queue],
        arguments: &["--metrics-relist-interval=10m"],
        mode: Mode::Refuse,
        ..Setup::default()
    };
    let world = World::start_unsettled(suite, setup).await;
    let fault = world
        .prometheus
        .during(Mode::Refuse, Duration::from_secs(17));
    world
        .fault("Prometheus: away when the adapter starts", JUDGED, fault)
        .await;
    world.rows()
}
