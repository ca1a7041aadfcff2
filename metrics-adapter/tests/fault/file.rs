//! Certificates, tokens and authorities that change while the adapter runs.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::authority::{Authority, Identity};
use crate::client::{Client, HPA, MASTER};
use crate::probe::{PODS, Probe};
use crate::proxy::Mode;
use crate::report::Row;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

/// Longer than it takes until a change of a file is noticed, which is 2 s.
const TIME: Duration = Duration::from_secs(3);

const ALL: &[Probe] = &[
    Probe::Discovery,
    Probe::Fresh,
    Probe::Pods,
    Probe::Queue,
    Probe::Stranger,
];

/// No request fails.
const JUDGED: Judged = Judged {
    limit: Duration::from_millis(2500),
    discovery: DISCOVERY,
    unharmed: ALL,
};

/// Values may be lost meanwhile.
const WITHOUT_VALUES: Judged = Judged {
    unharmed: &[Probe::Fresh, Probe::Stranger],
    ..JUDGED
};

/// One fault after another.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        probes: ALL,
        mode: guard(&["first"]),
        ..Setup::default()
    };
    let world = World::start(suite, setup).await;
    serving(&world).await;
    token(&world).await;
    callers(&world).await;
    world.rows()
}

async fn serving(world: &World) {
    let fault = async {
        fs::write(world.path("tls.crt"), "no certificate").unwrap();
        sleep(TIME).await;
    };
    world
        .fault("files: serving certificate broken", JUDGED, fault)
        .await;
    let fault = async {
        let certificate = world.serving.issue("adapter").pem().0;
        fs::write(world.path("tls.crt"), certificate).unwrap();
        sleep(TIME).await;
    };
    world
        .fault("files: serving certificate of another key", JUDGED, fault)
        .await;
    let fault = async {
        let new = world.serving.issue("adapter");
        world.serve_pair(&new);
        served(world, &new).await
    };
    world
        .fault_checked("files: serving certificate replaced", JUDGED, fault)
        .await;
    let fault = async {
        let short = world.serving.issue_for("adapter", 2 * TIME);
        world.serve_pair(&short);
        let mut problems = served(world, &short).await;
        // As cert-manager does, before the old one ends.
        let next = world.serving.issue("adapter");
        world.serve_pair(&next);
        problems.extend(served(world, &next).await);
        sleep(2 * TIME).await;
        problems
    };
    world
        .fault_checked(
            "files: serving certificate renewed at its end",
            JUDGED,
            fault,
        )
        .await;
}

/// What is wrong if new connections do not get this certificate in time.
async fn served(world: &World, identity: &Identity) -> Vec<String> {
    let caller = world.front_proxy.issue("front-proxy-client");
    let client = Client::new(world.address, &[world.serving.der()], Some(&caller));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if let Ok((_, certificate)) = client.connect().await
            && certificate == identity.chain()[0].to_vec()
        {
            return Vec::new();
        }
        sleep(Duration::from_millis(100)).await;
    }
    vec!["the new certificate is not served after 5 s".to_owned()]
}

/// Prometheus takes these tokens.
fn guard(tokens: &[&str]) -> Mode {
    Mode::Guard(
        tokens
            .iter()
            .map(|token| format!("Bearer {token}"))
            .collect(),
    )
}

async fn token(world: &World) {
    // Renamed into place, as the kubelet does.
    let write = |token: &str| {
        fs::write(world.path("token.new"), token).unwrap();
        fs::rename(world.path("token.new"), world.path("token")).unwrap();
    };
    let fault = async {
        world.prometheus.set(guard(&["second"]));
        sleep(TIME).await;
        write("second");
    };
    world
        .fault(
            "files: Prometheus' token replaced late",
            WITHOUT_VALUES,
            fault,
        )
        .await;
    let fault = async {
        fs::remove_file(world.path("token")).unwrap();
        sleep(TIME).await;
        write("second");
    };
    world
        .fault("files: Prometheus' token missing", WITHOUT_VALUES, fault)
        .await;
    let fault = async {
        world.prometheus.set(guard(&["second", "third"]));
        write("third");
        sleep(TIME).await;
        world.prometheus.set(guard(&["third"]));
    };
    world
        .fault("files: Prometheus' token rotated", JUDGED, fault)
        .await;
}

async fn callers(world: &World) {
    let fault = async {
        let identity = world.front_proxy.issue_for("front-proxy-client", TIME);
        let client = Client::new(world.address, &[world.serving.der()], Some(&identity));
        let before = client.get(PODS, HPA).await.map(|answer| answer.0).ok();
        sleep(TIME + Duration::from_secs(1)).await;
        // The same connection.
        let after = client.get(PODS, HPA).await.map(|answer| answer.0).ok();
        let as_it_should = before == Some(200) && after == Some(401);
        let told = format!("before its end {before:?}, after it {after:?}");
        if as_it_should { Vec::new() } else { vec![told] }
    };
    let name = "files: a front proxy's certificate expires";
    world.fault_checked(name, JUDGED, fault).await;
    let next = Authority::new("next");
    let fault = async {
        let mut problems = Vec::new();
        let client = |authority: &Authority| {
            let identity = authority.issue("front-proxy-client");
            Client::new(world.address, &[world.serving.der()], Some(&identity))
        };
        let (old, new) = (client(&world.front_proxy), client(&next));
        let both = format!("{}{}", world.front_proxy.pem(), next.pem());
        let only_old = world.front_proxy.pem();
        for (authorities, expected) in [
            (only_old.clone(), (Some(200), Some(401))),
            (both, (Some(200), Some(200))),
            (only_old, (Some(200), Some(401))),
        ] {
            world.api_server.rotate(authorities);
            sleep(Duration::from_secs(1)).await;
            let status =
                async |client: &Client| client.get(PODS, MASTER).await.map(|answer| answer.0).ok();
            let found = (status(&old).await, status(&new).await);
            if found != expected {
                problems.push(format!("{found:?}, not {expected:?}"));
            }
        }
        problems
    };
    let name = "files: a front proxies' authority comes and goes";
    world.fault_checked(name, JUDGED, fault).await;
}
