//! Places for connections, and who gives way when there are few.
//!
//! Law: who asks displaces others who have asked, and silence displaces silence. A sixteenth of the
//! places is kept free for that: a connection whose first request takes one of these makes an idle one
//! go. Only when there is no place at all has somebody to go for one that has said nothing yet:
//! whoever is silent, else a stranger who is idle, else a newcomer. Idle connections that
//! have authenticated, such as the front proxy's, are the last in both cases.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Options;
use super::line::Line;
use super::newcomer::Newcomers;

/// While there is no place at all, somebody has to give way so often: longer than it takes to go.
const DISPLACE_INTERVAL: Duration = Duration::from_millis(250);

/// All places of one listener. Clones share them.
#[derive(Clone)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    reserve: usize,
    /// Connections that have not sent a byte.
    pub(super) silent: Newcomers,
    /// Connections that have sent something, but no request yet.
    pub(super) new: Newcomers,
    pub(super) idle: Idle,
}

/// Connections between two requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    /// None of whose requests passed authentication.
    pub(super) strangers: Line,
    pub(super) authenticated: Line,
}

impl Room {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            places: Arc::new(Semaphore::new(options.max_connections)),
            reserve: options.max_connections / 16,
            silent: Newcomers::new(options.max_silent_connections),
            new: Newcomers::new(options.max_new_connections),
            idle: Idle::default(),
        }
    }

    /// Waits for a place, and lets others give way meanwhile.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        loop {
            let _ = self.silent.displace()
                || self.idle.strangers.displace()
                || self.new.displace()
                || self.idle.authenticated.displace();
            let place = Arc::clone(&self.places).acquire_owned();
            // Closed never: the semaphore lives as long as `self`.
            if let Ok(place) = tokio::time::timeout(DISPLACE_INTERVAL, place).await {
                return place.ok();
            }
        }
    }

    /// A newcomer has asked, and stays. An idle connection gives way if few places are left.
    pub(super) fn asked(&self) {
        if self.places.available_permits() < self.reserve {
            let _ = self.idle.strangers.displace() || self.idle.authenticated.displace();
        }
    }
}
