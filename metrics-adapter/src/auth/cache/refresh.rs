//! Reviews ahead of polls.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::Shared;
use futures::stream::FuturesUnordered;
use telemetry::backoff::Backoff;
use tokio::time::Instant;

use super::{Ask, Cache, Flight};
use crate::model::review::Cause;

/// Reviews ahead of polls at once, of either kind.
const AT_ONCE: usize = 16;

/// From one to the next: a thousand a second at most. 10,000 questions that are polled every 15 s
/// need two thirds of that.
const SPACING: Duration = Duration::from_millis(1);

/// While kube-apiserver has trouble nothing is asked ahead of polls for so long after a failure,
/// doubled up to the longest time with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What goes on with kube-apiserver, as far as reviews ahead of polls tell.
pub(super) struct Trouble {
    backoff: Backoff,
    /// Until then nothing is asked ahead; `None` without trouble.
    until: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(FIRST_PAUSE),
            until: None,
        }
    }
}

impl Trouble {
    /// A review failed; whether this is news. Those that were under way with it tell nothing new.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let before = self.until;
        if before.is_none_or(|until| until <= now) {
            self.until = Some(now + self.backoff.pause(LONGEST_PAUSE));
        }
        before.is_none()
    }

    /// A review was answered; whether this is news.
    pub(super) fn over(&mut self) -> bool {
        self.backoff.reset();
        self.until.take().is_some()
    }

    /// Reviews ahead of polls at once: in trouble one has to show first that it is over.
    const fn at_once(&self) -> usize {
        if self.until.is_some() { 1 } else { AT_ONCE }
    }
}

impl<A: Ask> Cache<A> {
    /// Asks ahead of polls, and forgets what nobody wants; does not end.
    pub(in crate::auth) async fn keep_warm(&self) {
        let mut flights = FuturesUnordered::new();
        let mut earliest = Instant::now();
        loop {
            let next = self.next_look(flights.len());
            let look = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.max(earliest)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(_) = flights.next() => {}
                () = look => {
                    if let Some(flight) = self.renew() {
                        flights.push(flight);
                        // Timers are late by a millisecond; one that was late lets two go.
                        earliest = (earliest + SPACING).max(Instant::now());
                    }
                }
                () = self.shelf.changed.notified() => {}
            }
        }
    }

    /// When to look at the agenda, with so many reviews under way.
    fn next_look(&self, under_way: usize) -> Option<Instant> {
        let content = self.shelf.lock();
        if under_way >= content.trouble.at_once() {
            return None;
        }
        let first = content.first()?;
        Some(
            content
                .trouble
                .until
                .map_or(first, |until| until.max(first)),
        )
    }

    /// Starts a review for the first question of the agenda, if it wants one.
    fn renew(&self) -> Option<Shared<Flight<A::Answer>>> {
        let mut content = self.shelf.lock();
        let (key, question) = content.due(Instant::now(), &self.shelf.terms)?;
        Some(self.depart(&mut content, key, question, Cause::Refresh))
    }
}
