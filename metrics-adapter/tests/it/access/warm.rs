//! A caller who keeps coming, with answers that do not last from one poll to the next.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

const TTL: Duration = Duration::from_secs(4);
/// As 15 s are to the 10 s of the defaults.
const PERIOD: Duration = Duration::from_secs(6);

const HITS: &str = "review_cache_lookups_total{cache=\"access\",result=\"hit\"}";
const AHEAD: &str =
    "review_duration_seconds_count{review=\"access\",cause=\"refresh\",result=\"success\"}";

impl World {
    /// One of the adapter's own metrics; 0 while there is none.
    async fn metric(&self, series: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.program.admin_port);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let series = format!("metrics_adapter_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until the metric is `least` at least.
    async fn reached(&self, series: &str, least: u64) {
        for _ in 0..300 {
            if self.metric(series).await >= least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{series} is not {least} after 30 s");
    }
}

#[tokio::test]
async fn no_poll_waits_for_a_review_and_a_revocation_counts_in_time() {
    let world = World::start_with("4s").await;
    let proxy = world.proxies.issue(PROXY, &[]);
    let request = head(&[ALICE]);
    let poll = async || world.raw(Some(&proxy), request.as_bytes()).await.0;
    let start = Instant::now();
    for round in 0..2 {
        tokio::time::sleep_until(start + PERIOD * round).await;
        assert_eq!(poll().await, 200);
    }
    assert_eq!(world.api_server.known.take("subjectaccessreviews").len(), 2);
    assert_eq!(
        (world.metric(HITS).await, world.metric(AHEAD).await),
        (0, 0)
    );
    for round in 2..6 {
        let due = start + PERIOD * round;
        tokio::time::sleep_until(due).await;
        // On a machine that is busy both the review and the poll are late.
        world.reached(AHEAD, u64::from(round) - 1).await;
        let hits = world.metric(HITS).await;
        assert_eq!(poll().await, 200);
        // The review is of 1.6 s before; what comes within two more finds the answer.
        if due.elapsed() < TTL / 2 {
            assert_eq!(world.metric(HITS).await, hits + 1, "round {round}");
        }
    }
    assert!(world.metric(HITS).await > 0, "no poll was in time");
    let asked = world.api_server.known.take("subjectaccessreviews");
    // An answer is good for at least four fifths of its time.
    let most = start.elapsed().as_secs() / 3;
    assert!((4..=most).contains(&(asked.len() as u64)), "{asked:?}");

    world.api_server.known.allowed.lock().unwrap().clear();
    let revoked = Instant::now();
    loop {
        let sent = revoked.elapsed();
        match poll().await {
            403 => break,
            status => assert_eq!(status, 200),
        }
        assert!(sent < TTL, "allowed {sent:?} after the revocation");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nobody asks ahead for whoever is refused.
    world.api_server.known.take("subjectaccessreviews");
    tokio::time::sleep(TTL * 2).await;
    assert!(
        world
            .api_server
            .known
            .take("subjectaccessreviews")
            .is_empty()
    );
}
