//! Steady reads of what the HPA reads, through the aggregator, while something else happens.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    Failure, ensure,
    world::{World, items},
};

/// Two threads, each with a read every 100 ms: together one every 50 ms.
const THREADS: usize = 2;
const PACE: Duration = Duration::from_millis(100);

/// What the reads have come to so far.
#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Answers with a value.
    pub(super) good: usize,
    /// What came instead.
    pub(super) failures: Vec<String>,
    /// The longest time to a good answer.
    pub(super) slowest: Duration,
}

impl Tally {
    /// A copy of the numbers now.
    pub(super) fn counts(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add(&self, read: Result<Duration, Failure>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(elapsed) => {
                counts.good += 1;
                counts.slowest = counts.slowest.max(elapsed);
            }
            Err(failure) => counts.failures.push(failure.to_string()),
        }
    }
}

/// Reads all the time while `run` runs; fails when a single read did. Gives what `run` gave, and
/// the numbers.
pub(super) fn under_polling<T>(
    world: &World,
    run: impl FnOnce(&Tally) -> Result<T, Failure>,
) -> Result<(T, Counts), Failure> {
    let (tally, stop) = (Tally::default(), AtomicBool::new(false));
    let (cluster, tally, stop) = (&world.cluster, &tally, &stop);
    let outcome = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let world = match World::enter(cluster) {
                    Ok(world) => world,
                    Err(failure) => return tally.add(Err(failure)),
                };
                while !stop.load(Ordering::Relaxed) {
                    tally.add(read(&world));
                    thread::sleep(PACE);
                }
            });
        }
        let outcome = run(tally);
        stop.store(true, Ordering::Relaxed);
        outcome
    });
    let counts = tally.counts();
    ensure!(
        counts.failures.is_empty(),
        "{} of {} reads failed:\n{}",
        counts.failures.len(),
        counts.failures.len() + counts.good,
        counts.failures[..counts.failures.len().min(5)].join("\n")
    );
    Ok((outcome?, counts))
}

fn read(world: &World) -> Result<Duration, Failure> {
    let answer = world.values()?;
    ensure!(!items(&answer.expect(200)?).is_empty(), "no item: {answer}");
    Ok(answer.elapsed)
}
