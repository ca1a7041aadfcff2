//! Who polls what, for the status page.
//!
//! Law: it has no say in what is served. Bounded by entries and by the length of their texts; what
//! was asked for least recently is forgotten first, to the second, and what comes again and again is
//! not forgotten for what came once, however much of that there is.

use std::fmt::Display;
use std::hash::{BuildHasher as _, Hash};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use jiff::Timestamp;
use lru::LruCache;
use tokio::time::Instant;

use crate::model::{
    ExternalQuery, ExternalValue, MetricQuery, MetricValue, MetricsApi, ProviderError, Selector,
    Target, Usage, UsageQuery,
};
use crate::rhythm::{Pace, Rhythm};

/// Requests that came again: two metrics of each of 2,000 HPAs. Some 600 bytes each, and
/// 1.5 KB at most.
const REPEATED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Requests that came once: as many, for all HPAs are new after a start.
const SINGLE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Bytes of a text that are kept.
const LONGEST: usize = 200;

/// So long a request keeps its place among the most recent ones, however often it comes.
const PLACE: Duration = Duration::from_secs(1);

/// What nobody has asked for so long is not told.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// One request that was made, once or again and again. Requests are the same if all but their time
/// is; texts are cut at 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The API.
    pub api: MetricsApi,
    /// The metric's name; `cpu, memory` of the Resource API.
    pub metric: Arc<str>,
    /// `None` for what has no namespace, and for all of them.
    pub namespace: Option<Arc<str>>,
    /// The objects as they were asked for: `pods web-0`, `pods app=web`, `pods`; empty for
    /// external metrics.
    pub objects: Arc<str>,
    /// Restriction on the series' labels; empty for none.
    pub selector: Arc<str>,
    /// How often it came.
    pub times: u64,
    /// How long ago it came last.
    pub last: Duration,
    /// The pace that was learned, if it is even.
    pub pace: Option<Pace>,
    /// What came of the last one that has been answered; `None` before the first.
    pub result: Option<PollResult>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollResult {
    /// How many values it had, or what the caller was told.
    pub values: Result<usize, Arc<str>>,
    /// The oldest value's timestamp.
    pub oldest: Option<Timestamp>,
}

