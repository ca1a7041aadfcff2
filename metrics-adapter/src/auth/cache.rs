//! A bounded cache of reviews with shared flights, kept warm for those who keep coming.
//!
//! Whoever asks what is being asked already shares that answer (a *flight*). What was granted and
//! is asked for at an even pace is asked again just ahead of the next poll, when the answer in memory
//! would be too old for it: then no poll waits for kube-apiserver.
//!
//! Laws: an answer is never older than its time, counted from when it was asked for, whether it
//! grants or refuses; the newest one counts. An error is never kept. A caller that goes away takes
//! nobody else's answer with it. Nothing is asked ahead for those who are refused, nor of what
//! nobody polls, so such questions cause no review but their callers' own. Who is granted has a
//! share of the places for what is asked ahead and no more, whatever it asks for, and nobody loses
//! a place to others.

mod brief;
mod content;
mod places;
mod refresh;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use self::content::Content;
pub(super) use self::places::Owner;
use super::fingerprint::Fingerprint;
use crate::model::review::{Cause, ReviewError};
use crate::trace;

type Flight<V> = BoxFuture<'static, Result<V, ReviewError>>;

/// A kind of review.
pub(super) trait Ask: Send + Sync + 'static {
    /// All that an answer depends on.
    type Question: Send + Sync + 'static;
    /// What is kept; cheap to clone.
    type Answer: Clone + Send + Sync + 'static;

    /// For the log.
    const NAME: &'static str;

    /// Asks kube-apiserver.
    fn ask(
        &self,
        question: &Self::Question,
        cause: Cause,
    ) -> impl Future<Output = Result<Self::Answer, ReviewError>> + Send;

    /// Whether the answer is the one that the caller hopes for.
    fn is_granted(answer: &Self::Answer) -> bool;

    /// Bytes that the question takes in memory, about.
    fn size(question: &Self::Question) -> usize;

    /// On whose account a question that was granted is kept, to be asked ahead of polls; `None` if
    /// nobody polls for the like.
    fn owner(question: &Self::Question, answer: &Self::Answer) -> Option<Owner>;
}

/// How much a cache holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Places for grants that may be asked for ahead of polls.
    pub(super) expected: usize,
    /// One owner's.
    pub(super) share: usize,
    /// Grants without a place, and refusals: so many of either.
    pub(super) others: NonZeroUsize,
}

