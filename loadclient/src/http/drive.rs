//! The run itself: so many threads, each with one request in flight.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::record::{Outcome, Record};
use super::schedule::Schedule;

/// Between two lines about how the run goes.
const PROGRESS: Duration = Duration::from_secs(5);

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Who asks; its time limit is the requests'.
    pub client: reqwest::Client,
    /// What for.
    pub url: reqwest::Url,
    /// Requests in flight at most.
    pub threads: u16,
    /// When.
    pub schedule: Schedule,
    /// What is measured.
    pub record: Arc<Record>,
}

/// What the threads share.
struct Shared {
    run: Run,
    start: Instant,
    /// The next request's number.
    next: AtomicU64,
    stop: CancellationToken,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How long it took, the last answers included.
    pub elapsed: Duration,
    /// Requests that were due and not sent.
    pub missed: u64,
}

impl Run {
    /// Makes requests until the end or `stop`; those in flight are finished.
    pub async fn drive(self, stop: CancellationToken) -> Ended {
        let (schedule, record) = (self.schedule, Arc::clone(&self.record));
        let threads = self.threads;
        let shared = Arc::new(Shared {
            run: self,
            start: Instant::now(),
            next: AtomicU64::new(0),
            stop,
        });
        let mut tasks: JoinSet<u64> = (0..threads)
            .map(|_| {
                let shared = Arc::clone(&shared);
                async move { shared.ask().await }
            })
            .collect();
        let over = shared.over(schedule.duration);
        let progress = progress(&record);
        tokio::select! {
            () = over => {}
            never = progress => match never {},
        }
        let due = schedule.due_before(shared.start.elapsed());
        let mut sent = 0;
        while let Some(ended) = tasks.join_next().await {
            // A thread that panicked is a fault of this program; its requests are recorded.
            sent += ended.unwrap_or_default();
        }
        let missed = due.saturating_sub(sent);
        record.missed(missed);
        Ended {
            elapsed: shared.start.elapsed(),
            missed,
        }
    }
}

impl Shared {
    /// Waits for the end of the run, or for being told to stop.
    async fn over(&self, at: Duration) {
        tokio::select! {
            () = sleep_until(self.start + at) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// A thread's life; returns how many requests it sent.
    async fn ask(&self) -> u64 {
        let schedule = self.run.schedule;
        let mut sent = 0;
        loop {
            let mut due = self.start.elapsed();
            if schedule.rate.is_some() {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let Some(at) = schedule.due(number) else {
                    break;
                };
                self.over(at).await;
                due = at;
            }
            if self.stop.is_cancelled() || self.start.elapsed() >= schedule.duration {
                break;
            }
            sent += 1;
            let outcome = self.run.request().await;
            let latency = self.start.elapsed().saturating_sub(due);
            self.run.record.request(outcome, latency);
        }
        sent
    }
}

impl Run {
    /// One request, and its answer to the end.
    async fn request(&self) -> Outcome {
        let asked = async {
            let mut response = self.client.get(self.url.clone()).send().await?;
            while response.chunk().await?.is_some() {}
            Ok(response.status())
        };
        asked.await.map_or_else(
            |error: reqwest::Error| {
                tracing::debug!(%error, cause = ?error.source(), "request failed");
                if error.is_timeout() {
                    Outcome::Timeout
                } else if error.is_connect() {
                    Outcome::Connect
                } else {
                    Outcome::Broken
                }
            },
            |status| Outcome::Status(status.as_u16()),
        )
    }
}

/// Says how it goes, for ever.
async fn progress(record: &Record) -> std::convert::Infallible {
    let mut ticks = interval_at(Instant::now() + PROGRESS, PROGRESS);
    let mut last = 0;
    loop {
        ticks.tick().await;
        let (requests, errors) = record.counts();
        let rate = (requests - last) as f64 / PROGRESS.as_secs_f64();
        tracing::info!(requests, errors, requests_per_second = rate, "making load");
        last = requests;
    }
}
