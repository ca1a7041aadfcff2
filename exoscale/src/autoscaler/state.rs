//! What the loop and the routes share. Law: nobody waits while holding its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use telemetry::health::Condition;
use tokio::sync::Notify;

use super::Metrics;
use super::metric::{Outcome, Way};
use crate::api::{Error, InstancePool};
use crate::scaler::{Direction, Scaler};
use crate::webhook::Meaning;

/// Requests, the pool as last seen, what was done last.
#[derive(Debug)]
pub struct Shared {
    scaler: Mutex<Scaler>,
    last: Mutex<Last>,
    requested: Notify,
    metrics: Metrics,
    /// Holds while the pool can be read.
    readable: Condition,
}

#[derive(Debug, Default, Clone, Serialize)]
struct Last {
    pool: Option<Seen>,
    error: Option<Failed>,
    action: Option<Acted>,
}

#[derive(Debug, Clone, Serialize)]
struct Seen {
    name: String,
    size: u32,
    state: &'static str,
    at: String,
}

#[derive(Debug, Clone, Serialize)]
struct Failed {
    kind: &'static str,
    at: String,
}

#[derive(Debug, Clone, Serialize)]
struct Acted {
    direction: &'static str,
    result: &'static str,
    at: String,
}

/// What `/status` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The request that waits, `up` or `down`.
    pending: Option<&'static str>,
    /// The size that was asked for without an answer.
    unanswered_size: Option<u32>,
    min_pool_size: u32,
    max_pool_size: u32,
    #[serde(flatten)]
    last: Last,
}

impl Shared {
    /// Shared by one loop and its routes.
    #[must_use]
    pub fn new(scaler: Scaler, metrics: Metrics, readable: Condition) -> Self {
        Self {
            scaler: Mutex::new(scaler),
            last: Mutex::default(),
            requested: Notify::new(),
            metrics,
            readable,
        }
    }

    /// A webhook came.
    pub fn request(&self, direction: Direction, meaning: Meaning) {
        let result = match meaning {
            Meaning::Step => "accepted",
            Meaning::Resolved => "resolved",
            Meaning::NoStatement => "no_statement",
        };
        tracing::info!(direction = direction.name(), result, "webhook");
        let labels = Outcome { direction, result };
        self.metrics.requests.get_or_create(&labels).inc();
        if meaning == Meaning::Step {
            self.scaler().request(direction);
            self.show_pending();
            self.requested.notify_one();
        }
    }

    /// What `/status` tells.
    #[must_use]
    pub fn status(&self) -> Status {
        let scaler = self.scaler().clone();
        Status {
            pending: scaler.pending().map(Direction::name),
            unanswered_size: scaler.unanswered().map(|step| step.to),
            min_pool_size: scaler.bounds().min(),
            max_pool_size: scaler.bounds().max(),
            last: self.last().clone(),
        }
    }

    pub(super) fn scaler(&self) -> MutexGuard<'_, Scaler> {
        self.scaler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a request since the last time this returned.
    pub(super) async fn requested(&self) {
        self.requested.notified().await;
    }

    pub(super) fn seen(&self, pool: &InstancePool) {
        let at = Timestamp::now();
        self.readable.set(true);
        self.metrics.size.set(f64::from(pool.size));
        self.metrics
            .last_read
            .set(at.as_duration().as_secs_f64().floor());
        let mut last = self.last();
        last.error = None;
        last.pool = Some(Seen {
            name: pool.name.clone(),
            size: pool.size,
            state: pool.state.name(),
            at: at.to_string(),
        });
    }

    pub(super) fn unreadable(&self, error: &Error) {
        self.readable.set(false);
        let at = Timestamp::now().to_string();
        let kind = error.kind();
        self.last().error = Some(Failed { kind, at });
    }

    pub(super) fn acted(&self, direction: Direction, result: &'static str) {
        let labels = Outcome { direction, result };
        self.metrics.actions.get_or_create(&labels).inc();
        self.show_pending();
        let (direction, at) = (direction.name(), Timestamp::now().to_string());
        self.last().action = Some(Acted {
            direction,
            result,
            at,
        });
    }

    fn show_pending(&self) {
        let pending = self.scaler().pending();
        for direction in [Direction::Up, Direction::Down] {
            let gauge = self.metrics.pending.get_or_create(&Way { direction });
            gauge.set((pending == Some(direction)).into());
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