impl Limits {
    /// A quarter for one owner; and what is kept for its time alone, an eighth.
    pub(super) fn of(capacity: NonZeroUsize) -> Self {
        Self {
            expected: capacity.get(),
            share: capacity.get().div_ceil(4),
            others: NonZeroUsize::new(capacity.get() / 8).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// How long answers are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Those that grant.
    pub(super) granted: Duration,
    /// Those that refuse.
    pub(super) refused: Duration,
}

impl Terms {
    const fn of(&self, granted: bool) -> Duration {
        if granted { self.granted } else { self.refused }
    }

    /// So much time before an expected poll its answer is renewed, and so long one answer is meant
    /// to serve polls from then on: both are over before the answer is, with a fifth of its time
    /// to spare for polls that come late.
    fn round(&self) -> Duration {
        (self.granted * 2 / 5).min(Duration::from_secs(5))
    }

    /// So much of its time an answer has left at most when it is renewed while polls go on.
    fn rest(&self) -> Duration {
        self.granted / 5
    }

    /// A tenth of its time is to spare for polls that come late.
    fn spare(&self) -> Duration {
        self.granted / 10
    }

    /// So long one answer can serve polls of which it is known when they come: as much is for asking
    /// ahead of the first one as to spare.
    fn reach(&self) -> Duration {
        self.granted - self.spare() * 2
    }

    /// So much time before the first of such polls, when the last one comes `span` after it. Where
    /// that leaves much, many answers need not be renewed at once.
    fn lead(&self, span: Duration) -> Duration {
        (self.granted - self.spare())
            .saturating_sub(span)
            .min(self.round())
    }
}

/// Answers by fingerprint of the question.
pub(super) struct Cache<A: Ask> {
    asker: Arc<A>,
    shelf: Arc<Shelf<A>>,
}

struct Shelf<A: Ask> {
    terms: Terms,
    content: Mutex<Content<A>>,
    /// The agenda has a new first entry, or need not wait any more.
    changed: Notify,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Kept from before.
    Cache,
    /// Asked now, alone or with others.
    Review,
}

impl<A: Ask> Cache<A> {
    /// An empty cache.
    pub(super) fn new(asker: A, limits: Limits, terms: Terms) -> Self {
        Self {
            asker: Arc::new(asker),
            shelf: Arc::new(Shelf {
                terms,
                content: Mutex::new(Content::new(limits)),
                changed: Notify::new(),
            }),
        }
    }

    /// The answer for `key`: kept, in flight, or asked for now.
    pub(super) async fn get(
        &self,
        key: Fingerprint,
        question: impl Fn() -> A::Question,
    ) -> (Result<A::Answer, ReviewError>, Origin) {
        let (flight, span) = {
            let mut content = self.shelf.lock();
            if let Some(answer) = self.shelf.find(&mut content, &key, &question) {
                return (Ok(answer), Origin::Cache);
            }
            match content.flight(&key) {
                Some(flight) => (flight, trace::shared_review(A::NAME)),
                // Its span is the review's own.
                None => {
                    let question = Arc::new(question());
                    let flight = self.depart(&mut content, key, question, Cause::Cold);
                    (flight, Span::none())
                }
            }
        };
        // On the heap, for most requests need no room for it.
        (flight.instrument(span).boxed().await, Origin::Review)
    }

    /// Starts a review.
    fn depart(
        &self,
        content: &mut Content<A>,
        key: Fingerprint,
        question: Arc<A::Question>,
        cause: Cause,
    ) -> Shared<Flight<A::Answer>> {
        let landing = Landing {
            shelf: Arc::clone(&self.shelf),
            key,
            number: content.next_flight(),
        };
        let number = landing.number;
        let asker = Arc::clone(&self.asker);
        let flight = async move {
            let asked = Instant::now();
            let answer = asker.ask(&question, cause).await;
            landing.landed(asked, question, cause, &answer);
            answer
        }
        .boxed()
        .shared();
        content.departed(key, number, &flight);
        flight
    }
}

impl<A: Ask> Shelf<A> {
    fn lock(&self) -> MutexGuard<'_, Content<A>> {
        // Nothing under this lock leaves the maps half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer in memory, if it is good now.
    fn find(
        &self,
        content: &mut Content<A>,
        key: &Fingerprint,
        question: impl FnOnce() -> A::Question,
    ) -> Option<A::Answer> {
        let now = Instant::now();
        let (answer, round_begins) = content.find(key, question, now, &self.terms);
        // Without an answer the review that follows settles what comes next.
        if round_begins && answer.is_some() {
            self.plan(content, key);
        }
        answer
    }

    /// Puts a question on the agenda where it wants to be.
    fn plan(&self, content: &mut Content<A>, key: &Fingerprint) {
        if content.plan(key, &self.terms) {
            self.changed.notify_one();
        }
    }
}

/// Takes a flight off the shelf when it has landed or was cancelled, and settles what comes next.
struct Landing<A: Ask> {
    shelf: Arc<Shelf<A>>,
    key: Fingerprint,
    number: u64,
}

impl<A: Ask> Landing<A> {
    fn landed(
        &self,
        asked: Instant,
        question: Arc<A::Question>,
        cause: Cause,
        answer: &Result<A::Answer, ReviewError>,
    ) {
        let mut content = self.shelf.lock();
        match answer {
            Ok(answer) => {
                content.keep(self.key, answer, question, asked, &self.shelf.terms);
                let is_over = content.trouble.over(asked);
                let is_news = content.trouble.is_quiet(Instant::now());
                drop(content);
                if is_over {
                    // The agenda was to go on after a pause.
                    self.shelf.changed.notify_one();
                }
                if is_news {
                    tracing::info!(
                        review = A::NAME,
                        "reviews ahead of polls are answered again"
                    );
                }
            }
            // Cold ones do not count: what others ask must not let warm ones grow cold.
            Err(error) if cause == Cause::Refresh => {
                content.cool(&self.key);
                let is_news = content.trouble.failed(Instant::now());
                drop(content);
                if is_news {
                    tracing::warn!(review = A::NAME, %error, "a review ahead of a poll failed");
                }
            }
            Err(_) => {}
        }
    }
}

impl<A: Ask> Drop for Landing<A> {
    fn drop(&mut self) {
        let mut content = self.shelf.lock();
        content.landed(&self.key, self.number);
        self.shelf.plan(&mut content, &self.key);
    }
}

#[cfg(test)]
mod tests;
