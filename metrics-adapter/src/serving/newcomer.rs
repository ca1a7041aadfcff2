//! Connections that have not asked anything yet.
//!
//! Law: there are only so many, and the oldest gives way to the newest, which waits until it is
//! gone. Whoever means to ask does so within milliseconds, so those who open connections and stay
//! silent displace one another, and not the front proxy. Those who have not sent a single byte are
//! counted apart: they cost next to nothing, and displace nobody who has.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::line::{Line, Place};

/// All of them. Clones share them.
#[derive(Clone)]
pub(super) struct Newcomers {
    places: Arc<Semaphore>,
    line: Line,
}

/// One of them; none any more when dropped.
pub(super) struct Newcomer {
    _line: Place,
    _place: Option<OwnedSemaphorePermit>,
}

impl Newcomers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limit)),
            line: Line::default(),
        }
    }

    /// The oldest gives way; whether there was one.
    pub(super) fn displace(&self) -> bool {
        self.line.displace()
    }

    /// Makes room for one more. The token is cancelled when it has to give way itself.
    pub(super) async fn add(&self) -> (Newcomer, CancellationToken) {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                self.displace();
                // Closed never: the semaphore lives as long as `self`.
                Arc::clone(&self.places).acquire_owned().await.ok()
            }
        };
        let displaced = CancellationToken::new();
        let newcomer = Newcomer {
            _line: self.line.join(displaced.clone()),
            _place: place,
        };
        (newcomer, displaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_unless_it_has_asked() {
        let newcomers = Newcomers::new(2);
        let (first, first_displaced) = newcomers.add().await;
        let (second, second_displaced) = newcomers.add().await;
        drop(first);
        let (_third, third_displaced) = newcomers.add().await;
        assert!(!second_displaced.is_cancelled());
        let mut fourth = std::pin::pin!(newcomers.add());
        assert!(futures::poll!(fourth.as_mut()).is_pending());
        assert!(second_displaced.is_cancelled());
        drop(second);
        let _fourth = fourth.await;
        assert!(!first_displaced.is_cancelled() && !third_displaced.is_cancelled());
    }
}
