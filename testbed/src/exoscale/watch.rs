//! The demo while it runs: load, a look each second, and when to go on.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    plan::{ENOUGH, GROW_LIMIT, HEAL_LIMIT, HIGH, LOW, REQUEST_EVERY, SHRINK_LIMIT, STEADY},
    stage::Stage,
};
use crate::{
    error::{Error, Result},
    report::Moment,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// For one question.
const DEADLINE: Duration = Duration::from_millis(900);
/// How long the first samples may take.
const FIRST: Duration = Duration::from_secs(40);
/// Between two lines when nobody watches a terminal, in seconds.
const LINE_EVERY: f64 = 5.0;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) moments: Vec<Moment>,
    /// When the load ended, and when the pool was small again.
    pub(super) load_end: f64,
    pub(super) shrunk_at: f64,
    /// Whether both phases ended by themselves, not at their limits.
    pub(super) grown: bool,
    pub(super) shrunk: bool,
    /// How long it took after the end of all instances, in seconds; none if it took too long.
    pub(super) healed: Option<f64>,
    /// The sizes that were ordered, in order.
    pub(super) orders: Vec<u32>,
    pub(super) requests: u32,
    pub(super) failed: u32,
}

#[derive(Debug, Default, Deserialize)]
struct Cloud {
    size: u32,
    instances: Vec<Instance>,
    orders: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    ip: String,
    state: String,
    healthy: bool,
}

/// Who is there, by address, in order.
#[derive(Debug, Default)]
struct Who {
    running: Vec<String>,
    healthy: Vec<String>,
    scraped: Vec<String>,
}

/// Requests that were answered, and those that were not.
#[derive(Debug, Default)]
struct Counts {
    answered: AtomicU32,
    failed: AtomicU32,
}

struct Eyes<'a> {
    http: reqwest::Client,
    stage: &'a Stage,
    begun: Instant,
    counts: Arc<Counts>,
    orders: Vec<u32>,
    line: f64,
}

/// Watches from the first samples to the end.
pub(super) async fn watch(stage: &Stage) -> Result<Seen> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        // Every request is a connection of its own, so that every one is balanced.
        .pool_max_idle_per_host(0)
        .tls_certs_only([])
        .build()
        .map_err(|error| Error::Missing(format!("cannot set up HTTP: {error}")))?;
    let mut eyes = Eyes {
        http: http.clone(),
        stage,
        begun: Instant::now(),
        counts: Arc::default(),
        orders: Vec::new(),
        line: f64::NEG_INFINITY,
    };
    eyes.first().await?;
    let mut seen = Seen::default();
    eyes.begun = Instant::now();

    let mut load = JoinSet::new();
    let url = format!("http://{}/load", stage.balancer);
    load.spawn(make_load(http, url, Arc::clone(&eyes.counts)));
    let mut fits_since: Option<f64> = None;
    seen.grown = eyes
        .until("under load", GROW_LIMIT, &mut seen.moments, |now, _| {
            let fits = now.size >= ENOUGH
                && now.running >= ENOUGH
                && now.cpu.is_some_and(|cpu| cpu < HIGH && cpu > LOW);
            fits_since = fits.then(|| fits_since.unwrap_or(now.t));
            fits_since.is_some_and(|since| now.t - since >= STEADY.as_secs_f64())
        })
        .await;
    load.shutdown().await;
    seen.load_end = eyes.begun.elapsed().as_secs_f64();
    seen.shrunk = eyes
        .until("without load", SHRINK_LIMIT, &mut seen.moments, |now, _| {
            (now.size, now.running, now.targets) == (1, 1, Some(1))
        })
        .await;
    seen.shrunk_at = eyes.begun.elapsed().as_secs_f64();
    seen.healed = eyes.heal(&mut seen.moments).await;
    seen.orders = eyes.orders;
    seen.requests = eyes.counts.answered.load(Ordering::Relaxed);
    seen.failed = eyes.counts.failed.load(Ordering::Relaxed);
    Ok(seen)
}

