//! Rules that change while metrics are listed.

use super::*;

/// Starts with rules that can be replaced.
fn start_changing(
    fake: &Arc<Fake>,
    rules: &[(&str, &str)],
) -> (Arc<State>, watch::Sender<Arc<RuleSet>>, CancellationToken) {
    let updates = watch::Sender::new(mk_rules(rules));
    let receiver = updates.subscribe();
    let (state, stop) = start_with(fake, rules, |relister| relister.with_updates(receiver));
    (state, updates, stop)
}

#[tokio::test(start_paused = true)]
async fn new_rules_come_into_force_at_once_with_their_metrics() {
    let fake = Arc::new(Fake::default());
    for query in ["kept", "gone", "new"] {
        fake.set(query, Ok(vec!["pod"]));
    }
    let before = [("gone", "g"), ("kept", "k"), ("kept", "same")];
    let (state, updates, _stop) = start_changing(&fake, &before);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(names(&state), ["pods/g ns", "pods/k ns", "pods/same ns"]);

    // The answers take their time; until then everything is as it was, whole.
    *fake.pause.lock().unwrap() = Duration::from_secs(5);
    updates.send_replace(mk_rules(&[
        ("kept", "k"),
        ("new", "n"),
        ("bad", "b"),
        ("new", "+e"),
    ]));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(fake.asked("new").len(), 1);
    assert_eq!(names(&state), ["pods/g ns", "pods/k ns", "pods/same ns"]);
    assert!(state.catalog().rules().external.is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(names(&state), ["pods/k ns", "pods/n ns"]);
    assert_eq!(state.listed_external().len(), 1);
    assert_eq!(state.catalog().rules().external.len(), 1);
    let entry = state
        .catalog()
        .get(&state.listed()[0])
        .unwrap()
        .rule
        .id()
        .clone();
    assert_eq!(entry.as_ref(), "rules[0]");
    assert_eq!((fake.asked("kept").len(), fake.asked("gone").len()), (2, 1));
    let health = state.health();
    let failing: Vec<bool> = health.iter().map(|rule| rule.error.is_some()).collect();
    assert_eq!(failing, [false, false, true, false]);
}

/// A rule that is the same series query's keeps what was found, even if Prometheus is away now.
#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_series_query_outlives_its_rules() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    fake.set("other", Ok(vec!["pod"]));
    let (state, updates, _stop) = start_changing(&fake, &[("other", "o"), ("q", "a")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    fake.set("q", Err(()));
    fake.set("other", Err(()));
    updates.send_replace(mk_rules(&[("q", "renamed")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(names(&state), ["pods/renamed ns"]);
    let health = state.health();
    assert_eq!(health.len(), 1);
    assert!(health[0].last_success.is_some() && health[0].error.is_some());
    // What nobody asks for any more is forgotten.
    updates.send_replace(mk_rules(&[("q", "renamed"), ("other", "o")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(names(&state), ["pods/renamed ns"]);
    assert!(state.health()[1].last_success.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_metrics_of_a_place_begin_anew_with_another_rule() {
    let fake = Arc::new(Fake::default());
    for query in ["a", "b", "c"] {
        fake.set(query, Ok(vec!["pod"]));
    }
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let rules = [("a", "a"), ("b", "b"), ("c", "c")];
    let updates = watch::Sender::new(mk_rules(&rules));
    let receiver = updates.subscribe();
    let (_state, _stop) = start_with(&fake, &rules, |relister| Relister {
        metrics,
        ..relister.with_updates(receiver)
    });
    let told = || {
        let text = telemetry::text::encode(&registry);
        let count = |line: &str| {
            let rest = line.strip_prefix("rule_relists_total{rule=\"rules[")?;
            let (place, rest) = rest.split_once("]\",result=\"ok\"} ")?;
            Some(format!("{place}:{rest}"))
        };
        let mut counts: Vec<String> = text.lines().filter_map(count).collect();
        counts.sort();
        counts
    };
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(told(), ["0:2", "1:2", "2:2"]);
    updates.send_replace(mk_rules(&[("a", "a"), ("c", "c")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(told(), ["0:3", "1:1"]);
}

/// What is kept of a rule that has moved is told at its new place, before Prometheus answers again.
#[tokio::test(start_paused = true)]
async fn a_rule_that_moves_takes_its_gauges_along() {
    let fake = Arc::new(Fake::default());
    for query in ["a", "b"] {
        fake.set(query, Ok(vec!["pod"]));
    }
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let rules = [("a", "a"), ("b", "b")];
    let updates = watch::Sender::new(mk_rules(&rules));
    let receiver = updates.subscribe();
    let (_state, _stop) = start_with(&fake, &rules, |relister| Relister {
        metrics,
        ..relister.with_updates(receiver)
    });
    let told = |place: usize| {
        let text = telemetry::text::encode(&registry);
        [
            "rule_answer_in_use",
            "rule_series",
            "rule_last_relist_timestamp_seconds",
        ]
        .map(|name| {
            let start = format!("{name}{{rule=\"rules[{place}]\"}} ");
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(&start));
            value.unwrap().to_owned()
        })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let kept = told(1);
    assert_eq!(kept[0], "1");
    assert!(kept[1..].iter().all(|value| value != "0" && value != "0.0"));
    *fake.pause.lock().unwrap() = Duration::from_secs(5);
    updates.send_replace(mk_rules(&[("b", "b"), ("new", "n")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(told(0), kept);
    assert_eq!(told(1)[..2], ["0", "0"]);
}
