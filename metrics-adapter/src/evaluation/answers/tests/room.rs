//! What has room, and what has not.

use super::super::content::{LONGEST_QUERY, MAX_ANSWER_BYTES, MAX_QUERY_BYTES};
use super::*;

#[tokio::test(start_paused = true)]
async fn what_clients_ask_for_is_bounded() {
    let stand = Stand::new();
    let filler = "x".repeat(LONGEST_QUERY - 10);
    let mut number = 0;
    while stand.remembered().0 == number {
        stand
            .poll(&format!("{number:010}{filler}"), 1)
            .await
            .unwrap();
        number += 1;
    }
    let (remembered, _) = stand.remembered();
    assert!(
        remembered > MAX_QUERY_BYTES / 2 / LONGEST_QUERY,
        "{remembered}"
    );
    assert!(stand.answers.shelf.lock().query_bytes <= MAX_QUERY_BYTES);
    // What has no room is answered all the same, every time, and shared while it is asked.
    for _ in 0..2 {
        let more = format!("more{filler}......");
        let (a, b) = tokio::join!(stand.poll(&more, 1), stand.poll(&more, 2));
        let sources = (a.unwrap().1, b.unwrap().1);
        assert_eq!(sources, (Source::Prometheus, Source::Flight));
    }
    // Nor has another one who polls what is remembered.
    let known = format!("{:010}{filler}", 0);
    let pollers = || stand.answers.shelf.lock().query_bytes;
    let before = pollers();
    stand.poll(&known, 2).await.unwrap();
    assert_eq!(pollers(), before);
    // All of it comes back.
    stand
        .warm(async {
            stand.until(1000.0).await;
            assert_eq!((stand.remembered(), pollers()), ((0, 0), 0));
        })
        .await;
    let stand = Stand::new();
    // A long one takes as much of the room as it has bytes, and is kept like any other.
    let long = "x".repeat(100_000);
    for source in [Source::Prometheus, Source::Memory] {
        assert_eq!(stand.poll(&long, 1).await.unwrap().1, source);
    }
    let bytes = stand.answers.shelf.lock().query_bytes;
    assert!((100_000..105_000).contains(&bytes), "{bytes}");
    let stand = Stand::new();
    let long = "x".repeat(LONGEST_QUERY + 1);
    let (a, b) = tokio::join!(stand.poll(&long, 1), stand.poll(&long, 2));
    assert_eq!(
        (a.unwrap().1, b.unwrap().1),
        (Source::Prometheus, Source::Flight)
    );
    assert_eq!(stand.remembered(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_prometheus_answers_is_bounded() {
    let stand = Stand::new();
    // All of them share their texts, and nearly a third of the room is taken.
    let element = size_of::<Sample>() + 48;
    let elements = u32::try_from(MAX_ANSWER_BYTES / 3 / element + 100).unwrap();
    stand.upstream.elements.store(elements, Ordering::Relaxed);
    for query in ["a", "b", "c", "d"] {
        let (outcome, _) = stand.get(query, 1, BOUND).await;
        assert!(outcome.is_ok());
    }
    assert_eq!(stand.remembered(), (4, 2));
    // The next one of a query takes the place of the one before.
    stand.until(6.0).await;
    stand.get("a", 1, BOUND).await.0.unwrap();
    assert!(stand.answers.shelf.lock().bytes <= MAX_ANSWER_BYTES);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_is_not_asked_ahead() {
    let stand = Stand::new();
    let elements = MAX_ANSWER_BYTES / size_of::<Sample>();
    let elements = u32::try_from(elements).unwrap();
    stand.upstream.elements.store(elements, Ordering::Relaxed);
    stand
        .warm(async {
            for round in 0..5 {
                stand.until(f64::from(round) * 15.0).await;
                let (outcome, source) = stand.get("x", 1, BOUND).await;
                assert!(outcome.is_ok());
                assert_eq!(source, Source::Prometheus);
            }
            stand.until(70.0).await;
            assert_eq!((stand.queries(), stand.remembered()), (5, (1, 0)));
        })
        .await;
}
