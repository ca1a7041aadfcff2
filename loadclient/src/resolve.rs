//! Which addresses the target's name has.
//!
//! Updated by one task, [`watch()`]; read by the driver. Law: a failed lookup never takes
//! addresses away (the last good ones stay), and it is said once, not at every attempt.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two attempts while the name does not resolve.
const RETRY: Duration = Duration::from_secs(1);

/// At least between two lookups, however often a connection error asks for one.
const MIN_DISTANCE: Duration = Duration::from_millis(500);

/// When to look up, and what to take from the answer.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Every address, looked up at this interval and after connection errors.
    All(Duration),
    /// One address, looked up again only after connection errors.
    One,
}

/// Looks up for ever, publishing changes. `wake` asks for a lookup out of turn.
pub async fn watch<L, F>(
    lookup: L,
    mode: Mode,
    wake: &Notify,
    publish: &watch::Sender<Vec<SocketAddr>>,
) where
    L: Fn() -> F,
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut failing = false;
    loop {
        let looked_up = Instant::now();
        match lookup().await.and_then(not_empty) {
            Ok(found) => {
                if failing {
                    tracing::info!("the target's name resolves again");
                }
                failing = false;
                update(publish, found, mode);
            }
            Err(error) if !failing => {
                tracing::warn!(%error, "the target's name does not resolve, trying on");
                failing = true;
            }
            Err(error) => tracing::debug!(%error, "the target's name still does not resolve"),
        }
        let pause = async {
            match mode {
                _ if failing => sleep(RETRY).await,
                Mode::All(interval) => sleep(interval).await,
                Mode::One => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = wake.notified() => sleep_until(looked_up + MIN_DISTANCE).await,
        }
    }
}

/// An answer without addresses is a failure of the name.
fn not_empty(found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    if found.is_empty() {
        Err(io::Error::other("no addresses"))
    } else {
        Ok(found)
    }
}

/// Publishes what changed. The order of an answer means nothing (resolvers rotate it).
fn update(publish: &watch::Sender<Vec<SocketAddr>>, mut found: Vec<SocketAddr>, mode: Mode) {
    publish.send_if_modified(|current| {
        let wanted = match (mode, current.first()) {
            (Mode::One, Some(kept)) if found.contains(kept) => vec![*kept],
            (Mode::One, _) => found[..1].to_vec(),
            (Mode::All(_), _) => {
                found.sort_unstable();
                found.dedup();
                found
            }
        };
        let changed = *current != wanted;
        if changed {
            tracing::info!(addresses = ?wanted, "the target's addresses changed");
            *current = wanted;
        }
        changed
    });
}

#[cfg(test)]
mod tests;