impl Eyes<'_> {
    /// Waits until the rules have a value.
    async fn first(&mut self) -> Result<()> {
        let mut tick = interval(LOOK);
        loop {
            tick.tick().await;
            let (now, _) = self.look().await;
            self.show("first samples", &now);
            if now.cpu.is_some() && now.targets == Some(1) {
                return Ok(());
            }
            if self.begun.elapsed() > FIRST {
                return Err(Error::Timeout {
                    what: "a first value of the rules".to_owned(),
                    within: FIRST,
                    last: format!("{now:?}"),
                });
            }
        }
    }

    /// Looks until it is so; false if the limit came first.
    async fn until(
        &mut self,
        phase: &str,
        limit: Duration,
        moments: &mut Vec<Moment>,
        mut done: impl FnMut(&Moment, &Who) -> bool,
    ) -> bool {
        let started = Instant::now();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while started.elapsed() < limit {
            tick.tick().await;
            let (now, who) = self.look().await;
            self.show(phase, &now);
            moments.push(now);
            if done(&now, &who) {
                return true;
            }
        }
        false
    }

    /// Destroys all instances, and waits until others are in their place, for everybody.
    async fn heal(&mut self, moments: &mut Vec<Moment>) -> Option<f64> {
        let (_, before) = self.look().await;
        let url = format!("http://{}/control/instances", self.stage.fake);
        self.tell("       all instances are destroyed");
        self.http.delete(&url).send().await.ok()?;
        let started = Instant::now();
        let healed = self
            .until("destroyed", HEAL_LIMIT, moments, |_, who| {
                let other = !who.running.iter().any(|ip| before.running.contains(ip));
                let all = [&who.healthy, &who.scraped];
                other && !who.running.is_empty() && all.iter().all(|it| **it == who.running)
            })
            .await;
        healed.then(|| started.elapsed().as_secs_f64())
    }

    async fn look(&mut self) -> (Moment, Who) {
        let state = format!("http://{}/control/state", self.stage.fake);
        let (state, cpu, targets) = tokio::join!(
            self.get(&state, &[]),
            self.query("pool:node_cpu_utilisation:rate1m"),
            self.query("up{job=\"exoscale\"} == 1"),
        );
        let cloud: Cloud = state
            .and_then(|state| serde_json::from_value(state).ok())
            .unwrap_or_default();
        let mut who = Who::default();
        for instance in cloud.instances {
            if instance.healthy {
                who.healthy.push(instance.ip.clone());
            }
            if instance.state == "running" {
                who.running.push(instance.ip);
            }
        }
        for (target, _) in targets.iter().flatten() {
            let ip = target.split(':').next().unwrap_or_default();
            who.scraped.push(ip.to_owned());
        }
        for addresses in [&mut who.running, &mut who.healthy, &mut who.scraped] {
            addresses.sort();
        }
        if cloud.orders.len() > self.orders.len() {
            let from = self.orders.last().copied().unwrap_or(1);
            let to = cloud.orders.last().copied().unwrap_or(from);
            self.tell(&format!("       the autoscaler orders {to} instances"));
            self.orders = cloud.orders;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let moment = Moment {
            t: self.begun.elapsed().as_secs_f64(),
            cpu: cpu.and_then(|values| values.first().map(|(_, value)| *value)),
            size: cloud.size,
            running: count(who.running.len()),
            targets: targets.map(|values| count(values.len())),
        };
        (moment, who)
    }

    /// The values of a query, each with its label `instance`; none if there was no answer.
    async fn query(&self, query: &str) -> Option<Vec<(String, f64)>> {
        let url = format!("http://{}/api/v1/query", self.stage.prometheus);
        let answer = self.get(&url, &[("query", query)]).await?;
        let values = answer.pointer("/data/result")?.as_array()?.iter();
        let read = |it: &Value| {
            let instance = it.pointer("/metric/instance").and_then(Value::as_str);
            let value: f64 = it.pointer("/value/1")?.as_str()?.parse().ok()?;
            let finite = value.is_finite();
            finite.then(|| (instance.unwrap_or_default().to_owned(), value))
        };
        Some(values.filter_map(read).collect())
    }

    async fn get(&self, url: &str, query: &[(&str, &str)]) -> Option<Value> {
        let request = self.http.get(url).query(query).timeout(DEADLINE);
        request.send().await.ok()?.json().await.ok()
    }

    fn show(&mut self, phase: &str, now: &Moment) {
        let terminal = std::io::stderr().is_terminal();
        if !terminal && now.t - self.line < LINE_EVERY {
            return;
        }
        self.line = now.t;
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |it| format!("{it:.0}"));
        let cpu = now.cpu.map(|cpu| cpu * 100.0);
        let bar = "█".repeat(
            (0..10)
                .filter(|it| cpu > Some(f64::from(*it) * 10.0))
                .count(),
        );
        let line = format!(
            "{:>4.0} s  {phase:<13} CPU {:>3} % {bar:<10}  size {}  running {}  scraped {}  requests {} ok, {} failed",
            now.t,
            number(cpu),
            now.size,
            now.running,
            number(now.targets.map(f64::from)),
            self.counts.answered.load(Ordering::Relaxed),
            self.counts.failed.load(Ordering::Relaxed),
        );
        write(&if terminal {
            format!("\r\x1b[K{line}")
        } else {
            format!("{line}\n")
        });
    }

    /// A line that stays.
    fn tell(&self, line: &str) {
        let start = if std::io::stderr().is_terminal() {
            "\r\x1b[K"
        } else {
            ""
        };
        write(&format!("{start}{line}\n"));
    }
}

/// A closed standard error must not end the demo while the load runs.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Requests at even distances, whether those before are answered or not.
async fn make_load(http: reqwest::Client, url: String, counts: Arc<Counts>) {
    let mut requests = JoinSet::new();
    let mut tick = interval(REQUEST_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while requests.try_join_next().is_some() {}
        let (request, counts) = (http.get(&url), Arc::clone(&counts));
        requests.spawn(async move {
            let answer = request.send().await;
            let count = match answer.and_then(reqwest::Response::error_for_status) {
                Ok(_) => &counts.answered,
                Err(_) => &counts.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
}
