//! Faults of reviews: nobody gets what nobody allowed.

use std::time::Duration;

use crate::api_server::{Behaviour, Reviews};
use crate::probe::Probe;
use crate::proxy::Mode;
use crate::report::Row;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

/// A token and an access are reviewed for 4 s each, at most.
const JUDGED: Judged = Judged {
    limit: Duration::from_secs(10),
    discovery: DISCOVERY,
    unharmed: &[Probe::Queue],
};

/// One fault after another.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        probes: &[
            Probe::Discovery,
            Probe::Pods,
            Probe::Queue,
            Probe::Stranger,
            Probe::Token,
            Probe::BadToken,
        ],
        ..Setup::default()
    };
    let world = World::start(suite, setup).await;
    for (name, reviews) in [
        ("reviews hang", Reviews::Hang),
        ("reviews answer 500", Reviews::Status(500)),
        ("reviews answer 429", Reviews::Status(429)),
        ("reviews answer 403", Reviews::Status(403)),
        ("reviews answer half an object", Reviews::Garbage),
    ] {
        let behaviour = Behaviour {
            reviews,
            ..Behaviour::default()
        };
        let fault = world.api_server.during(behaviour, Duration::from_secs(5));
        world
            .fault(&format!("kube-apiserver: {name}"), JUDGED, fault)
            .await;
    }
    let fault = world.cluster.during(Mode::Die, Duration::from_secs(5));
    let name = "kube-apiserver: connections for reviews die silently";
    world.fault(name, JUDGED, fault).await;
    world.rows()
}
