use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const TTL: Duration = Duration::from_secs(10);
const KEY: Fingerprint = [1; 32];

/// A review that counts how often it is asked and takes a second.
#[derive(Clone, Default)]
struct Slow(Arc<AtomicUsize>);

impl Slow {
    fn ask(
        &self,
        answer: Result<u32, ReviewError>,
    ) -> impl Future<Output = Result<u32, ReviewError>> + Send + 'static {
        let asked = Arc::clone(&self.0);
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer
        }
    }

    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn mk_cache(capacity: usize) -> Cache<u32> {
    Cache::new(NonZeroUsize::new(capacity).unwrap())
}

#[tokio::test(start_paused = true)]
async fn keeps_an_answer_for_its_time_and_no_longer() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    let get = || cache.get(KEY, || slow.ask(Ok(7)), |_| TTL);
    assert_eq!(get().await.1, Origin::Review);
    tokio::time::advance(TTL - Duration::from_millis(1)).await;
    let (answer, origin) = get().await;
    assert_eq!(
        (answer.unwrap(), origin, slow.asked()),
        (7, Origin::Cache, 1)
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!((get().await.1, slow.asked()), (Origin::Review, 2));
}

#[tokio::test(start_paused = true)]
async fn overlapping_questions_share_one_review() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    let get = || cache.get(KEY, || slow.ask(Ok(7)), |_| TTL);
    let (a, b, c) = tokio::join!(get(), get(), get());
    assert_eq!((a.0.unwrap(), b.0.unwrap(), c.0.unwrap()), (7, 7, 7));
    assert_eq!(slow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_are_shared_but_not_kept() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    let fail = || {
        cache.get(
            KEY,
            || slow.ask(Err(ReviewError("down".to_owned()))),
            |_| TTL,
        )
    };
    let (a, b) = tokio::join!(fail(), fail());
    assert!(a.0.is_err() && b.0.is_err());
    assert_eq!(slow.asked(), 1);
    assert_eq!(
        cache.get(KEY, || slow.ask(Ok(1)), |_| TTL).await.0.unwrap(),
        1
    );
    assert_eq!(slow.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_harms_nobody() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    let get = || cache.get(KEY, || slow.ask(Ok(7)), |_| TTL);
    // The first caller starts the review and gives up; the second had joined it.
    let first = tokio::time::timeout(Duration::from_millis(100), get());
    let (gone, stayed) = tokio::join!(first, get());
    assert!(gone.is_err());
    assert_eq!(stayed.0.unwrap(), 7);
    assert_eq!(slow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_review_is_asked_anew() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    let get = || cache.get(KEY, || slow.ask(Ok(7)), |_| TTL);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), get())
            .await
            .is_err()
    );
    assert_eq!(get().await.0.unwrap(), 7);
    assert_eq!(slow.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn is_bounded() {
    let (cache, slow) = (mk_cache(2), Slow::default());
    for key in 0..10 {
        cache
            .get([key; 32], || slow.ask(Ok(0)), |_| TTL)
            .await
            .0
            .unwrap();
    }
    let state = cache.lock();
    assert_eq!((state.answers.len(), state.flights.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_zero_time_keeps_nothing() {
    let (cache, slow) = (mk_cache(8), Slow::default());
    for _ in 0..2 {
        cache
            .get(KEY, || slow.ask(Ok(0)), |_| Duration::ZERO)
            .await
            .0
            .unwrap();
    }
    assert_eq!(slow.asked(), 2);
}
