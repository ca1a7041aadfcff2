//! Alerts fire under their faults, and only there: prometheus-rules/adapter.yaml in a real Prometheus
//! that scrapes the real adapter, while what is around it breaks. docs/metrics.md names all that is
//! scraped.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tasks end with the test's runtime"
)]
#![allow(clippy::large_futures, reason = "there are two of them")]

#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/api_server.rs"]
mod api_server;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/authority.rs"]
mod authority;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/client.rs"]
mod client;
mod document;
mod monitor;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/probe.rs"]
mod probe;
#[allow(dead_code, reason = "shared with the other black-box tests")]
#[path = "../it/prometheus.rs"]
mod prometheus;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/report.rs"]
mod report;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/wire.rs"]
mod wire;
#[allow(dead_code, reason = "shared with the fault tests")]
#[path = "../fault/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::UnixTime;

use self::api_server::{Behaviour, Watches};
use self::monitor::Monitor;
use self::probe::Probe;
use self::prometheus::Prometheus;
use self::proxy::Mode;
use self::world::{Setup, Suite, World};

/// What Prometheus tells, all the time.
const SAMPLES: &[(&str, &str)] = &[
    (r#"rps{namespace="shop",pod="web-0"}"#, "10"),
    (r#"rps{namespace="shop",pod="web-1"}"#, "20"),
    (r#"rps{namespace="shop",pod="web-2"}"#, "30"),
    (r#"queue{namespace="shop"}"#, "7"),
];

/// The ages of what the first rule is made of are known.
const RULES: &str = r#"
rules:
- seriesQuery: 'rps{namespace!="",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
  maxAge: 10m
externalRules:
- seriesQuery: 'queue{namespace!=""}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
"#;

/// A minute is a second here, and watches begin anew every minute.
const MINUTE: Duration = Duration::from_secs(1);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// An adapter, and who watches it.
struct Scene {
    world: World,
    monitor: Monitor,
    /// Alerts that have fired for their faults.
    fired: BTreeSet<String>,
}

impl Scene {
    /// Starts all of it, and waits until no alert is active for a while.
    async fn start(prometheus: SocketAddr, rules: &str) -> Self {
        let suite = Suite {
            prometheus,
            control: None,
        };
        let setup = Setup {
            probes: &[Probe::Discovery, Probe::Pods, Probe::Queue],
            // Long enough for what is slow.
            arguments: &["--prometheus-timeout=4s"],
            rules: RULES,
            ..Setup::default()
        };
        let world = World::start(&suite, setup).await;
        world.api_server.behave(Behaviour {
            watches: Watches::EndAfter(MINUTE),
            ..Behaviour::default()
        });
        let monitor = Monitor::start(world.admin, rules).await;
        monitor.calm_for_long().await;
        Self {
            world,
            monitor,
            fired: BTreeSet::new(),
        }
    }

    /// A fault lasts until its alerts fire; only they, and those of its consequences, may. At its end
    /// all is calm again.
    async fn fault(
        &mut self,
        name: &str,
        alerts: &[&str],
        consequences: &[&str],
        begin: impl FnOnce(&World),
        end: impl FnOnce(&World),
    ) {
        self.last_fault(name, alerts, consequences, begin).await;
        end(&self.world);
        self.monitor.calm(name).await;
    }

    /// Likewise, but there is no end of it.
    async fn last_fault(
        &mut self,
        name: &str,
        alerts: &[&str],
        consequences: &[&str],
        begin: impl FnOnce(&World),
    ) {
        begin(&self.world);
        let firing = self.monitor.firing(name, alerts).await;
        let expected: BTreeSet<&str> = alerts.iter().chain(consequences).copied().collect();
        for alert in &firing {
            assert!(expected.contains(alert.as_str()), "{name}: {alert} fires");
        }
        self.fired.extend(alerts.iter().map(|&alert| alert.into()));
    }
}

/// Prometheus, and what it says.
async fn source(mut scene: Scene) -> BTreeSet<String> {
    let well = |world: &World| world.prometheus.set(Mode::Pass);
    let without_values = "MetricsAdapterMetricWithoutValues";
    let stale = "MetricsAdapterRelistStale";
    let failing = [
        "MetricsAdapterErrors",
        "MetricsAdapterPrometheusErrors",
        "MetricsAdapterRuleErrors",
    ];
    let gone = |world: &World| world.prometheus.set(Mode::Refuse);
    let alerts = [&failing[..], &[stale]].concat();
    scene
        .fault("Prometheus is gone", &alerts, &[without_values], gone, well)
        .await;
    let slow = |world: &World| {
        let late = Duration::from_millis(2500);
        world.prometheus.set(Mode::Delay(late));
    };
    let consequences = [&failing[..], &[stale, without_values]].concat();
    scene
        .fault(
            "Prometheus is slow",
            &["MetricsAdapterQueriesSlow"],
            &consequences,
            slow,
            well,
        )
        .await;
    // Values that are also the times of their samples.
    let old = |world: &World| {
        let now = UnixTime::now().as_secs();
        let taken = (now - 150).to_string();
        let values = wire::values([&taken; 4], &now.to_string());
        world.prometheus.set(Mode::Answer(values));
    };
    scene
        .fault(
            "samples are stale",
            &["MetricsAdapterSamplesStale"],
            &[],
            old,
            well,
        )
        .await;
    let nothing = |world: &World| world.prometheus.set(Mode::Answer(wire::nothing()));
    scene
        .fault(
            "there are no samples",
            &[without_values],
            &[],
            nothing,
            well,
        )
        .await;
    let refused = |world: &World| write_rules(world, &RULES.replace("sum(", "no_function("));
    let before = |world: &World| write_rules(world, RULES);
    scene
        .fault(
            "Prometheus refuses a query",
            &["MetricsAdapterRuleErrors"],
            &[&failing[..], &[without_values]].concat(),
            refused,
            before,
        )
        .await;
    scene.fired
}

/// Files, kube-apiserver, and the adapter itself.
async fn surroundings(mut scene: Scene) -> BTreeSet<String> {
    document::names_what_is_scraped(scene.world.admin).await;
    let broken = |world: &World| write_rules(world, "rules: 7");
    let mended = |world: &World| write_rules(world, RULES);
    let alerts = ["MetricsAdapterRulesRefused"];
    scene
        .fault("the rules file is broken", &alerts, &[], broken, mended)
        .await;
    let renewed = |world: &World| world.serve_pair(&world.serving.issue("adapter"));
    let broken = |world: &World| fs::write(world.path("tls.crt"), "no certificate").unwrap();
    let alerts = ["MetricsAdapterReloadFailing"];
    scene
        .fault("the certificate is broken", &alerts, &[], broken, renewed)
        .await;
    let ending = |world: &World| {
        let hour = Duration::from_secs(3600);
        world.serve_pair(&world.serving.issue_for("adapter", hour));
    };
    let alerts = ["MetricsAdapterCertificateExpiring"];
    scene
        .fault("the certificate expires", &alerts, &[], ending, renewed)
        .await;
    let gone = |world: &World| world.cluster.set(Mode::Refuse);
    let back = |world: &World| world.cluster.set(Mode::Pass);
    let alerts = ["MetricsAdapterWatchStale"];
    scene
        .fault("kube-apiserver is gone", &alerts, &[], gone, back)
        .await;
    scene.world.clients.abort_all();
    let alerts = ["MetricsAdapterNotAsked"];
    scene.last_fault("nobody asks", &alerts, &[], |_| {}).await;
    let kill = |world: &World| world.child.lock().unwrap().kill().unwrap();
    // What was active ends with its series.
    let alerts = ["MetricsAdapterDown"];
    scene
        .last_fault("it is gone", &alerts, &["MetricsAdapterNotAsked"], kill)
        .await;
    scene.fired
}

/// Renamed into place, so that it is never seen half.
fn write_rules(world: &World, rules: &str) {
    fs::write(world.path("config.new"), rules).unwrap();
    fs::rename(world.path("config.new"), world.path("config.yaml")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_fire_under_their_faults_and_only_there() {
    let file = workspace().join("prometheus-rules/adapter.yaml");
    let file = fs::read_to_string(file).unwrap();
    let rules = monitor::hurried(&file);
    let prometheus = Prometheus::start(SAMPLES).await;
    let address = prometheus.address();
    let (one, other) = tokio::join!(
        async { source(Scene::start(address, &rules).await).await },
        async { surroundings(Scene::start(address, &rules).await).await },
    );
    let fired: BTreeSet<String> = one.union(&other).cloned().collect();
    let alerts = file
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: BTreeSet<String> = alerts.map(str::to_owned).collect();
    assert_eq!(fired, alerts, "an alert without a fault");
}
