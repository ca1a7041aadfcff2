//! Many polls at once.

use super::*;

#[tokio::test(start_paused = true)]
async fn many_polls_at_once_are_provided_for_and_few_are_not_asked_for_earlier() {
    for (many, asked_early) in [(4, false), (200, true)] {
        let stand = Stand::new();
        let polls = || async {
            let queries: Vec<String> = (0..many).map(|number| format!("x{number}")).collect();
            let polls = queries.iter().map(|promql| stand.poll(promql, 1));
            let found = join_all(polls).await;
            found.into_iter().map(|found| found.unwrap().1).max()
        };
        stand
            .warm(async {
                for round in 0..2 {
                    stand.until(f64::from(round) * 15.0).await;
                    assert_eq!(polls().await, Some(Source::Prometheus));
                }
                stand.until(28.7).await;
                let asked = stand.queries() > 2 * many;
                assert_eq!(asked, asked_early, "{} of {many}", stand.queries());
                stand.until(30.0).await;
                assert_eq!(polls().await, Some(Source::Memory), "of {many}");
                assert_eq!(stand.queries(), 3 * many);
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_polls_at_once_cost_one_query_for_all_that_it_can_serve() {
    let stand = Stand::new();
    stand
        .warm(async {
            let (queries, rounds) = (100, 5);
            let polls = (0..queries).map(|number| {
                let stand = &stand;
                async move {
                    let mut found = Vec::new();
                    for round in 0..rounds {
                        // Three HPAs, two of which come right after each other, and one seconds later.
                        for (poller, offset) in [(1, 0.0), (2, 0.005), (3, 3.0)] {
                            stand.until(f64::from(round) * 15.0 + offset).await;
                            found.push(stand.poll(&format!("x{number}"), poller).await.unwrap().1);
                        }
                    }
                    found.into_iter().skip(6).max()
                }
            });
            let found = join_all(polls).await;
            assert_eq!(found.into_iter().max(), Some(Some(Source::Memory)));
            assert_eq!(stand.queries(), queries * rounds);
        })
        .await;
}
