//! One adapter between a Prometheus and a kube-apiserver, with clients that never stop asking.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api_server::ApiServer;
use crate::authority::{Authority, Identity};
use crate::client::Client;
use crate::probe::{Outcome, Probe, Seen};
use crate::prometheus::free_port;
use crate::proxy::{Mode, Proxy};
use crate::report::{self, Latency, Row, milliseconds};

const BINARY: &str = env!("CARGO_BIN_EXE_metrics-adapter");

pub(crate) const RULES: &str = r#"
rules:
- seriesQuery: 'rps{namespace!="",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
  onNaN: omit
externalRules:
- seriesQuery: 'queue{namespace!=""}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
"#;

/// How often each probe asks; discovery is asked for more often, for a percentile needs numbers.
const PACE: Duration = Duration::from_millis(200);
const DISCOVERY_PACE: Duration = Duration::from_millis(50);
/// Until which everything is as before, after a fault.
const RECOVERY: Duration = Duration::from_secs(5);
/// Discovery's deadline, for nine of ten answers.
pub(crate) const DISCOVERY: Duration = Duration::from_millis(100);
/// And for every answer.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(1);
/// What a busy machine adds to every deadline: so many times what an adapter that nobody harms
/// takes at the same time to answer discovery. One that is harmed has more to do.
const MACHINE: u32 = 4;
/// What such an adapter takes at most, for anything, while the machine is good for deadlines: half of
/// a query's.
const MACHINE_WELL: Duration = Duration::from_millis(500);
/// Peak memory, as a multiple of the calm state's.
const MEMORY: f64 = 2.0;
/// Likewise, where the machine is not good for deadlines: what waits for the processor piles up.
const MEMORY_SWAMPED: f64 = 3.0;

/// What must hold during a fault beyond what always must.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    /// The latest that an answer may come.
    pub(crate) limit: Duration,
    /// The latest that nine of ten answers of discovery may come.
    pub(crate) discovery: Duration,
    /// Probes that must not notice.
    pub(crate) unharmed: &'static [Probe],
}

/// What a world begins with.
pub(crate) struct Setup {
    pub(crate) probes: &'static [Probe],
    /// Come last, so they count.
    pub(crate) arguments: &'static [&'static str],
    /// Of the proxy before Prometheus.
    pub(crate) mode: Mode,
    /// Whether the adapter's clock can be set, by [`World::set_clock`].
    pub(crate) clock: bool,
    pub(crate) rules: &'static str,
}

/// What all worlds share.
#[derive(Clone)]
pub(crate) struct Suite {
    /// Prometheus.
    pub(crate) prometheus: SocketAddr,
    /// What an adapter that nobody harms has answered; none while it is started itself.
    pub(crate) control: Option<Control>,
}

/// An adapter that nobody harms, as a measure of the machine.
#[derive(Clone)]
pub(crate) struct Control(Arc<World>);

impl Suite {
    /// Starts the control.
    pub(crate) async fn start(prometheus: SocketAddr) -> Self {
        let alone = Self {
            prometheus,
            control: None,
        };
        let control = Control(Arc::new(World::start(&alone, Setup::default()).await));
        Self {
            control: Some(control),
            ..alone
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            probes: &[Probe::Discovery, Probe::Pods, Probe::Queue, Probe::Stranger],
            arguments: &[],
            mode: Mode::Pass,
            clock: false,
            rules: RULES,
        }
    }
}

/// The adapter and everything around it.
pub(crate) struct World {
    pub(crate) child: Mutex<Child>,
    directory: TempDir,
    pub(crate) address: SocketAddr,
    /// Of the plain listener.
    pub(crate) admin: u16,
    pub(crate) api_server: ApiServer,
    /// Before kube-apiserver.
    pub(crate) cluster: Proxy,
    /// Before Prometheus.
    pub(crate) prometheus: Proxy,
    pub(crate) serving: Authority,
    pub(crate) front_proxy: Authority,
    probes: &'static [Probe],
    control: Option<Control>,
    shared: Arc<Shared>,
    pub(crate) clients: JoinSet<()>,
    calm: u64,
    rows: Mutex<Vec<Row>>,
}

struct Shared {
    front: Client,
    direct: Client,
    seen: Mutex<Vec<Seen>>,
    /// When the questions without an answer were asked.
    pending: Mutex<BTreeMap<u64, Instant>>,
    memory: Mutex<Vec<(Instant, u64)>>,
    /// Since when everything is to be good.
    settled: Mutex<Instant>,
}

impl Drop for World {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl World {
    /// Starts everything, waits until all is well, and measures that.
    pub(crate) async fn start(suite: &Suite, setup: Setup) -> Self {
        let world = Self::start_unsettled(suite, setup).await;
        world.settle().await
    }

