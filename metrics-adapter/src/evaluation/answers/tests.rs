mod crowd;
mod joint;
mod room;
mod span;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use jiff::Timestamp;

use super::*;
use crate::evaluation::answer::{Keep, Told};
use crate::model::{QueryValue, Sample};
use crate::prometheus::{PrometheusError, SeriesSet, Turn};

/// Prometheus' part: each answer has the number of its query, and takes a while.
struct Upstream {
    queries: AtomicU32,
    took_ms: AtomicU64,
    fails: AtomicBool,
    /// There are permits for those only whom somebody waits for.
    is_busy: AtomicBool,
    /// What asks about several namespaces.
    refuses_several: AtomicBool,
    /// Of a vector; none for a scalar.
    elements: AtomicU32,
}

const BOUND: Duration = Duration::from_secs(5);

/// The rule of all queries.
fn mk_rule() -> RuleId {
    RuleId::new("rules[0]", &1)
}

impl QueryClient for Upstream {
    async fn series(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        Ok(SeriesSet::default())
    }

    async fn query(&self, promql: &str) -> Result<QueryValue, PrometheusError> {
        let number = self.queries.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(self.took_ms.load(Ordering::Relaxed))).await;
        if self.fails.load(Ordering::Relaxed) {
            return Err(PrometheusError::Decode("nonsense".to_owned()));
        }
        let namespaces = joint::numbers(promql);
        if namespaces.len() > 1 && self.refuses_several.load(Ordering::Relaxed) {
            return Err(PrometheusError::Api {
                status: 422,
                message: "too many".to_owned(),
            });
        }
        if !namespaces.is_empty() {
            return Ok(joint::told(&namespaces));
        }
        let elements = self.elements.load(Ordering::Relaxed);
        if elements > 0 {
            let sample = Sample {
                labels: [("pod".into(), "web-0".into())].into_iter().collect(),
                value: 1.0,
                timestamp: Timestamp::UNIX_EPOCH,
            };
            return Ok(QueryValue::Vector(vec![sample; elements as usize]));
        }
        Ok(QueryValue::Scalar {
            value: f64::from(number),
            timestamp: Timestamp::UNIX_EPOCH,
        })
    }

    async fn turn_ahead(
        &self,
        awaited: impl Future<Output = ()> + Send,
    ) -> Result<Turn, PrometheusError> {
        if self.is_busy.load(Ordering::Relaxed) {
            let longest = Duration::from_secs(8);
            let waited = tokio::time::timeout(longest, awaited).await;
            waited.map_err(|_| PrometheusError::Busy(longest))?;
        }
        self.turn().await
    }
}

fn mk_query(promql: &str) -> Arc<Query> {
    Arc::new(Query {
        promql: promql.into(),
        keep: Keep::Elements,
        joint: None,
    })
}

struct Stand {
    upstream: Arc<Upstream>,
    answers: Arc<Answers<Upstream>>,
    start: Instant,
}

impl Stand {
    fn new() -> Self {
        let upstream = Arc::new(Upstream {
            queries: AtomicU32::new(0),
            took_ms: AtomicU64::new(100),
            fails: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            refuses_several: AtomicBool::new(false),
            elements: AtomicU32::new(0),
        });
        Self {
            answers: Arc::new(Answers::new(Arc::clone(&upstream), Metrics::default())),
            upstream,
            start: Instant::now(),
        }
    }

    /// Keeps answers warm while `test` runs, which ends.
    async fn warm(&self, test: impl Future<Output = ()>) {
        let an_hour = Duration::from_secs(3600);
        tokio::select! {
            () = self.answers.keep_warm() => {}
            ended = tokio::time::timeout(an_hour, test) => ended.unwrap(),
        }
    }

    async fn until(&self, seconds: f64) {
        tokio::time::sleep_until(self.start + Duration::from_secs_f64(seconds)).await;
    }

    /// Three even polls: the next one is expected at 45 s.
    async fn learn(&self) {
        for round in 0..3 {
            self.until(f64::from(round) * 15.0).await;
            self.poll("x", 1).await;
        }
    }

