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

/// From one to the next: two thousand a second at most. 20,000 questions that are polled every 15 s
/// need two thirds of that.
const SPACING: Duration = Duration::from_micros(500);

/// Timers are late by a millisecond or two, which is made up for.
const LATENESS: Duration = Duration::from_millis(2);

/// While kube-apiserver has trouble nothing is asked ahead of polls for so long after a failure,
/// doubled up to the longest time with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// So long none may fail until the log says that they are answered again: four polls of an HPA.
/// When some fail and some do not, it says so once.
const QUIET: Duration = Duration::from_secs(60);

/// What goes on with kube-apiserver, as far as reviews ahead of polls tell.
pub(super) struct Trouble {
    backoff: Backoff,
    /// Until when nothing is asked ahead; `None` without trouble.
    until: Option<Instant>,
    /// When the last one failed, while the log says that they fail.
    failed: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(FIRST_PAUSE),
            until: None,
            failed: None,
        }
    }
}

impl Trouble {
    /// A review failed; whether this is news. Those that were under way with it tell nothing new.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        if self.until.is_none_or(|until| until <= now) {
            self.until = Some(now + self.backoff.pause(LONGEST_PAUSE));
        }
        self.failed.replace(now).is_none()
    }

    /// A review of `asked` was answered; whether that ends the trouble. What was asked before the
    /// last failure tells nothing.
    pub(super) fn over(&mut self, asked: Instant) -> bool {
        if self.failed.is_some_and(|failed| asked < failed) {
            return false;
        }
        let is_over = self.until.take().is_some();
        if is_over {
            self.backoff.reset();
        }
        is_over
    }

    /// Whether it is news that no review has failed for a while.
    pub(super) fn is_quiet(&mut self, now: Instant) -> bool {
        let is_quiet = |failed: Instant| now.duration_since(failed) >= QUIET;
        self.until.is_none() && self.failed.take_if(|failed| is_quiet(*failed)).is_some()
    }

    #[cfg(test)]
    pub(super) const fn pause_ends(&self) -> Option<Instant> {
        self.until
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
                        let now = Instant::now();
                        let made_up = now.checked_sub(LATENESS).unwrap_or(now);
                        earliest = earliest.max(made_up) + SPACING;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_after_a_failure_ends_trouble() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut trouble = Trouble::default();
        assert!(!trouble.over(start) && trouble.at_once() == AT_ONCE);
        trouble.failed(after(100));
        let until = trouble.until.unwrap();
        assert!((after(600)..=after(1100)).contains(&until));
        // One that failed with it, and one that was under way and did not.
        trouble.failed(after(101));
        assert!(!trouble.over(after(99)));
        assert_eq!((trouble.until, trouble.at_once()), (Some(until), 1));
        // The next one fails, too.
        trouble.failed(after(1200));
        assert!((after(2200)..=after(3200)).contains(&trouble.until.unwrap()));
        assert!(trouble.over(after(1201)) && !trouble.over(after(1202)));
        assert_eq!((trouble.until, trouble.at_once()), (None, AT_ONCE));
    }

    #[test]
    fn failures_among_answers_are_told_once() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        assert!(!trouble.is_quiet(start));
        for number in 0..20 {
            let now = start + QUIET * number / 2;
            assert_eq!(trouble.failed(now), number == 0);
            assert!(trouble.over(now) && !trouble.is_quiet(now));
        }
        let last = start + QUIET * 19 / 2;
        assert!(!trouble.is_quiet(last + QUIET - Duration::from_millis(1)));
        assert!(trouble.is_quiet(last + QUIET) && !trouble.is_quiet(last + QUIET));
        assert!(trouble.failed(last + QUIET * 2));
    }
}
