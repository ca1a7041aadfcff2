//! Everything that expires is replaced, again and again, while callers never stop asking: a day of
//! short-lived certificates and tokens in half a minute. Each rotation follows the order of a
//! careful operator, is proven to be in use, and costs nobody an answer; broken versions on the
//! way change nothing, and show.

mod load;
mod mount;
mod prometheus;
mod token;
mod world;

use std::sync::Arc;

use serde_json::json;

use self::load::{Caller, Load};
use self::prometheus::Upstream;
use self::world::{HPA, PROXY, ROBOT, World, half, pair, rules};
use crate::authority::{Ca, Identity};

/// Rotations of the serving certificate, of which the adapter looks at the files every 2 s.
const CERTIFICATES: usize = 6;
/// Rotations of what the ConfigMap tells, which is watched.
const AUTHORITIES: usize = 24;
/// Versions of the rules file, which counts at the second look, 1 s later.
const RULES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_rules_rotate_and_no_request_fails() {
    let (proxies, clients) = (Ca::new("front proxies"), Ca::new("clients"));
    let directory = tempfile::tempdir().unwrap();
    let (upstream, prometheus) = Upstream::start(directory.path()).await;
    let url = prometheus.url();
    let arguments = upstream.arguments();
    let both = (&proxies, &clients);
    let world = World::start(directory, both, prometheus, &url, &arguments).await;
    let caller = |name, identity, headers: &[(&'static str, &str)]| {
        Caller::new(name, world.address, &world.authorities(), identity, headers)
    };
    let front = caller("front proxy", Some(proxies.issue(PROXY, &[])), HPA);
    let user = caller("user", Some(clients.issue("reader", &[])), &[]);
    let robot = caller("robot", None, ROBOT);
    let reader = clients.issue("reader", &[]);
    world.until_status(&user, &reader, 200).await;

    let load = Load::start(&[Arc::clone(&front), Arc::clone(&user), robot]);
    let rounds = tokio::join!(
        serving(&world, &front),
        front_proxies(&world, &front, &proxies),
        authorities(&world, &user, clients),
        versions(&world),
        upstream.rotate(&world),
    );
    let rounds = rounds.0 + rounds.1 + rounds.2 + rounds.3 + rounds.4;
    world.until_asked(&load, 500).await;
    load.judge();
    assert!(rounds >= 60, "{rounds}");
}

/// The adapter's own certificate, by one authority and the other.
async fn serving(world: &World, caller: &Caller) -> usize {
    let mut last = pair(&world.serving[0].issue_serving());
    world.certificate.swap(&last.each_ref());
    for round in 0..CERTIFICATES {
        let identity = world.serving[round % 2].issue_serving();
        let next = pair(&identity);
        let broken = match round {
            1 => Some(next.halved()),
            4 => Some(next.with_key_of(&last)),
            _ => None,
        };
        if let Some(broken) = broken {
            world.certificate.swap(&broken);
            world.until_told("certificate_reload_failing", 1).await;
            world
                .program
                .says(&["keeping the last good serving certificate"])
                .await;
        }
        world.certificate.swap(&next.each_ref());
        world
            .until("the new certificate is served", async || {
                let answer = caller.try_with(None).await;
                answer.is_ok_and(|(_, served)| served == identity.chain[0])
            })
            .await;
        world.until_told("certificate_reload_failing", 0).await;
        last = next;
    }
    CERTIFICATES
}

/// Front proxies get certificates of another authority, then other names.
async fn front_proxies(world: &World, caller: &Caller, first: &Ca) -> usize {
    const AUTHORITY: &str = "requestheader-client-ca-file";
    const NAMES: &str = "requestheader-allowed-names";
    let set = |key, value: String| {
        world.api_server.known.change(|data| {
            data.insert(key, value);
        });
    };
    let (mut authority, mut name) = (None::<Ca>, PROXY.to_owned());
    for round in 0..AUTHORITIES {
        let issue = |authority: &Option<Ca>, name: &str| {
            let authority = authority.as_ref().unwrap_or(first);
            (authority.pem(), authority.issue(name, &[]))
        };
        let old = issue(&authority, &name).0;
        if round == 5 || round == 12 {
            set(AUTHORITY, half(&old).to_owned());
            let failing = "authentication_configuration_reload_failing";
            world.until_told(failing, 1).await;
            let told = "keeping the last good authentication configuration";
            world.program.says(&[told, AUTHORITY]).await;
            set(AUTHORITY, old.clone());
            world.until_told(failing, 0).await;
        }
        if round % 2 == 0 {
            authority = Some(Ca::new("front proxies"));
            let (new, identity) = issue(&authority, &name);
            set(AUTHORITY, format!("{old}{new}"));
            turn(world, caller, identity, || set(AUTHORITY, new)).await;
        } else {
            let next = format!("{PROXY}-{round}");
            let identity = issue(&authority, &next).1;
            set(NAMES, json!([name, next]).to_string());
            turn(world, caller, identity, || {
                set(NAMES, json!([next]).to_string())
            })
            .await;
            name = next;
        }
    }
    AUTHORITIES
}

/// Users get certificates of another authority.
async fn authorities(world: &World, caller: &Caller, mut authority: Ca) -> usize {
    let set = |authorities: String| {
        world.api_server.known.change(|data| {
            data.insert("client-ca-file", authorities);
        });
    };
    for _ in 0..AUTHORITIES {
        let next = Ca::new("clients");
        set(format!("{}{}", authority.pem(), next.pem()));
        let identity = next.issue("reader", &[]);
        turn(world, caller, identity, || set(next.pem())).await;
        authority = next;
    }
    AUTHORITIES
}

/// From one certificate, which is trusted, to another one, which is to be trusted beside it; then
/// the first is trusted no more.
async fn turn(world: &World, caller: &Caller, next: Identity, distrust: impl FnOnce()) {
    world.until_status(caller, &next, 200).await;
    let last = caller.replace(next).await;
    distrust();
    world.until_status(caller, &last, 401).await;
}

/// The rules file.
async fn versions(world: &World) -> usize {
    for round in 0..RULES {
        let name = format!("round_{round}");
        let text = rules(&name);
        if round == 1 || round == 4 {
            world.rules.swap(&[("config.yaml", half(&text))]);
            world.until_told("config_last_reload_successful", 0).await;
            world.program.says(&["keeping the rules of before"]).await;
        }
        world.rules.swap(&[("config.yaml", &text)]);
        world.until_metric(&name).await;
        world.until_told("config_last_reload_successful", 1).await;
    }
    RULES
}
