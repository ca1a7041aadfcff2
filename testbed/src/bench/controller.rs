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
    check::MAX_STALENESS,
    error::Result,
    least::{Poll, least},
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
    /// p99 from the moment that an HPA's turn was due to its first answer: what waits for a worker
    /// waits in it.
    pub(crate) p99_from_due_ms: f64,
    /// The latest that a turn began after it was due, in milliseconds: beyond some, five workers are
    /// too few.
    pub(crate) late_ms: f64,
    /// Pairs of namespace and metric that were asked for, and all that there are.
    pub(crate) keys: usize,
    pub(crate) all_keys: usize,
    /// Per period.
    pub(crate) prometheus_queries: f64,
    /// The fewest queries of one namespace each that could have served these polls.
    pub(crate) least_queries: f64,
    /// SubjectAccessReviews and TokenReviews of the adapter, per period.
    pub(crate) reviews: f64,
    /// Its other requests to kube-apiserver but watches, per period.
    pub(crate) other_requests: f64,
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
    /// Namespace and metric of each of its questions.
    keys: Vec<(usize, usize)>,
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
    from_due: Latency,
    late: Duration,
    /// Also of what is not measured.
    polls: Vec<Poll>,
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
    let asked = autoscalers[..hpas].iter().flatten();
    let keys: Vec<(usize, usize)> = asked.map(|asked| (asked.namespace, asked.metric)).collect();
    let different: BTreeSet<_> = keys.iter().copied().collect();
    let shared = Arc::new(Shared {
        target: target.clone(),
        keys,
        per_hpa: autoscalers.first().map_or(1, Vec::len),
        begun: Instant::now(),
        // In the middle of a period, where no burst of turns is cut in two.
        end: PERIOD * (LEARNING + course.periods) + PERIOD / 2,
        measured: PERIOD * LEARNING + PERIOD / 2,
        queue: Mutex::new(Queue::new(hpas, course.arrival)),
    });
    let connection = target.endpoint.connect().await?;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(Arc::clone(&shared).work(connection.sender()));
    }
    sleep_until(shared.begun + shared.measured).await;
    let used = Used::begin(processes)?;
    let journal = stage.places.audit();
    let before = (stage.queries().await?, journal.length()?);
    sleep_until(shared.begun + shared.end).await;
    let queries = stage.queries().await? - before.0;
    let requests = journal.since(before.1)?;
    let cores = used.cores()?;
    let mut latency = Latency::new()?;
    let (mut from_due, mut late) = (Latency::new()?, Duration::ZERO);
    let mut polls = Vec::new();
    for seen in joined(workers).await? {
        latency.add(&seen.latency)?;
        from_due.add(&seen.from_due)?;
        late = late.max(seen.late);
        polls.extend(seen.polls);
    }
    let least_queries = least(polls, MAX_STALENESS, shared.measured) as f64;
    let per_period = |value: f64| ratio(value, f64::from(course.periods));
    let simulation = Simulation {
        arrival: course.arrival,
        hpas,
        periods: course.periods,
        polls: per_period(latency.count() as f64),
        p50_ms: latency.quantile(0.5),
        p99_ms: latency.quantile(0.99),
        worst_ms: latency.quantile(1.0),
        p99_from_due_ms: from_due.quantile(0.99),
        late_ms: late.as_secs_f64() * 1000.0,
        keys: different.len(),
        all_keys: shape.namespaces * shape.metrics,
        prometheus_queries: per_period(queries),
        least_queries: per_period(least_queries),
        reviews: per_period(requests.reviews as f64),
        other_requests: per_period(requests.others as f64),
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
            from_due: Latency::new().map_err(|error| error.to_string())?,
            late: Duration::ZERO,
            polls: Vec::new(),
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
            let questions = &self.target.questions[first..first + self.per_hpa];
            for (number, question) in questions.iter().enumerate() {
                let asked = self.begun.elapsed();
                seen.polls.push((self.keys[first + number], asked));
                let waited = asked.saturating_sub(due);
                let headers = &self.target.headers;
                let answered = question.ask(&mut sender, headers, true).await?;
                if is_measured {
                    seen.latency.record(answered.took);
                }
                if is_measured && number == 0 {
                    seen.from_due.record(waited + answered.took);
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
