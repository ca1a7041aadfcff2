//! Faults of kube-apiserver as the source of objects and of the authentication configuration.

use std::time::Duration;

use crate::api_server::{Behaviour, ConfigMap, Documents, Watches};
use crate::probe::Probe;
use crate::proxy::Mode;
use crate::report::Row;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

const TIME: Duration = Duration::from_millis(2200);

/// Values come from memory; the HPA controller's need a review, which takes 4 s at most.
const JUDGED: Judged = Judged {
    limit: Duration::from_millis(6500),
    discovery: DISCOVERY,
    unharmed: &[Probe::Queue],
};

/// A pod comes or goes during each: it must be known, or forgotten, in time.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let world = World::start(suite, Setup::default()).await;
    for (name, mode) in [
        ("refuses connections", Mode::Refuse),
        ("accepts and says nothing", Mode::Hang),
        ("connections cut inside the handshake", Mode::Cut(20)),
        ("connections cut inside an answer", Mode::Cut(3000)),
        ("answers late", Mode::Delay(Duration::from_millis(300))),
        ("connections die silently", Mode::Die),
    ] {
        // Longer than it takes to notice that a connection is dead.
        let time = match mode {
            Mode::Die => 3 * TIME,
            _ => TIME,
        };
        let fault = async {
            let end = async {
                tokio::time::sleep(time / 2).await;
                world.api_server.toggle_pod();
            };
            tokio::join!(world.cluster.during(mode, time), end);
        };
        world
            .fault(&format!("kube-apiserver: {name}"), JUDGED, fault)
            .await;
    }
    let watches = |watches| Behaviour {
        watches,
        ..Behaviour::default()
    };
    let config_map = |config_map| Behaviour {
        config_map,
        ..Behaviour::default()
    };
    let status = |status| Behaviour {
        status: Some(status),
        ..Behaviour::default()
    };
    let documents = |documents| Behaviour {
        documents,
        ..Behaviour::default()
    };
    let second = Duration::from_secs(1);
    for (name, behaviour) in [
        ("500 for everything", status(500)),
        ("429 for everything", status(429)),
        ("HTML with 200 for everything", documents(Documents::Html)),
        ("half of every answer", documents(Documents::Truncated)),
        (
            "answers that stop in the middle",
            documents(Documents::Stalled),
        ),
        (
            "watches end at once",
            watches(Watches::EndAfter(Duration::ZERO)),
        ),
        (
            "watches end after a second",
            watches(Watches::EndAfter(second)),
        ),
        ("watches send garbage", watches(Watches::Garbage)),
        ("watches are told 410 Gone", watches(Watches::Gone)),
        (
            "ConfigMap of authentication forbidden",
            config_map(ConfigMap::Forbidden),
        ),
        (
            "ConfigMap of authentication gone",
            config_map(ConfigMap::Missing),
        ),
        (
            "ConfigMap of authentication broken",
            config_map(ConfigMap::Broken),
        ),
    ] {
        let fault = async {
            let end = async {
                tokio::time::sleep(TIME / 2).await;
                world.api_server.toggle_pod();
            };
            tokio::join!(world.api_server.during(behaviour, TIME), end);
        };
        world
            .fault(&format!("kube-apiserver: {name}"), JUDGED, fault)
            .await;
    }
    world.rows()
}