    /// Which query's answer a poll gets, and how; nothing on failure.
    async fn poll(&self, promql: &str, poller: Poller) -> Option<(f64, Source)> {
        let (outcome, source) = self.get(promql, poller, BOUND).await;
        match outcome.ok()?.told() {
            Told::Scalar { value, .. } => Some((*value, source)),
            _ => None,
        }
    }

    async fn get(&self, promql: &str, poller: Poller, bound: Duration) -> (Outcome, Source) {
        self.ask(&mk_query(promql), poller, bound).await
    }

    async fn ask(&self, query: &Arc<Query>, poller: Poller, bound: Duration) -> (Outcome, Source) {
        let poll = Poll {
            rule: &mk_rule(),
            bound,
            poller,
        };
        self.answers.get(query, poll).await
    }

    fn queries(&self) -> u32 {
        self.upstream.queries.load(Ordering::Relaxed)
    }

    /// Answers kept, queries asked ahead of polls, and those under way.
    fn gauges(&self) -> (i64, i64, i64) {
        let metrics = &self.answers.shelf.metrics;
        let content = self.answers.shelf.lock();
        let bytes = i64::try_from(content.bytes).unwrap();
        assert_eq!(metrics.kept_bytes.get(), bytes);
        (
            metrics.kept.get(),
            metrics.ahead.get(),
            metrics.flights.get(),
        )
    }

    fn remembered(&self) -> (usize, usize) {
        let content = self.answers.shelf.lock();
        let kept = content
            .entries
            .values()
            .filter(|entry| entry.kept.is_some());
        (content.entries.len(), kept.count())
    }
}