/// A request as it came.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Request<'a> {
    Custom(&'a MetricQuery),
    External(&'a ExternalQuery),
    Nodes(&'a UsageQuery),
    Pods(&'a UsageQuery),
}

/// Values with a time.
pub(super) trait Timed {
    fn timestamp(&self) -> Timestamp;
}

/// What is known of one request.
struct Entry {
    /// All but what changes with each poll.
    poll: Poll,
    rhythm: Rhythm,
    /// When it became the most recent one.
    promoted: Instant,
}

/// The requests that were made most recently: of two with one hash the page tells as if they were
/// one.
pub(super) struct Board {
    entries: Mutex<Entries>,
    hasher: RandomState,
}

/// By the hashes of requests; each is in one of the two.
struct Entries {
    single: LruCache<u64, Entry, RandomState>,
    repeated: LruCache<u64, Entry, RandomState>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            entries: Mutex::new(Entries {
                single: LruCache::with_hasher(SINGLE, RandomState::default()),
                repeated: LruCache::with_hasher(REPEATED, RandomState::default()),
            }),
            hasher: RandomState::default(),
        }
    }
}

impl Board {
    /// A request has come; the answer is to be told under the number.
    pub(super) fn asked(&self, request: Request<'_>) -> u64 {
        let number = self.hasher.hash_one(request);
        let now = Instant::now();
        if !self.lock().again(number, now) {
            // Outside the lock: the texts may be long.
            let entry = Entry {
                poll: request.described(),
                rhythm: Rhythm::first(now),
                promoted: now,
            };
            let mut entries = self.lock();
            // Somebody else may have been faster.
            if !entries.again(number, now) {
                entries.single.put(number, entry);
            }
        }
        number
    }

    /// The request was answered.
    pub(super) fn answered<T: Timed>(&self, number: u64, outcome: &Result<Vec<T>, ProviderError>) {
        let result = PollResult {
            values: match outcome {
                Ok(values) => Ok(values.len()),
                Err(error) => Err(cut(error)),
            },
            oldest: outcome.iter().flatten().map(Timed::timestamp).min(),
        };
        if let Some(entry) = self.lock().peek_mut(number) {
            entry.poll.result = Some(result);
        }
    }

    /// The requests of the last hour, the latest first.
    pub(super) fn polls(&self) -> Vec<Poll> {
        let now = Instant::now();
        let mut polls: Vec<Poll> = {
            let entries = self.lock();
            let entries = entries.repeated.iter().chain(&entries.single);
            let told = entries.map(|(_, entry)| entry.told(now));
            told.filter(|poll| poll.last <= FORGOTTEN).collect()
        };
        polls.sort_by_key(|poll| poll.last);
        polls
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Whether a request is known; then it has come again.
    fn again(&mut self, number: u64, now: Instant) -> bool {
        if let Some(entry) = self.repeated.peek_mut(&number) {
            entry.again(now);
            if now.duration_since(entry.promoted) >= PLACE {
                entry.promoted = now;
                self.repeated.promote(&number);
            }
            return true;
        }
        let Some(mut entry) = self.single.pop(&number) else {
            return false;
        };
        entry.again(now);
        entry.promoted = now;
        self.repeated.put(number, entry);
        true
    }

    fn peek_mut(&mut self, number: u64) -> Option<&mut Entry> {
        let repeated = self.repeated.peek_mut(&number);
        repeated.or_else(|| self.single.peek_mut(&number))
    }
}

impl Entry {
    fn again(&mut self, now: Instant) {
        self.rhythm.note(now);
        self.poll.times += 1;
    }

    fn told(&self, now: Instant) -> Poll {
        Poll {
            last: now.duration_since(self.rhythm.last()),
            pace: self.rhythm.pace(),
            ..self.poll.clone()
        }
    }
}

impl Request<'_> {
    fn described(self) -> Poll {
        let nothing = || Arc::from("");
        let (api, metric, namespace, objects, selector) = match self {
            Self::Custom(query) => (
                MetricsApi::Custom,
                cut(&query.metric),
                query.namespace.as_ref(),
                match &query.target {
                    Target::Name(name) => cut(&format_args!("{} {name}", query.resource)),
                    Target::Selected(selector) => selected(&query.resource, selector),
                },
                cut(&query.metric_selector),
            ),
            Self::External(query) => (
                MetricsApi::External,
                cut(&query.metric),
                Some(&query.namespace),
                nothing(),
                cut(&query.selector),
            ),
            Self::Nodes(query) | Self::Pods(query) => {
                let resource = match self {
                    Self::Nodes(_) => "nodes",
                    _ => "pods",
                };
                let (namespace, objects) = match query {
                    UsageQuery::One { namespace, name } => {
                        (namespace, cut(&format_args!("{resource} {name}")))
                    }
                    UsageQuery::List {
                        namespace, labels, ..
                    } => (namespace, selected(&resource, labels)),
                };
                let metric = Arc::from("cpu, memory");
                let namespace = namespace.as_ref();
                (MetricsApi::Resource, metric, namespace, objects, nothing())
            }
        };
        Poll {
            api,
            metric,
            namespace: namespace.map(cut),
            objects,
            selector,
            times: 1,
            last: Duration::ZERO,
            pace: None,
            result: None,
        }
    }
}

fn selected(resource: &impl Display, selector: &Selector) -> Arc<str> {
    if selector.is_everything() {
        cut(resource)
    } else {
        cut(&format_args!("{resource} {selector}"))
    }
}

/// Clients decide how long a text is.
fn cut(text: &impl Display) -> Arc<str> {
    let text = text.to_string();
    if text.len() <= LONGEST {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)]).into()
}

impl Timed for MetricValue {
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

impl Timed for ExternalValue {
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

impl<A> Timed for Usage<A> {
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;

    fn mk_query(metric: &str, selector: &str) -> MetricQuery {
        MetricQuery {
            resource: GroupResource::new("", "pods"),
            metric: metric.into(),
            namespace: Some("shop".into()),
            target: Target::Selected(Selector::parse(selector).unwrap()),
            metric_selector: Selector::EVERYTHING,
        }
    }

