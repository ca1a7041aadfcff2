//! Who may work: a fixed number of workers, and a bounded queue in front of them.
//!
//! Law: first come, first served; never more than `workers` at once, never more than
//! `queue_length` waiting; whoever stops waiting (its future is dropped) has left the queue.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The size of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many may work at once.
    pub workers: NonZeroU16,
    /// How many may wait for a worker.
    pub queue_length: u32,
}

/// The workers and their queue; clones share them.
#[derive(Clone, Debug)]
pub struct Pool {
    limits: Limits,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
}

/// One busy worker; dropping it frees the worker for the head of the queue.
#[derive(Debug)]
pub struct Worker(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// All workers are busy and nobody more may wait.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("all {workers} workers are busy and the queue of {queue_length} is full")]
pub struct Full {
    workers: NonZeroU16,
    queue_length: u32,
}

/// A place in the queue, given back on drop.
struct Place<'a>(&'a AtomicU32);

impl Pool {
    /// A pool with nobody working.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let permits = Arc::new(Semaphore::new(usize::from(limits.workers.get())));
        Self {
            limits,
            permits,
            waiting: Arc::default(),
        }
    }

    /// Waits for a worker.
    ///
    /// # Errors
    ///
    /// [`Full`], at once, if there is neither a free worker nor a place in the queue.
    pub async fn admit(&self) -> Result<Worker, Full> {
        // Succeeds only if nobody waits: the semaphore hands freed permits to its queue first.
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Worker(permit));
        }
        let Limits {
            workers,
            queue_length,
        } = self.limits;
        let full = Full {
            workers,
            queue_length,
        };
        let Some(_place) = Place::take(&self.waiting, queue_length) else {
            return Err(full);
        };
        // The semaphore is never closed, and it queues in order of arrival.
        Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map(Worker)
            .map_err(|_| full)
    }

    /// How many wait for a worker now.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicU32, length: u32) -> Option<Self> {
        let more = |now| (now < length).then_some(now + 1);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
