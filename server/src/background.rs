//! Jobs that nobody waits for, on threads of their own.
//!
//! Law: as many run at once as there are threads, as many wait as the queue takes, and whoever
//! comes then is turned away at once. All jobs are alike. One that panics is logged and makes room as
//! any other. At the end those that wait are forgotten, and those that run are told.

use std::io;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::priority;

/// How many jobs there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Running at once.
    pub threads: NonZeroU16,
    /// Waiting for a thread.
    pub queue: u32,
}

/// The threads and their queue; clones share them. The threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Background {
    limits: Limits,
    threads: Arc<Threads>,
}

/// The queue is full.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("all threads are busy and the queue is full")]
pub struct Full;

/// How a job learns of the end.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a>(&'a Shared);

/// What owns the threads; dropping it ends them.
#[derive(Debug)]
struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A job waits: for threads without one.
    submitted: Condvar,
    /// The end has come: for jobs that wait for it.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: u32,
    running: u32,
    ended: bool,
}

impl Background {
    /// Starts the threads, which wait for jobs.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread.
    pub fn start<J>(name: &str, limits: Limits, job: J) -> io::Result<Self>
    where
        J: Fn(Ending<'_>) + Send + Sync + 'static,
    {
        let job = Arc::new(job);
        let mut threads = Threads {
            shared: Arc::default(),
            handles: Vec::new(),
        };
        for number in 0..limits.threads.get() {
            let (shared, job) = (Arc::clone(&threads.shared), Arc::clone(&job));
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            let life = move || {
                priority::lower();
                shared.work(&*job);
            };
            threads.handles.push(thread.spawn(life)?);
        }
        let threads = Arc::new(threads);
        Ok(Self { limits, threads })
    }

    /// Adds a job.
    ///
    /// # Errors
    ///
    /// [`Full`]; the job is forgotten then.
    pub fn submit(&self) -> Result<(), Full> {
        let shared = &self.threads.shared;
        let mut state = shared.state();
        let room = u32::from(self.limits.threads.get()).saturating_add(self.limits.queue);
        if state.waiting + state.running >= room {
            return Err(Full);
        }
        state.waiting += 1;
        drop(state);
        shared.submitted.notify_one();
        Ok(())
    }

    /// Jobs that wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.threads.shared.state().waiting
    }

    /// Jobs that run.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.threads.shared.state().running
    }
}

impl Ending<'_> {
    /// Whether the job should stop.
    #[must_use]
    pub fn has_come(self) -> bool {
        self.0.state().ended
    }

    /// Waits that long, or until the job should stop.
    pub fn wait(self, time: Duration) {
        let stays = |state: &mut State| !state.ended;
        let waited = self.0.ended.wait_timeout_while(self.0.state(), time, stays);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock holds numbers that are whole: they change under the lock at once.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: wait, work, wait.
    fn work(&self, job: &impl Fn(Ending<'_>)) {
        loop {
            let idle = |state: &mut State| !state.ended && state.waiting == 0;
            let mut state = self
                .submitted
                .wait_while(self.state(), idle)
                .unwrap_or_else(PoisonError::into_inner);
            if state.ended {
                return;
            }
            state.waiting -= 1;
            state.running += 1;
            drop(state);
            // Nothing of a job is used after its panic.
            if catch_unwind(AssertUnwindSafe(|| job(Ending(self)))).is_err() {
                tracing::error!("a job in the background panicked");
            }
            self.state().running -= 1;
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.submitted.notify_all();
        self.shared.ended.notify_all();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Nothing here takes longer, unless it hangs.
    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn beyond_threads_and_queue_jobs_are_turned_away_and_the_end_is_told() {
        let limits = Limits {
            threads: NonZeroU16::MIN,
            queue: 2,
        };
        let (begin, begun) = channel();
        let background = Background::start("test", limits, move |ending| {
            begin.send(()).unwrap();
            ending.wait(LONG);
            assert!(ending.has_come());
        })
        .unwrap();
        assert_eq!(
            [(); 4].map(|()| background.submit()),
            [Ok(()), Ok(()), Ok(()), Err(Full)]
        );
        begun.recv().unwrap();
        assert_eq!((background.running(), background.waiting()), (1, 2));
        // Ends at once, and those that waited never begin.
        drop(background);
        assert!(begun.recv().is_err());
    }

    #[test]
    fn jobs_that_waited_run_when_there_is_room() {
        let limits = Limits {
            threads: NonZeroU16::MIN,
            queue: 1,
        };
        let ((begin, begun), (allow, allowed)) = (channel(), channel::<()>());
        let allowed = Mutex::new(allowed);
        let background = Background::start("test", limits, move |_| {
            begin.send(()).unwrap();
            allowed.lock().unwrap().recv().unwrap();
        })
        .unwrap();
        background.submit().unwrap();
        begun.recv().unwrap();
        background.submit().unwrap();
        assert_eq!(background.submit(), Err(Full));
        allow.send(()).unwrap();
        begun.recv().unwrap();
        assert_eq!(background.submit(), Ok(()));
        allow.send(()).unwrap();
        allow.send(()).unwrap();
    }

    #[test]
    fn jobs_begin_though_another_waits_for_the_end() {
        let limits = Limits {
            threads: NonZeroU16::new(2).unwrap(),
            queue: 0,
        };
        let (begin, begun) = channel();
        let first = AtomicBool::new(true);
        let background = Background::start("test", limits, move |ending| {
            begin.send(()).unwrap();
            if first.swap(false, Ordering::Relaxed) {
                ending.wait(LONG);
            }
        })
        .unwrap();
        background.submit().unwrap();
        begun.recv_timeout(DEADLINE).unwrap();
        for _ in 0..1_000 {
            while background.running() > 1 {
                std::thread::yield_now();
            }
            background.submit().unwrap();
            begun.recv_timeout(DEADLINE).unwrap();
        }
    }

    #[test]
    fn a_job_that_panics_makes_room() {
        let limits = Limits {
            threads: NonZeroU16::MIN,
            queue: 0,
        };
        let (begin, begun) = channel();
        let background = Background::start("test", limits, move |_| {
            begin.send(()).unwrap();
            panic!("as the test wants");
        })
        .unwrap();
        for _ in 0..3 {
            let start = Instant::now();
            while background.submit().is_err() {
                assert!(start.elapsed() < DEADLINE, "there is no room");
                std::thread::yield_now();
            }
            begun.recv_timeout(DEADLINE).unwrap();
        }
    }
}