#[tokio::test(start_paused = true)]
async fn equal_queries_share_a_flight() {
    let stand = Stand::new();
    let (a, b, c) = tokio::join!(stand.poll("x", 1), stand.poll("x", 2), stand.poll("y", 1));
    assert_eq!(a, Some((1.0, Source::Prometheus)));
    assert_eq!(b, Some((1.0, Source::Flight)));
    assert_eq!(c, Some((2.0, Source::Prometheus)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_as_long_as_its_bound_and_no_longer() {
    let stand = Stand::new();
    stand.poll("x", 1).await;
    // Counted from when Prometheus was asked.
    for (at, expected) in [
        (0.2, (1.0, Source::Memory)),
        (5.0, (1.0, Source::Memory)),
        (5.001, (2.0, Source::Prometheus)),
        (10.0, (2.0, Source::Memory)),
    ] {
        stand.until(at).await;
        assert_eq!(stand.poll("x", 1).await, Some(expected), "at {at} s");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_nothing_is_kept_or_asked_ahead() {
    let stand = Stand::new();
    stand
        .warm(async {
            for round in 0..4 {
                stand.until(f64::from(round) * 15.0).await;
                let (_, source) = stand.get("x", 1, Duration::ZERO).await;
                assert_eq!(source, Source::Prometheus);
                assert_eq!(stand.remembered(), (0, 0));
            }
            stand.until(100.0).await;
            assert_eq!(stand.queries(), 4);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_passenger_may_leave_without_harm_and_the_last_one_ends_the_query() {
    let stand = Stand::new();
    let leave = Duration::from_millis(10);
    let impatient = tokio::time::timeout(leave, stand.poll("x", 1));
    let (left, stayed) = tokio::join!(impatient, stand.poll("x", 1));
    assert!(left.is_err());
    assert_eq!(stayed, Some((1.0, Source::Flight)));
    assert!(
        tokio::time::timeout(leave, stand.poll("y", 1))
            .await
            .is_err()
    );
    let flights = |stand: &Stand| {
        let content = stand.answers.shelf.lock();
        content
            .entries
            .values()
            .filter(|entry| entry.flight.is_some())
            .count()
    };
    assert_eq!(flights(&stand), 0);
    assert_eq!(stand.gauges(), (1, 0, 0));
    assert_eq!(stand.poll("y", 1).await, Some((3.0, Source::Prometheus)));
}

#[tokio::test(start_paused = true)]
async fn an_even_pace_is_provided_for() {
    let stand = Stand::new();
    stand
        .warm(async {
            let mut found = Vec::new();
            for round in 0..6 {
                // Two HPAs in one namespace, some seconds apart.
                for (poller, offset) in [(1, 0.0), (2, 8.0)] {
                    stand.until(f64::from(round) * 15.0 + offset).await;
                    found.push(stand.poll("x", poller).await.unwrap().1);
                }
            }
            assert_eq!(found[..3], [Source::Prometheus; 3]);
            assert_eq!(stand.gauges(), (1, 1, 0));
            assert!(
                found[4..].iter().all(|source| *source == Source::Memory),
                "{found:?}"
            );
            // One for each poll, and the one ahead of a poll that did not come yet.
            assert!(stand.queries() <= 13, "{}", stand.queries());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_polls_often_does_not_wait_at_whatever_pace() {
    let stand = Stand::new();
    let (mut waited, mut polls) = (0, 0);
    let mut pauses = [20, 900, 130, 480, 70, 700, 250, 990, 5]
        .into_iter()
        .cycle();
    let a_minute = stand.start + Duration::from_secs(60);
    stand
        .warm(async {
            while Instant::now() < a_minute {
                polls += 1;
                let (_, source) = stand.poll("x", 1).await.unwrap();
                waited += u32::from(source != Source::Memory);
                tokio::time::sleep(Duration::from_millis(pauses.next().unwrap())).await;
            }
            // After the last one there is one query in vain at most.
            tokio::time::sleep(Duration::from_secs(60)).await;
        })
        .await;
    assert!(polls > 100, "{polls} polls");
    // The first poll, and the one that found out that the first answer is too old.
    assert_eq!(waited, 2);
    // One each 4.75 s.
    let queries = stand.upstream.queries.load(Ordering::Relaxed);
    assert!((13..=14).contains(&queries), "{queries} queries");
}

#[tokio::test(start_paused = true)]
async fn polls_close_together_share_what_is_asked_ahead() {
    let stand = Stand::new();
    stand
        .warm(async {
            for round in 0..20 {
                for poller in 0..40_u32 {
                    stand
                        .until(f64::from(round) * 15.0 + f64::from(poller) * 0.1)
                        .await;
                    assert!(stand.poll("x", u64::from(poller)).await.is_some());
                }
            }
            assert!(stand.queries() <= 21, "{}", stand.queries());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_polls_any_more_and_nothing_is_asked_or_kept() {
    let stand = Stand::new();
    stand
        .warm(async {
            for round in 0..4 {
                stand.until(f64::from(round) * 15.0).await;
                stand.poll("x", 1).await;
            }
            stand.poll("once", 1).await;
            assert_eq!(stand.remembered(), (2, 2));
            let asked = stand.queries();
            stand.until(75.0).await;
            assert_eq!(stand.remembered().1, 0);
            stand.until(300.0).await;
            assert_eq!(stand.queries(), asked + 1);
            assert_eq!(stand.remembered(), (0, 0));
            assert_eq!(stand.gauges(), (0, 0, 0));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn trouble_ends_what_is_asked_ahead_and_a_good_poll_begins_it_again() {
    let stand = Stand::new();
    stand
        .warm(async {
            stand.learn().await;
            stand.upstream.fails.store(true, Ordering::Relaxed);
            let before = stand.queries();
            for round in 3..8 {
                stand.until(f64::from(round) * 15.0).await;
                assert_eq!(stand.poll("x", 1).await, None);
            }
            // Ahead of the first failing poll, and perhaps ahead of others; each poll itself.
            assert!(stand.queries() - before <= 10, "{}", stand.queries());
            stand.upstream.fails.store(false, Ordering::Relaxed);
            let mut found = Vec::new();
            for round in 8..12 {
                stand.until(f64::from(round) * 15.0).await;
                found.push(stand.poll("x", 1).await.unwrap().1);
            }
            assert_eq!(found[1..], [Source::Memory; 3], "{found:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_prometheus_that_is_too_slow_is_not_asked_ahead() {
    for (took, ahead) in [(1_500, true), (4_500, false), (7_000, false)] {
        let stand = Stand::new();
        stand.upstream.took_ms.store(took, Ordering::Relaxed);
        stand
            .warm(async {
                let mut found = Vec::new();
                for round in 0..20 {
                    stand.until(f64::from(round) * 15.0).await;
                    found.push(stand.poll("x", 1).await.unwrap().1);
                }
                let late = &found[15..];
                let warm = late.iter().all(|source| *source == Source::Memory);
                assert_eq!(warm, ahead, "{took} ms: {found:?}");
                assert!(stand.queries() <= 21, "{took} ms: {}", stand.queries());
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_too_large_is_told_from_trouble() {
    let usual = Duration::from_millis(100);
    let api = |status| PrometheusError::Api {
        status,
        message: String::new(),
    };
    let timeout = || PrometheusError::Timeout(Duration::from_secs(8));
    for (error, took, too_large) in [
        (api(422), 10, true),
        (api(429), 10, false),
        (api(500), 10, false),
        (api(503), 10, false),
        (api(503), 5_000, true),
        (timeout(), 8_000, true),
        (PrometheusError::TooLarge(1), 10, true),
        (PrometheusError::Decode("x".to_owned()), 8_000, false),
    ] {
        let took = Duration::from_millis(took);
        let took = Took {
            all: took * 2,
            call: took,
        };
        let failure = Failure::of(&error, took, usual);
        assert_eq!((failure.took, failure.is_sent()), (took.all, true));
        assert_eq!(failure.too_large, too_large, "{error} after {took:?}");
        // Where all queries take long, or nobody knows, it is not this one's fault.
        for usual in [Duration::from_secs(4), Duration::ZERO] {
            let alone = Failure::of(&error, took, usual).too_large;
            assert_eq!(
                alone,
                too_large && took.call < Duration::from_secs(1),
                "{error}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_hurries_the_query_ahead_that_it_joins() {
    let stand = Stand::new();
    stand
        .warm(async {
            stand.learn().await;
            // It was asked ahead of the next poll, and has no permit.
            stand.upstream.is_busy.store(true, Ordering::Relaxed);
            stand.until(45.0).await;
            assert_eq!(stand.gauges().2, 1);
            let (_, source) = stand.poll("x", 1).await.unwrap();
            assert_eq!(source, Source::Flight);
        })
        .await;
}

/// The rule moves in its file, and the queries ahead of polls are its own all the same.
#[tokio::test(start_paused = true)]
async fn a_query_belongs_to_whoever_polled_last() {
    let stand = Stand::new();
    let rules = ["rules[0]", "rules[1]"].map(|place| RuleId::new(place, &1));
    let [before, after] = &rules;
    let owner = || {
        let content = stand.answers.shelf.lock();
        content.entries.values().next().unwrap().rule.clone()
    };
    for rule in [before, after] {
        let poll = Poll {
            rule,
            bound: BOUND,
            poller: 1,
        };
        stand.answers.get(&mk_query("x"), poll).await.0.unwrap();
        assert_eq!(owner(), *rule);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_tells_nothing_about_prometheus() {
    let stand = Stand::new();
    stand
        .warm(async {
            for round in 0..3 {
                stand.until(f64::from(round) * 15.0).await;
                stand.poll("x", 1).await;
                stand.poll("y", 1).await;
            }
            let asked = stand.queries();
            // Nobody polls again, and no turn comes.
            stand.upstream.is_busy.store(true, Ordering::Relaxed);
            stand.until(60.0).await;
            assert_eq!(stand.queries(), asked);
            assert!(!stand.answers.shelf.lock().pause.is_on(Instant::now()));
            assert_eq!(stand.gauges().2, 0);
        })
        .await;
}

/// Whoever has too much to do polls late, and again and again: what is asked ahead is in vain.
#[tokio::test(start_paused = true)]
async fn late_polls_do_not_make_more_queries_than_polls() {
    let stand = Stand::new();
    stand
        .warm(async {
            // The hundredth poll of 50 HPAs; seconds between two of one, of which each third is late.
            let rounds = [15.0, 15.0, 23.0, 15.0, 15.5, 24.0, 15.0, 15.0, 15.0, 22.0];
            let polls = (0..50_u32).map(|hpa| {
                let stand = &stand;
                async move {
                    let mut at = f64::from(hpa) * 0.3;
                    for round in 0..40 {
                        stand.until(at).await;
                        stand.poll(&hpa.to_string(), 1).await.unwrap();
                        at += rounds[(round + hpa as usize) % rounds.len()];
                    }
                }
            });
            join_all(polls).await;
            let (queries, polls) = (stand.queries(), 50 * 40);
            assert!(queries <= polls + polls / 50, "{queries} queries");
        })
        .await;
}
