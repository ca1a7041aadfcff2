//! Faults of kube-apiserver as the source of objects and of the authentication configuration.

use std::net::SocketAddr;
use std::time::Duration;

use crate::api_server::{Behaviour, ConfigMap, Watches};
use crate::probe::Probe;
use crate::proxy::Mode;
use crate::report::Row;
use crate::world::{Judged, MEMORY, Setup, World};

const TIME: Duration = Duration::from_millis(2200);

/// Values come from memory; the HPA controller's need a review, which takes 4 s at most.
const JUDGED: Judged = Judged {
    limit: Duration::from_millis(6500),
    unharmed: &[Probe::Queue],
    memory: MEMORY,
};

/// A pod comes or goes during each: it must be known, or forgotten, in time.
pub(crate) async fn faults(prometheus: SocketAddr) -> Vec<Row> {
    let world = World::start(prometheus, Setup::default()).await;
    for (name, mode) in [
        ("refuses connections", Mode::Refuse),
        ("accepts and says nothing", Mode::Hang),
        ("connections cut inside the head", Mode::Cut(20)),
    ] {
        let fault = async {
            let end = async {
                tokio::time::sleep(TIME / 2).await;
                world.api_server.toggle_pod();
            };
            tokio::join!(world.cluster.during(mode, TIME), end);
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
    let second = Duration::from_secs(1);
    for (name, behaviour) in [
        ("500 for everything", status(500)),
        ("429 for everything", status(429)),
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
