use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::*;

fn mk_pool(workers: u16, queue_length: u32) -> Pool {
    Pool::new(Limits {
        workers: NonZeroU16::new(workers).unwrap(),
        queue_length,
    })
}

/// Whether the future finishes without anybody else doing anything.
async fn is_ready<F: Future>(future: F) -> bool {
    timeout(Duration::ZERO, future).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn admits_as_many_as_there_are_workers() {
    let pool = mk_pool(2, 1);
    let first = pool.admit().await.unwrap();
    let _second = pool.admit().await.unwrap();
    let mut third = pin!(pool.admit());
    assert!(!is_ready(third.as_mut()).await);
    assert_eq!(pool.waiting(), 1);
    drop(first);
    assert!(is_ready(third).await);
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn refuses_beyond_the_queue_and_says_how_long_it_is() {
    let pool = mk_pool(1, 1);
    let _worker = pool.admit().await.unwrap();
    let mut queued = pin!(pool.admit());
    assert!(!is_ready(queued.as_mut()).await);
    let refused = pool.admit().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "all 1 workers are busy and the queue of 1 is full"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nobody_waits() {
    let pool = mk_pool(1, 0);
    let worker = pool.admit().await.unwrap();
    assert!(pool.admit().await.is_err());
    drop(worker);
    assert!(pool.admit().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn serves_in_order_of_arrival_and_late_comers_do_not_overtake() {
    let pool = mk_pool(1, 2);
    let worker = pool.admit().await.unwrap();
    let (mut first, mut second) = (pin!(pool.admit()), pin!(pool.admit()));
    assert!(!is_ready(first.as_mut()).await);
    assert!(!is_ready(second.as_mut()).await);
    drop(worker);
    // The freed worker belongs to the head of the queue even before that is polled again.
    assert!(!is_ready(second.as_mut()).await);
    let worker = first.await.unwrap();
    drop(worker);
    assert!(is_ready(second).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_the_queue() {
    let pool = mk_pool(1, 1);
    let worker = pool.admit().await.unwrap();
    {
        let mut gone = Box::pin(pool.admit());
        assert!(!is_ready(gone.as_mut()).await);
        assert_eq!(pool.waiting(), 1);
    }
    assert_eq!(pool.waiting(), 0);
    let mut next = pin!(pool.admit());
    assert!(!is_ready(next.as_mut()).await);
    drop(worker);
    assert!(is_ready(next).await);
}

#[tokio::test(start_paused = true)]
async fn capacity_is_workers_over_service_time() {
    let pool = mk_pool(2, 100);
    let start = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let pool = pool.clone();
        calls.spawn(async move {
            let _worker = pool.admit().await.unwrap();
            sleep(Duration::from_millis(40)).await;
        });
    }
    calls.join_all().await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}
