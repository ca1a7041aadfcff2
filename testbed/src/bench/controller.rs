//! The stock HPA controller, as far as the metrics API sees it: five workers, each of which asks for
//! one HPA's metrics after the other; every HPA has its own turns.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    error::Result,
    load::{Latency, Target, joined},
    plan::Shape,
    queue::{Arrival, PERIOD, Queue},
    stage::Stage,
    statistic::ratio,
    window::{Processes, Used},
};
use crate::progress::say;

/// `--concurrent-horizontal-pod-autoscaler-syncs`.
const WORKERS: usize = 5;
/// Periods before the measured ones: until then the adapter learns when polls come.
const LEARNING: u32 = 3;

/// What it saw, and what it cost, over some periods.
#[derive(Debug, Serialize)]
pub(crate) struct Simulation {
    pub(crate) arrival: Arrival,
    pub(crate) hpas: usize,
    pub(crate) periods: u32,
    /// Requests per period; all of them were answered, and rightly.
    pub(crate) polls: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) worst_ms: f64,
    /// The latest that a turn began after it was due, in milliseconds: beyond some, five workers are
    /// too few.
    pub(crate) late_ms: f64,
    /// Pairs of namespace and metric that were asked for, and all that there are.
    pub(crate) keys: usize,
    pub(crate) all_keys: usize,
    /// Per period.
    pub(crate) prometheus_queries: f64,
    pub(crate) reviews: f64,
    pub(crate) lists: f64,
    /// Cores kept busy, by process.
    pub(crate) cores: std::collections::BTreeMap<&'static str, f64>,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    pub(crate) arrival: Arrival,
    /// All that the size has if there are fewer.
    pub(crate) hpas: usize,
    /// Periods that are measured, after [`LEARNING`].
    pub(crate) periods: u32,
}

/// What the workers share.
struct Shared {
    target: Target,
    per_hpa: usize,
    begun: Instant,
    /// Until when turns are taken, and since when they count.
    end: Duration,
    measured: Duration,
    queue: Mutex<Queue>,
}

/// What one worker saw.
struct Seen {
    latency: Latency,
    late: Duration,
}

/// Runs it. The target's questions are those of all HPAs, one HPA's after the other's.
pub(crate) async fn simulate(
    stage: &Stage,
    target: &Target,
    shape: Shape,
    course: Course,
    processes: &Processes,
) -> Result<Simulation> {
    let autoscalers = shape.autoscalers();
    let hpas = course.hpas.min(autoscalers.len());
    let keys: BTreeSet<(usize, usize)> = autoscalers[..hpas]
        .iter()
        .flatten()
        .map(|asked| (asked.namespace, asked.metric))
        .collect();
    let shared = Arc::new(Shared {
        target: target.clone(),
        per_hpa: autoscalers.first().map_or(1, Vec::len),
        begun: Instant::now(),
        end: PERIOD * (LEARNING + course.periods),
        measured: PERIOD * LEARNING,
        queue: Mutex::new(Queue::new(hpas, course.arrival)),
    });
    let connection = target.endpoint.connect().await?;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(Arc::clone(&shared).work(connection.sender()));
    }
    sleep_until(shared.begun + shared.measured).await;
    let used = Used::begin(processes)?;
    let before = Counts::of(stage).await?;
    sleep_until(shared.begun + shared.end).await;
    let after = Counts::of(stage).await?;
    let cores = used.cores()?;
    let mut latency = Latency::new()?;
    let mut late = Duration::ZERO;
    for seen in joined(workers).await? {
        latency.add(&seen.latency)?;
        late = late.max(seen.late);
    }
    let per_period = |value: f64| ratio(value, f64::from(course.periods));
    let simulation = Simulation {
        arrival: course.arrival,
        hpas,
        periods: course.periods,
        polls: per_period(latency.count() as f64),
        p50_ms: latency.quantile(0.5),
        p99_ms: latency.quantile(0.99),
        worst_ms: latency.quantile(1.0),
        late_ms: late.as_secs_f64() * 1000.0,
        keys: keys.len(),
        all_keys: shape.namespaces * shape.metrics,
        prometheus_queries: per_period(after.queries - before.queries),
        reviews: per_period(after.reviews - before.reviews),
        lists: per_period(after.lists - before.lists),
        cores,
    };
    say(&format!(
        "    {hpas} HPAs, {}: p99 {:.2} ms, {:.0} queries for {:.0} polls per period",
        course.arrival.name(),
        simulation.p99_ms,
        simulation.prometheus_queries,
        simulation.polls,
    ));
    Ok(simulation)
}

impl Shared {
    async fn work(
        self: Arc<Self>,
        mut sender: super::connection::Sender,
    ) -> std::result::Result<Seen, String> {
        let mut seen = Seen {
            latency: Latency::new().map_err(|error| error.to_string())?,
            late: Duration::ZERO,
        };
        while let Some((due, hpa)) = self.take() {
            sleep_until(self.begun + due).await;
            let begun = self.begun.elapsed();
            // Late turns that are left over when the time is up are nobody's any more.
            if begun >= self.end {
                break;
            }
            let is_measured = begun >= self.measured;
            if is_measured {
                seen.late = seen.late.max(begun.saturating_sub(due));
            }
            let first = hpa * self.per_hpa;
            for question in &self.target.questions[first..first + self.per_hpa] {
                let asked = Instant::now();
                question
                    .ask(&mut sender, &self.target.headers, false)
                    .await?;
                if is_measured {
                    seen.latency.record(asked.elapsed());
                }
            }
            let now = self.begun.elapsed();
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put_back(hpa, now);
        }
        Ok(seen)
    }

    /// The next turn, if it comes before the end.
    fn take(&self) -> Option<(Duration, usize)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.take().filter(|(due, _)| *due < self.end)
    }
}

/// What others counted since they began.
struct Counts {
    queries: f64,
    reviews: f64,
    lists: f64,
}

impl Counts {
    async fn of(stage: &Stage) -> Result<Self> {
        let cluster = stage.cluster_requests().await?;
        Ok(Self {
            queries: stage.queries().await?,
            reviews: cluster.reviews,
            lists: cluster.lists,
        })
    }
}
