//! The demo while it runs: data points, orders, a look each second, and when to go on.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    metric::{self, Point, Time, Usage},
    plan::{
        self, DEADLINE, GROW_LIMIT, IDLE_LIMIT, LOOK, PERIOD, SHRINK_LIMIT, START_LIMIT, STEADY,
    },
    stage::Stage,
    tracking::{Group, Tracker},
};
use crate::{
    error::{Error, Result},
    report::Moment,
};

/// Between two lines when nobody watches a terminal, in seconds.
const LINE_EVERY: f64 = 5.0;
/// Where an instance tells its CPU.
const NODE: u16 = 9_100;

/// An order of the policy's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Order {
    /// Seconds since the beginning.
    pub(super) t: f64,
    pub(super) size: u32,
    /// The data point behind it.
    pub(super) cpu: f64,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) moments: Vec<Moment>,
    /// When the load began and ended, and when the group was small again.
    pub(super) load_begin: f64,
    pub(super) load_end: f64,
    pub(super) shrunk_at: f64,
    /// Whether both phases ended by themselves, not at their limits.
    pub(super) grown: bool,
    pub(super) shrunk: bool,
    /// Average CPU under load with all instances warm: the median of the data points.
    pub(super) steady: Option<f64>,
    pub(super) orders: Vec<Order>,
    /// As the load client counted them.
    pub(super) requests: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Deserialize)]
struct Cloud {
    size: u32,
    instances: Vec<Instance>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    ip: String,
    state: String,
    healthy: bool,
}

impl Cloud {
    fn running(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|it| it.state == "running")
    }
}

struct Eyes {
    http: reqwest::Client,
    control: String,
    begun: Instant,
    usage: Usage,
    tracker: Tracker,
    /// When the next data point is due.
    due: Instant,
    point: Option<Point>,
    /// How many data points there were.
    points: usize,
    /// Those for which the group was as large as it gets.
    all_warm: Vec<f64>,
    orders: Vec<Order>,
    line: f64,
}

/// Watches from the first instance to the end.
pub(super) async fn watch(stage: &mut Stage) -> Result<Seen> {
    let http = reqwest::Client::builder()
        .timeout(DEADLINE)
        .pool_max_idle_per_host(0)
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(|error| Error::Missing(format!("cannot set up HTTP: {error}")))?;
    let now = Instant::now();
    let mut eyes = Eyes {
        http,
        control: format!("http://{}/control", stage.control),
        begun: now,
        usage: Usage::default(),
        tracker: Tracker::new(plan::POLICY),
        due: now,
        point: None,
        points: 0,
        all_warm: Vec::new(),
        orders: Vec::new(),
        line: f64::NEG_INFINITY,
    };
    eyes.first().await?;
    let mut seen = Seen::default();
    (eyes.begun, eyes.due) = (Instant::now(), Instant::now());
    let idle = |now: &Moment, eyes: &Eyes| eyes.points >= 2 && now.running == 1;
    eyes.until("idle", IDLE_LIMIT, &mut seen.moments, idle)
        .await;

    stage.load()?;
    seen.load_begin = eyes.begun.elapsed().as_secs_f64();
    let steady = |_: &Moment, eyes: &Eyes| eyes.all_warm.len() >= STEADY;
    seen.grown = eyes
        .until("under load", GROW_LIMIT, &mut seen.moments, steady)
        .await;
    seen.steady = median(eyes.all_warm.clone());
    let report = stage.unload().unwrap_or_default();
    seen.requests = report["requests"].as_u64().unwrap_or_default();
    seen.failed = report["errors"].as_u64().unwrap_or_default();
    seen.load_end = eyes.begun.elapsed().as_secs_f64();
    let small = |now: &Moment, _: &Eyes| (now.size, now.running) == (1, 1);
    seen.shrunk = eyes
        .until("without load", SHRINK_LIMIT, &mut seen.moments, small)
        .await;
    seen.shrunk_at = eyes.begun.elapsed().as_secs_f64();
    seen.orders = eyes.orders;
    Ok(seen)
}

