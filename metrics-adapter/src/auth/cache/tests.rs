use std::collections::HashSet;

use super::*;

mod warm;

const TTL: Duration = Duration::from_secs(10);
const TERMS: Terms = Terms {
    granted: TTL,
    refused: TTL,
};

/// Something to ask about.
type Key = u16;

/// What kube-apiserver said, and when it was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Verdict {
    granted: bool,
    asked: Instant,
}

/// A kube-apiserver that takes a second for everything.
#[derive(Clone)]
struct Slow(Arc<Mutex<State>>);

struct State {
    takes: Duration,
    is_down: bool,
    refused: HashSet<Key>,
    asked: Vec<(Key, Cause, Instant)>,
    under_way: usize,
    /// The most at once.
    peak: usize,
}

impl Slow {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            takes: Duration::from_secs(1),
            is_down: false,
            refused: HashSet::new(),
            asked: Vec::new(),
            under_way: 0,
            peak: 0,
        })))
    }

    fn set<T>(&self, set: impl FnOnce(&mut State) -> T) -> T {
        set(&mut self.0.lock().unwrap())
    }

    /// The reviews since the last time, of either cause.
    fn take(&self) -> (usize, usize) {
        let asked = self.set(|state| std::mem::take(&mut state.asked));
        let is_cold = |(_, cause, _): &&(Key, Cause, Instant)| *cause == Cause::Cold;
        let cold = asked.iter().filter(is_cold).count();
        (cold, asked.len() - cold)
    }
}

/// A review that has not ended, or been dropped.
struct UnderWay(Slow);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(|state| state.under_way -= 1);
    }
}

impl Ask for Slow {
    type Question = Key;
    type Answer = Verdict;
    const NAME: &'static str = "slow";

    async fn ask(&self, key: &Key, cause: Cause) -> Result<Verdict, ReviewError> {
        let asked = Instant::now();
        let takes = self.set(|state| {
            state.asked.push((*key, cause, asked));
            state.under_way += 1;
            state.peak = state.peak.max(state.under_way);
            state.takes
        });
        let _under_way = UnderWay(self.clone());
        tokio::time::sleep(takes).await;
        self.set(|state| {
            if state.is_down {
                return Err(ReviewError("down".to_owned()));
            }
            Ok(Verdict {
                granted: !state.refused.contains(key),
                asked,
            })
        })
    }

    fn is_granted(verdict: &Verdict) -> bool {
        verdict.granted
    }

    /// The last key is a very long question.
    fn size(key: &Key) -> usize {
        if *key == Key::MAX { 5000 } else { 100 }
    }

    /// Ten thousand keys each are a friend's and a tenant's, and the next are polled by nobody.
    fn owner(key: &Key, _: &Verdict) -> Option<Owner> {
        match key {
            ..10_000 => Some([0; 32]),
            10_000..20_000 => Some([1; 32]),
            20_000..30_000 => None,
            30_000.. => Some([2; 32]),
        }
    }
}

fn mk_cache(capacity: usize, terms: Terms) -> (Cache<Slow>, Slow) {
    let slow = Slow::new();
    let limits = Limits {
        expected: capacity,
        share: capacity,
        others: NonZeroUsize::new(capacity).unwrap(),
    };
    (Cache::new(slow.clone(), limits, terms), slow)
}

async fn ask(cache: &Cache<Slow>, key: Key) -> (Result<Verdict, ReviewError>, Origin) {
    let mut fingerprint = [0; 32];
    fingerprint[..2].copy_from_slice(&key.to_le_bytes());
    cache.get(fingerprint, || key).await
}

