//! Burning CPU on purpose, on threads of its own.
//!
//! Law: all burns share the same few threads, so the machine is never asked for more CPU than it
//! has, however many burns there are; a burn ends at its time, whoever else burns; a burn whose
//! caller has left is not cut short (the load generator this stands in for does not either). The
//! number of burns at once is bounded.

use std::io;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::priority;
use crate::work::count_primes;

/// Numbers that a thread tests between two looks at the clock: well under a millisecond of work.
const SLICE: u64 = 4_096;

/// The size of a burner.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads that burn while there is something to burn.
    pub threads: NonZeroU16,
    /// Burns under way at once.
    pub burns: u32,
}

/// Until when there is something to burn: the end of the burn that ends last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    until: Option<Instant>,
}

/// The threads and their plan; clones share them. The threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Burner {
    limits: Limits,
    threads: Arc<Threads>,
}

/// One burn under way, until its time is over or nobody is interested any more.
#[derive(Debug)]
pub struct Burn {
    ends: Instant,
    shared: Arc<Shared>,
}

/// As many burns are under way as there may be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{burns} burns are under way")]
pub struct Full {
    burns: u32,
}

/// What owns the threads; dropping it ends them.
#[derive(Debug)]
struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

/// What burner and threads see.
#[derive(Debug, Default)]
struct Shared {
    plan: Mutex<Plan>,
    changed: Condvar,
    ended: AtomicBool,
    burns: AtomicU32,
    busy: AtomicU32,
}

impl Plan {
    /// Adds a burn of that time; returns its own end, which may be before the plan's.
    pub fn add(&mut self, now: Instant, time: Duration) -> Instant {
        let ends = now + time;
        self.until = self.until.max(Some(ends));
        ends
    }

    /// Whether there is something to burn.
    #[must_use]
    pub fn is_burning(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl Burner {
    /// Starts the threads, which wait for something to burn.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread.
    pub fn start(limits: Limits) -> io::Result<Self> {
        let mut threads = Threads {
            shared: Arc::default(),
            handles: Vec::new(),
        };
        for number in 0..limits.threads.get() {
            let shared = Arc::clone(&threads.shared);
            let thread = std::thread::Builder::new().name(format!("burn-{number}"));
            let life = move || {
                priority::lower();
                shared.work();
            };
            threads.handles.push(thread.spawn(life)?);
        }
        Ok(Self {
            limits,
            threads: Arc::new(threads),
        })
    }

    /// Burns for that time from now on. The CPU is burned to the end even if the [`Burn`] is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`Full`], if there are too many burns already; nothing is burned then.
    pub fn burn(&self, time: Duration) -> Result<Burn, Full> {
        let Limits { burns, .. } = self.limits;
        let shared = &self.threads.shared;
        let more = |now| (now < burns).then_some(now + 1);
        shared
            .burns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| Full { burns })?;
        let ends = shared.plan().add(Instant::now(), time);
        shared.changed.notify_all();
        Ok(Burn {
            ends,
            shared: Arc::clone(shared),
        })
    }

    /// Burns under way: those that somebody waits for.
    #[must_use]
    pub fn burns(&self) -> u32 {
        self.threads.shared.burns.load(Ordering::Relaxed)
    }

    /// Threads that burn now.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.threads.shared.busy.load(Ordering::Relaxed)
    }
}

impl Burn {
    /// Waits for the end.
    pub async fn ended(self) {
        tokio::time::sleep_until(self.ends).await;
    }
}

impl Drop for Burn {
    fn drop(&mut self) {
        self.shared.burns.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        // A poisoned lock holds one point in time: as good as before.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: wait, burn, wait.
    fn work(&self) {
        while self.wait() {
            self.busy.fetch_add(1, Ordering::Relaxed);
            while self.plan().is_burning(Instant::now()) {
                std::hint::black_box(count_primes(SLICE, &self.ended));
                if self.ended.load(Ordering::Acquire) {
                    break;
                }
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for something to burn; false when there never will be anything.
    fn wait(&self) -> bool {
        let idle = |plan: &mut Plan| {
            !self.ended.load(Ordering::Acquire) && !plan.is_burning(Instant::now())
        };
        drop(
            self.changed
                .wait_while(self.plan(), idle)
                .unwrap_or_else(PoisonError::into_inner),
        );
        !self.ended.load(Ordering::Acquire)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Under the lock, so that no thread can miss it between its look and its wait.
        let plan = self.shared.plan();
        self.shared.ended.store(true, Ordering::Release);
        drop(plan);
        self.shared.changed.notify_all();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests;