impl Eyes {
    /// Waits until the first instance is healthy.
    async fn first(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let cloud = self.cloud().await;
            let healthy = |cloud: &Cloud| cloud.running().any(|it| it.healthy);
            if cloud.as_ref().is_some_and(healthy) {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT {
                return Err(Error::Timeout {
                    what: "a healthy instance".to_owned(),
                    within: START_LIMIT,
                    last: format!("{cloud:?}"),
                });
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Looks until it is so; false if the limit came first.
    async fn until(
        &mut self,
        phase: &str,
        limit: Duration,
        moments: &mut Vec<Moment>,
        mut done: impl FnMut(&Moment, &Self) -> bool,
    ) -> bool {
        let started = Instant::now();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while started.elapsed() < limit {
            tick.tick().await;
            // What was not seen is not shown: it is no empty group.
            let Some(now) = self.look().await else {
                continue;
            };
            self.show(phase, &now);
            moments.push(now);
            if done(&now, self) {
                return true;
            }
        }
        false
    }

    async fn look(&mut self) -> Option<Moment> {
        let cloud = self.cloud().await?;
        let now = Instant::now();
        if now >= self.due {
            self.due = following(self.due, now);
            self.data_point(&cloud).await;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let healthy = cloud.instances.iter().filter(|it| it.healthy).count();
        Some(Moment {
            t: self.begun.elapsed().as_secs_f64(),
            cpu: self.point.map(|it| it.cpu),
            size: cloud.size,
            running: count(cloud.running().count()),
            targets: Some(count(healthy)),
        })
    }

    /// A minute is over: what the alarms see, and what the policy orders.
    async fn data_point(&mut self, cloud: &Cloud) {
        let mut times = BTreeMap::new();
        for instance in cloud.running() {
            if let Some(time) = self.time(&instance.ip).await {
                times.insert(instance.ip.clone(), time);
            }
        }
        self.point = self.usage.point(Instant::now(), &times);
        let Some(point) = self.point else { return };
        self.points += 1;
        if point.warm == plan::POLICY.max {
            self.all_warm.push(point.cpu);
        }
        let group = Group {
            size: cloud.size,
            warm: point.warm,
        };
        let Some(size) = self.tracker.observe(point.cpu, group) else {
            return;
        };
        // Refused while the last order is under way; the next data point asks again.
        if self.order(size).await {
            tell(&format!(
                "       {:.0} % on average of {}: target tracking orders {size}",
                point.cpu * 100.0,
                point.warm
            ));
            self.orders.push(Order {
                t: self.begun.elapsed().as_secs_f64(),
                size,
                cpu: point.cpu,
            });
        }
    }

    async fn order(&self, size: u32) -> bool {
        let url = format!("{}/size", self.control);
        let body = format!("{{\"size\":{size}}}");
        let answer = self.http.put(url).body(body).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn cloud(&self) -> Option<Cloud> {
        let url = format!("{}/state", self.control);
        self.http.get(url).send().await.ok()?.json().await.ok()
    }

    async fn time(&self, ip: &str) -> Option<Time> {
        let url = format!("http://{ip}:{NODE}/metrics");
        let text = self.http.get(url).send().await.ok()?.text().await.ok()?;
        Some(metric::parse(&text))
    }

    fn show(&mut self, phase: &str, now: &Moment) {
        let terminal = std::io::stderr().is_terminal();
        if !terminal && now.t - self.line < LINE_EVERY {
            return;
        }
        self.line = now.t;
        let cpu = now.cpu.map(|cpu| cpu * 100.0);
        let bar = "█".repeat(
            (0..10)
                .filter(|it| cpu > Some(f64::from(*it) * 10.0))
                .count(),
        );
        let line = format!(
            "{:>4.0} s  {phase:<13} CPU {:>3} % {bar:<10}  size {}  running {}  healthy {}",
            now.t,
            cpu.map_or("-".to_owned(), |it| format!("{it:.0}")),
            now.size,
            now.running,
            now.targets.unwrap_or_default(),
        );
        write(&if terminal {
            format!("\r\x1b[K{line}")
        } else {
            format!("{line}\n")
        });
    }
}

/// When the data point after now is due. One that was missed is missing, as in CloudWatch, and not
/// caught up: looks in a row would be minutes to the alarms.
fn following(mut due: Instant, now: Instant) -> Instant {
    while due <= now {
        due += PERIOD;
    }
    due
}

/// The value in the middle, which one odd data point does not move; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A line that stays.
fn tell(line: &str) {
    let start = if std::io::stderr().is_terminal() {
        "\r\x1b[K"
    } else {
        ""
    };
    write(&format!("{start}{line}\n"));
}

/// A closed standard error must not end the demo while the load runs.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_data_point_is_not_caught_up() {
        let due = Instant::now();
        let after = |periods: f64| following(due, due + PERIOD.mul_f64(periods)) - due;
        assert_eq!(after(0.0), PERIOD);
        assert_eq!(after(0.9), PERIOD);
        assert_eq!(after(1.0), PERIOD * 2);
        assert_eq!(after(4.2), PERIOD * 5);
    }

    #[test]
    fn one_odd_value_does_not_move_the_median() {
        assert_eq!(median(vec![0.9, 0.3, 0.31, 0.33, 0.32]), Some(0.32));
        assert_eq!(median(Vec::new()), None);
    }
}