#[tokio::test(start_paused = true)]
async fn keeps_an_answer_for_its_time_and_no_longer() {
    let terms = Terms {
        granted: TTL,
        refused: TTL * 2,
    };
    for (key, ttl) in [(1, TTL), (2, TTL * 2)] {
        let (cache, slow) = mk_cache(8, terms);
        slow.set(|state| state.refused.insert(2));
        let start = Instant::now();
        assert_eq!(ask(&cache, key).await.1, Origin::Review);
        // From when it was asked, not from when it was answered.
        tokio::time::sleep_until(start + ttl - Duration::from_millis(1)).await;
        let (verdict, origin) = ask(&cache, key).await;
        assert_eq!((verdict.unwrap().asked, origin), (start, Origin::Cache));
        tokio::time::sleep_until(start + ttl).await;
        assert_eq!(ask(&cache, key).await.1, Origin::Review);
        assert_eq!(slow.take(), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn overlapping_questions_share_one_review() {
    let (cache, slow) = mk_cache(8, TERMS);
    let (a, b, c) = tokio::join!(ask(&cache, 1), ask(&cache, 1), ask(&cache, 1));
    let a = a.0.unwrap();
    assert_eq!((b.0.unwrap(), c.0.unwrap()), (a, a));
    assert_eq!(slow.take(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_are_shared_but_not_kept() {
    let (cache, slow) = mk_cache(8, TERMS);
    slow.set(|state| state.is_down = true);
    let (a, b) = tokio::join!(ask(&cache, 1), ask(&cache, 1));
    assert!(a.0.is_err() && b.0.is_err());
    assert_eq!(slow.take(), (1, 0));
    slow.set(|state| state.is_down = false);
    assert!(ask(&cache, 1).await.0.unwrap().granted);
    assert_eq!(slow.take(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_harms_nobody() {
    let (cache, slow) = mk_cache(8, TERMS);
    // The first caller starts the review and gives up; the second had joined it.
    let first = tokio::time::timeout(Duration::from_millis(100), ask(&cache, 1));
    let (gone, stayed) = tokio::join!(first, ask(&cache, 1));
    assert!(gone.is_err());
    assert!(stayed.0.unwrap().granted);
    assert_eq!(slow.take(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_review_is_asked_anew() {
    let (cache, slow) = mk_cache(8, TERMS);
    let first = tokio::time::timeout(Duration::from_millis(100), ask(&cache, 1));
    assert!(first.await.is_err());
    assert_eq!(cache.shelf.lock().sizes(), [0; 4]);
    assert!(ask(&cache, 1).await.0.unwrap().granted);
    assert_eq!(slow.take(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn is_bounded_and_refusals_push_nothing_out() {
    let (cache, slow) = mk_cache(2, TERMS);
    slow.set(|state| {
        state.takes = Duration::ZERO;
        state.refused.extend(10..20);
    });
    for key in 0..10 {
        assert!(ask(&cache, key).await.0.unwrap().granted);
    }
    for key in 10..20 {
        assert!(!ask(&cache, key).await.0.unwrap().granted);
    }
    assert_eq!(cache.shelf.lock().sizes(), [2, 2, 2, 0]);
    assert_eq!(cache.shelf.lock().others_and_questions(), (2, 0));
    for key in [0, 1, 8, 9, 18, 19] {
        assert_eq!(ask(&cache, key).await.1, Origin::Cache, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_zero_time_keeps_nothing() {
    let terms = Terms {
        granted: Duration::ZERO,
        refused: Duration::ZERO,
    };
    let (cache, slow) = mk_cache(8, terms);
    slow.set(|state| state.refused.insert(2));
    for key in [1, 1, 2, 2] {
        assert_eq!(ask(&cache, key).await.1, Origin::Review);
    }
    assert_eq!(slow.take(), (4, 0));
    assert_eq!(cache.shelf.lock().sizes(), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_answer_counts() {
    let (cache, slow) = mk_cache(8, TERMS);
    assert!(ask(&cache, 1).await.0.unwrap().granted);
    slow.set(|state| state.refused.insert(1));
    tokio::time::sleep(TTL).await;
    assert!(!ask(&cache, 1).await.0.unwrap().granted);
    assert_eq!(cache.shelf.lock().sizes(), [0, 1, 0, 0]);
    slow.set(|state| state.refused.clear());
    tokio::time::sleep(TTL).await;
    assert!(ask(&cache, 1).await.0.unwrap().granted);
    assert_eq!(cache.shelf.lock().sizes(), [1, 0, 1, 0]);
}