    /// Without waiting for anything but readiness.
    pub(crate) async fn start_unsettled(suite: &Suite, setup: Setup) -> Self {
        let (serving, front_proxy) = (Authority::new("serving"), Authority::new("front-proxy"));
        let prometheus = Proxy::start(suite.prometheus, setup.mode).await;
        let api_server = ApiServer::start(front_proxy.pem()).await;
        let cluster = Proxy::start(api_server.address, Mode::Pass).await;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("config.yaml"), setup.rules).unwrap();
        fs::write(path("token"), "first").unwrap();
        fs::write(path("clock"), "+0").unwrap();
        let kubeconfig = kubeconfig(cluster.address, &api_server.issuer);
        fs::write(path("kubeconfig"), kubeconfig).unwrap();
        write_pair(&directory, &serving.issue("adapter"));
        let (port, admin) = (free_port(), free_port());
        let child = Command::new(BINARY)
            .envs(clock(setup.clock, &path("clock")))
            .arg(format!("--config={}", path("config.yaml")))
            .arg(format!("--tls-cert-file={}", path("tls.crt")))
            .arg(format!("--tls-private-key-file={}", path("tls.key")))
            .args(
                ["lister", "authentication", "authorization"]
                    .map(|who| format!("--{who}-kubeconfig={}", path("kubeconfig"))),
            )
            .arg(format!("--prometheus-token-file={}", path("token")))
            .arg(format!("--prometheus-url=http://{}", prometheus.address))
            .arg(format!("--secure-port={port}"))
            .arg(format!("--admin-address=127.0.0.1:{admin}"))
            .args([
                "--bind-address=127.0.0.1",
                "--prometheus-timeout=1s",
                "--metrics-relist-interval=1s",
                "--metrics-max-age=10m",
                "--startup-grace=100ms",
                // Every question is Prometheus', and is reviewed.
                "--metrics-max-staleness=0s",
                "--authorization-webhook-cache-authorized-ttl=100ms",
                "--authorization-webhook-cache-unauthorized-ttl=100ms",
                "--authentication-token-webhook-cache-ttl=100ms",
            ])
            .args(setup.arguments)
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let identity = front_proxy.issue("front-proxy-client");
        let shared = Shared {
            front: Client::new(address, &[serving.der()], Some(&identity)),
            direct: Client::new(address, &[serving.der()], None),
            seen: Mutex::default(),
            pending: Mutex::default(),
            memory: Mutex::default(),
            settled: Mutex::new(Instant::now()),
        };
        let mut world = Self {
            child: Mutex::new(child),
            directory,
            address,
            admin,
            api_server,
            cluster,
            prometheus,
            serving,
            front_proxy,
            probes: setup.probes,
            control: suite.control.clone(),
            shared: Arc::new(shared),
            clients: JoinSet::new(),
            calm: 0,
            rows: Mutex::default(),
        };
        world.wait_until_ready().await;
        world.begin_asking();
        sleep(Duration::from_millis(500)).await;
        world.calm = world.peak(Instant::now() - Duration::from_millis(500));
        *world.shared.settled.lock().unwrap() = Instant::now();
        world
    }

    /// Waits until every probe is content, and measures that state.
    pub(crate) async fn settle(mut self) -> Self {
        if self
            .recovered(Instant::now(), Duration::from_secs(60))
            .await
            .is_none()
        {
            panic!("it never worked: {}", self.log());
        }
        let content = Instant::now();
        *self.shared.settled.lock().unwrap() = content;
        sleep(Duration::from_secs(1)).await;
        self.calm = self.peak(content);
        self
    }

    async fn wait_until_ready(&self) {
        let client = reqwest::Client::new();
        for _ in 0..200 {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                panic!("it ended: {status}: {}", self.log());
            }
            let answer = client
                .get(format!("http://127.0.0.1:{}/readyz", self.admin))
                .send()
                .await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it is not ready after 10 s: {}", self.log());
    }