    fn mk_value(seconds: i64) -> ExternalValue {
        ExternalValue {
            labels: None,
            value: crate::model::Quantity::ZERO,
            timestamp: Timestamp::from_second(seconds).unwrap(),
            window: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_told_apart_and_their_pace_is_learned() {
        let board = Board::default();
        let (web, db) = (mk_query("ops", "app=web"), mk_query("ops", "app=db"));
        for _ in 0..4 {
            let number = board.asked(Request::Custom(&web));
            board.answered(number, &Ok(vec![mk_value(20), mk_value(10)]));
            tokio::time::advance(Duration::from_secs(4)).await;
            // Of two HPAs that ask the same.
            board.asked(Request::Custom(&db));
            tokio::time::advance(Duration::from_secs(3)).await;
            board.asked(Request::Custom(&db));
            tokio::time::advance(Duration::from_secs(8)).await;
        }
        let number = board.asked(Request::Custom(&db));
        board.answered::<MetricValue>(number, &Err(ProviderError::Timeout));
        let polls = board.polls();
        let [db, web] = &polls[..] else {
            panic!("{polls:?}")
        };
        assert_eq!(web.objects.as_ref(), "pods app=web");
        assert_eq!(web.namespace.as_deref(), Some("shop"));
        assert_eq!((web.times, web.last), (4, Duration::from_secs(15)));
        let period = Duration::from_secs(15);
        assert_eq!(web.pace, Some(Pace { period, pollers: 1 }));
        let oldest = Timestamp::from_second(10).ok();
        let values = Ok(2);
        assert_eq!(web.result, Some(PollResult { values, oldest }));
        assert_eq!((db.times, db.last), (9, Duration::ZERO));
        let told = db.result.as_ref().unwrap().values.clone().unwrap_err();
        assert_eq!(told.as_ref(), "timed out while fetching metrics");
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(board.polls().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn interleaved_pollers_are_counted() {
        let board = Board::default();
        let query = mk_query("ops", "app=web");
        for _ in 0..4 {
            board.asked(Request::Custom(&query));
            tokio::time::advance(Duration::from_secs(4)).await;
            board.asked(Request::Custom(&query));
            tokio::time::advance(Duration::from_secs(11)).await;
        }
        let period = Duration::from_secs(15);
        assert_eq!(board.polls()[0].pace, Some(Pace { period, pollers: 2 }));
    }

    #[test]
    fn texts_and_requests_are_bounded() {
        let board = Board::default();
        let ask = |number: usize| {
            let external = ExternalQuery {
                namespace: "shop".into(),
                metric: format!("{number} {}", "ü".repeat(1000)).into(),
                selector: Selector::EVERYTHING,
            };
            board.asked(Request::External(&external));
        };
        let many = SINGLE.get().max(REPEATED.get()) + 10;
        ask(0);
        // What comes again outlives any number of those that come once.
        ask(0);
        (1..=many).for_each(ask);
        let polls = board.polls();
        assert_eq!(polls.len(), SINGLE.get() + 1);
        let again: Vec<&Poll> = polls.iter().filter(|poll| poll.times > 1).collect();
        assert_eq!((again.len(), again[0].times), (1, 2));
        for number in 1..=many {
            ask(number);
            ask(number);
        }
        let polls = board.polls();
        assert!(polls.len() <= SINGLE.get() + REPEATED.get());
        let again = polls.iter().filter(|poll| poll.times > 1);
        assert_eq!(again.count(), REPEATED.get());
        for poll in polls {
            let (metric, end) = (poll.metric, "ü…");
            assert!(metric.len() <= LONGEST + end.len() && metric.ends_with(end));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_on_to_come_is_not_forgotten_for_others() {
        let board = Board::default();
        let ask = |number: usize| {
            let query = mk_query(&number.to_string(), "");
            board.asked(Request::Custom(&query));
        };
        let again = |number| {
            ask(number);
            ask(number);
        };
        (0..REPEATED.get()).for_each(again);
        tokio::time::advance(PLACE).await;
        ask(0);
        again(REPEATED.get());
        let is_told = |number: usize| {
            let name = number.to_string();
            board.polls().iter().any(|poll| *poll.metric == *name)
        };
        assert_eq!([0, 1, 2].map(is_told), [true, false, true]);
    }

    #[test]
    fn every_api_is_described() {
        let usage = |labels: &str| UsageQuery::List {
            namespace: None,
            labels: Selector::parse(labels).unwrap(),
            fields: crate::model::FieldSelector::parse("").unwrap(),
        };
        let one = UsageQuery::One {
            namespace: Some("shop".into()),
            name: "web-0".into(),
        };
        let named = MetricQuery {
            target: Target::Name("web-0".into()),
            metric_selector: Selector::parse("code=5xx").unwrap(),
            ..mk_query("ops", "")
        };
        let described = |request: Request<'_>| {
            let poll = request.described();
            format!("{:?} {} {}", poll.api, poll.objects, poll.selector)
        };
        for (request, expected) in [
            (Request::Custom(&named), "Custom pods web-0 code=5xx"),
            (Request::Nodes(&usage("")), "Resource nodes "),
            (Request::Pods(&usage("a=b")), "Resource pods a=b "),
            (Request::Pods(&one), "Resource pods web-0 "),
        ] {
            assert_eq!(described(request), expected);
        }
    }
}
