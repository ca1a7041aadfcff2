//! Signs of life of endless loops, behind `/livez`.
//!
//! A loop that has ended is found by whoever joins it; this is about one that hangs: in a call
//! without a deadline, in a lock, in a computation. Every poll of a loop counts as a sign of
//! life, so a loop need not know of this, it only has to wake up now and then.
//!
//! Law: time is counted while this process runs. [`Liveness::run`] counts it in short sleeps, so
//! a machine or process that was paused for an hour has added one of them, and nobody is taken
//! for dead before they had the chance to run.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::health::{Health, State};

/// One step of the clock.
const TICK: Duration = Duration::from_secs(1);
/// Periods that a loop may miss.
const PERIODS: u32 = 5;
/// And no loop is given less: nothing that is merely slow takes so long.
const LEAST: Duration = Duration::from_secs(600);

/// The clock that loops are measured by. Clones share it.
#[derive(Clone, Debug)]
pub struct Liveness {
    health: Health,
    /// In ticks.
    clock: Arc<AtomicU64>,
}

/// Loops of one kind, a condition of their own. Clones are the same.
#[derive(Clone, Debug)]
pub struct Loops {
    clock: Arc<AtomicU64>,
    /// When each was seen alive last, in ticks.
    members: Arc<Mutex<Vec<Weak<AtomicU64>>>>,
}

/// A future that tells of its life.
#[derive(Debug)]
pub struct Watched<F> {
    clock: Arc<AtomicU64>,
    seen: Arc<AtomicU64>,
    task: Pin<Box<F>>,
}

impl Liveness {
    /// Adds conditions to `health`.
    #[must_use]
    pub fn new(health: Health) -> Self {
        Self {
            health,
            clock: Arc::default(),
        }
    }

    /// A condition that holds while every loop of this kind shows signs of life. `period` is the
    /// longest time for which one may sleep or wait.
    #[must_use]
    pub fn loops(&self, name: &'static str, period: Duration) -> Loops {
        let loops = Loops {
            clock: Arc::clone(&self.clock),
            members: Arc::default(),
        };
        let limit = period.saturating_mul(PERIODS).max(LEAST).as_secs();
        let checked = loops.clone();
        self.health.check(name, move || checked.age() <= limit);
        loops
    }

    /// Runs the clock until `stop`, and tells of loops that hang, once.
    pub async fn run(self, stop: CancellationToken) {
        let mut told = BTreeSet::new();
        while stop
            .run_until_cancelled(tokio::time::sleep(TICK))
            .await
            .is_some()
        {
            self.clock.fetch_add(1, Ordering::Relaxed);
            for State { name, holds } in self.health.states() {
                if !holds && told.insert(name) {
                    tracing::error!(name, "a loop shows no sign of life: no longer live");
                } else if holds && told.remove(name) {
                    tracing::info!(name, "the loop shows signs of life again");
                }
            }
        }
    }
}

impl Loops {
    /// `task` as one of these loops, until it is dropped.
    pub fn watch<F: Future>(&self, task: F) -> Watched<F> {
        let seen = Arc::new(AtomicU64::new(self.clock.load(Ordering::Relaxed)));
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(&seen));
        Watched {
            clock: Arc::clone(&self.clock),
            seen,
            task: Box::pin(task),
        }
    }

    /// Ticks since the last sign of life of the loop that is silent longest.
    fn age(&self) -> u64 {
        let now = self.clock.load(Ordering::Relaxed);
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = members.iter().filter_map(Weak::upgrade);
        let ages = seen.map(|seen| now.saturating_sub(seen.load(Ordering::Relaxed)));
        ages.max().unwrap_or(0)
    }
}

impl<F> Watched<F> {
    fn sign(&self) {
        let now = self.clock.load(Ordering::Relaxed);
        self.seen.store(now, Ordering::Relaxed);
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.sign();
        let polled = self.task.as_mut().poll(context);
        self.sign();
        polled
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::{advance, sleep};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    /// A clock that runs.
    fn start() -> (Liveness, Health, JoinSet<()>) {
        let health = Health::new();
        let liveness = Liveness::new(health.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(liveness.clone().run(CancellationToken::new()));
        (liveness, health, tasks)
    }

    async fn endless(period: Duration) {
        loop {
            sleep(period).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_found_among_others() {
        let (liveness, health, mut tasks) = start();
        let loops = liveness.loops("loops", PERIOD);
        tasks.spawn(loops.watch(endless(PERIOD)));
        sleep(10 * LEAST).await;
        assert!(health.holds());
        tasks.spawn(loops.watch(std::future::pending()));
        sleep(LEAST - PERIOD).await;
        assert!(health.holds());
        sleep(2 * PERIOD).await;
        assert!(!health.holds());
        assert_eq!(health.states()[0].name, "loops");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_with_a_long_period_has_its_time() {
        let (liveness, health, mut tasks) = start();
        let loops = liveness.loops("slow", LEAST);
        tasks.spawn(loops.watch(std::future::pending()));
        sleep(4 * LEAST).await;
        assert!(health.holds());
        sleep(2 * LEAST).await;
        assert!(!health.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_machine_kills_nobody() {
        let (liveness, health, mut tasks) = start();
        let loops = liveness.loops("loops", PERIOD);
        tasks.spawn(loops.watch(endless(PERIOD)));
        sleep(PERIOD).await;
        // All timers are late by a day, and nobody has run since.
        advance(Duration::from_secs(86_400)).await;
        assert!(health.holds());
        sleep(PERIOD).await;
        assert!(health.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_is_gone_is_missed_by_nobody() {
        let (liveness, health, mut tasks) = start();
        let loops = liveness.loops("loops", PERIOD);
        let mut gone = JoinSet::new();
        gone.spawn(loops.watch(std::future::pending::<()>()));
        sleep(PERIOD).await;
        gone.shutdown().await;
        tasks.spawn(loops.watch(endless(PERIOD)));
        sleep(2 * LEAST).await;
        assert!(health.holds());
    }
}