    fn begin_asking(&mut self) {
        for (number, probe) in (0_u64..).zip(self.probes) {
            let (shared, api_server) = (Arc::clone(&self.shared), self.api_server.clone());
            self.clients.spawn(async move {
                let mut pace = tokio::time::interval(match probe {
                    Probe::Discovery => DISCOVERY_PACE,
                    _ => PACE,
                });
                let mut questions = JoinSet::new();
                for question in 0_u64.. {
                    pace.tick().await;
                    while questions.try_join_next().is_some() {}
                    let (shared, pods) = (Arc::clone(&shared), api_server.pods());
                    questions.spawn(async move {
                        let key = question * 16 + number;
                        shared.pending.lock().unwrap().insert(key, Instant::now());
                        let seen = probe.ask(&shared.front, &shared.direct, &pods).await;
                        shared.seen.lock().unwrap().push(seen);
                        shared.pending.lock().unwrap().remove(&key);
                    });
                }
            });
        }
        let (shared, id) = (Arc::clone(&self.shared), self.child.get_mut().unwrap().id());
        self.clients.spawn(async move {
            loop {
                let bytes = resident(id);
                shared.memory.lock().unwrap().push((Instant::now(), bytes));
                sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// What the adapter has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Steps the adapter's clock to so many seconds from the true time.
    pub(crate) fn set_clock(&self, offset: i64) {
        // Renamed into place: it is read all the time.
        fs::write(self.path("clock.new"), format!("{offset:+}")).unwrap();
        fs::rename(self.path("clock.new"), self.path("clock")).unwrap();
    }

    /// Processor time that the adapter has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let id = self.child.lock().unwrap().id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(10 * ticks)
    }

    /// Replaces the serving certificate.
    pub(crate) fn serve_pair(&self, identity: &Identity) {
        write_pair(&self.directory, identity);
    }

    /// Lets `act` begin a fault, last, and end it; judges what happened meanwhile and how long it
    /// took until all was well again.
    pub(crate) async fn fault(&self, name: &str, judged: Judged, act: impl Future<Output = ()>) {
        self.fault_checked(name, judged, async {
            act.await;
            Vec::new()
        })
        .await;
    }

    /// Likewise; `act` also returns what it found wrong itself.
    pub(crate) async fn fault_checked(
        &self,
        name: &str,
        judged: Judged,
        act: impl Future<Output = Vec<String>>,
    ) {
        let (before, start) = (*self.shared.settled.lock().unwrap(), Instant::now());
        let mut late: Vec<String> = self.calm_until(start).collect();
        let mut problems = act.await;
        let end = Instant::now();
        let recovery = self.recovered(end, 3 * RECOVERY).await;
        self.answered(end).await;
        let settled = end + recovery.unwrap_or(3 * RECOVERY);
        *self.shared.settled.lock().unwrap() = settled;
        let seen: Vec<Seen> = self.seen(|seen| seen.started >= start && seen.started <= settled);
        let control = self.control_of(before, settled);
        problems.extend(wrong(&seen));
        late.extend(judge(&seen, judged, &control));
        let peak = self.peak(start);
        let (times, calm) = (ratio(peak, self.calm), self.calm);
        if recovery.is_none_or(|recovery| recovery > RECOVERY) {
            late.push(format!("recovery took {recovery:?}"));
        }
        // Where even that adapter fails, or almost, the machine is too slow for deadlines.
        let is_machine_well = control
            .iter()
            .all(|seen| is_good(seen) && seen.took <= MACHINE_WELL);
        let memory = if is_machine_well {
            problems.extend(late);
            MEMORY
        } else {
            MEMORY_SWAMPED
        };
        if times > memory {
            problems.push(format!("memory: {peak} bytes, {calm} when calm"));
        }
        if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
            problems.push(format!("the adapter ended: {status}"));
        }
        let live = reqwest::get(format!("http://127.0.0.1:{}/livez", self.admin)).await;
        if !matches!(&live, Ok(live) if live.status() == 200) {
            problems.push(format!("/livez: {live:?}"));
        }
        if !problems.is_empty() {
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(12).collect();
            problems.push(format!("log: {last:#?}"));
        }
        let row = Row {
            fault: name.to_owned(),
            is_judged: is_machine_well,
            saw: report::saw(&seen, &control),
            lost: report::lost(&seen),
            recovery: recovery.map_or_else(|| "none".to_owned(), milliseconds),
            memory: format!("{} MiB ({times:.1} ×)", peak >> 20),
            problems: problems
                .iter()
                .map(|problem| format!("{name}: {problem}"))
                .collect(),
        };
        self.rows.lock().unwrap().push(row);
        // Something to compare the next fault with.
        sleep(2 * PACE).await;
    }

    /// Adds something to what is told of the last fault.
    pub(crate) fn note(&self, text: &str) {
        if let Some(row) = self.rows.lock().unwrap().last_mut() {
            row.saw = format!("{text}; {}", row.saw);
        }
    }

    /// What is to be told of it.
    pub(crate) fn rows(self) -> Vec<Row> {
        std::mem::take(&mut *self.rows.lock().unwrap())
    }

    /// What the control answered meanwhile.
    fn control_of(&self, start: Instant, end: Instant) -> Vec<Seen> {
        let Some(Control(control)) = &self.control else {
            return Vec::new();
        };
        control.seen(|seen| seen.started >= start && seen.started <= end)
    }

    fn seen(&self, which: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|seen| which(seen)).cloned().collect()
    }

    /// What was not good although nothing was broken.
    fn calm_until(&self, end: Instant) -> impl Iterator<Item = String> {
        let settled = *self.shared.settled.lock().unwrap();
        let seen = self.seen(|seen| seen.started > settled && seen.started + seen.took < end);
        seen.into_iter()
            .filter(|seen| !is_good(seen))
            .map(|seen| format!("before it: {seen:?}"))
    }

    /// When, after `end`, the last probe became good for good.
    async fn recovered(&self, end: Instant, patience: Duration) -> Option<Duration> {
        let all = async {
            loop {
                let times = self.probes.iter().map(|probe| self.good_since(*probe, end));
                if let Some(times) = times.collect::<Option<Vec<Instant>>>() {
                    return times.into_iter().max().unwrap_or(end) - end;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(patience, all).await.ok()
    }

    /// The end of the first good answer, of those that were asked for after `end`, after which
    /// none was bad, if there are two at least.
    fn good_since(&self, probe: Probe, end: Instant) -> Option<Instant> {
        let mut seen = self.seen(|seen| seen.probe == probe && seen.started >= end);
        seen.sort_by_key(|seen| seen.started);
        let last_bad = seen.iter().rposition(|seen| !is_good(seen));
        let good = &seen[last_bad.map_or(0, |bad| bad + 1)..];
        (good.len() >= 2).then(|| good[0].started + good[0].took)
    }

    /// Waits until every question from before `end` has its answer.
    async fn answered(&self, end: Instant) {
        let is_old = |asked: &Instant| *asked <= end;
        while self.shared.pending.lock().unwrap().values().any(is_old) {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The most memory since then, in bytes.
    fn peak(&self, since: Instant) -> u64 {
        let memory = self.shared.memory.lock().unwrap();
        let of_then = memory.iter().filter(|(at, _)| *at >= since);
        of_then.map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }
}

fn is_good(seen: &Seen) -> bool {
    matches!(seen.outcome, Outcome::Good(_))
}

/// What must never be, however slow the machine.
fn wrong(seen: &[Seen]) -> impl Iterator<Item = String> {
    let wrong = seen
        .iter()
        .filter(|seen| matches!(seen.outcome, Outcome::Wrong(_)));
    wrong.take(5).map(|seen| format!("{seen:?}"))
}

/// What must hold in time.
fn judge(seen: &[Seen], judged: Judged, control: &[Seen]) -> Vec<String> {
    let control = control.iter().filter(|seen| seen.probe == Probe::Discovery);
    let machine = Latency::of(control).unwrap_or_default();
    let bad = seen.iter().filter(|seen| {
        let is_discovery = seen.probe == Probe::Discovery;
        let unharmed = is_discovery || judged.unharmed.contains(&seen.probe);
        let limit = if is_discovery {
            DISCOVERY_LIMIT
        } else {
            judged.limit
        };
        let limit = limit + MACHINE * machine.all;
        let broken = matches!(seen.outcome, Outcome::Broken(_));
        broken || seen.took > limit || unharmed && !is_good(seen)
    });
    let mut problems: Vec<String> = bad.map(|seen| format!("{seen:?}")).collect();
    problems.truncate(5);
    let discovery = seen.iter().filter(|seen| seen.probe == Probe::Discovery);
    let discovery = Latency::of(discovery).unwrap_or_default();
    if discovery.nine_of_ten > judged.discovery + MACHINE * machine.nine_of_ten {
        problems.push(format!(
            "discovery took {discovery:?}, {machine:?} elsewhere"
        ));
    }
    problems
}

#[allow(clippy::cast_precision_loss, reason = "megabytes")]
fn ratio(peak: u64, calm: u64) -> f64 {
    peak as f64 / calm.max(1) as f64
}

/// Resident memory of a process, in bytes; 0 when it is gone.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.map_or(0, |number| number.parse::<u64>().unwrap() << 10)
}

fn write_pair(directory: &TempDir, identity: &Identity) {
    let (certificate, key) = identity.pem();
    fs::write(directory.path().join("tls.crt"), certificate).unwrap();
    fs::write(directory.path().join("tls.key"), key).unwrap();
}

/// The environment in which the system's clock is what a file says. Debian's faketime keeps the
/// library in a directory of its own.
fn clock(settable: bool, file: &str) -> Vec<(&'static str, String)> {
    if !settable {
        return Vec::new();
    }
    let directories = fs::read_dir("/usr/lib").unwrap();
    let mut libraries = directories
        .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
        .filter(|library| library.exists());
    let library = libraries.next();
    let library = library.expect("libfaketime is missing: apt-get install libfaketime");
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Steps are of the clock that people set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

fn kubeconfig(server: SocketAddr, issuer: &str) -> String {
    let cluster = json!({
        "server": format!("https://{server}"),
        "certificate-authority-data": STANDARD.encode(issuer),
    });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    })
    .to_string()
}
