//! What is told of each rule, and of what is kept.

use super::*;

fn rules(query: &str) -> String {
    format!(
        "rules: [{{seriesQuery: ops, maxStaleness: 5s, maxAge: 1m, metricsQuery: '{query}', \
         resources: {{overrides: {{pod: {{resource: pod}}, namespace: {{resource: namespace}}}}}}}}]"
    )
}

const PER_POD: &str = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)";

/// What is scraped of the rules.
fn scraped(evaluator: &Evaluator<Fake, Cluster>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(&evaluator.metrics.costs)));
    telemetry::text::encode(&registry)
}

fn both_pods() -> QueryValue {
    mk_samples(&[(&[("pod", "web-0")], 1.0), (&[("pod", "web-1")], 2.0)])
}

async fn poll(evaluator: &Evaluator<Fake, Cluster>) {
    let query = mk_query("pods", Some("shop"), selected("app=web"));
    let _ = evaluator.custom(query).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_told_of_while_it_is_in_force() {
    let (updates, updated) = watch::channel(mk_rules(&rules(PER_POD)));
    let (evaluator, client, relister) = mk_updated(updated, Ok(both_pods()));
    let test = async {
        let in_force = async |rules: &Arc<RuleSet>| {
            let is_listed = || !evaluator.list().is_empty();
            let catalog = || evaluator.discovery.catalog();
            while !Arc::ptr_eq(catalog().rules(), rules) || !is_listed() {
                tokio::task::yield_now().await;
            }
        };
        let before = updates.borrow().clone();
        in_force(&before).await;
        for _ in 0..2 {
            poll(&evaluator).await;
        }
        let text = scraped(&evaluator);
        // The values, and the times of their newest samples: both of the first poll.
        for line in [
            "rule_queries_total{rule=\"rules[0]\",result=\"ok\"} 2\n",
            "rule_answer_elements_total{rule=\"rules[0]\"} 4\n",
            "rule_query_seconds_total{rule=\"rules[0]\"} 0",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
        assert!(!text.contains("rule_answer_bytes_total{rule=\"rules[0]\"} 0"));
        // Another rule in its place begins anew, also if nobody looked meanwhile.
        let after = mk_rules(&rules(&PER_POD.replace("sum", "max")));
        updates.send(Arc::clone(&after)).unwrap();
        in_force(&after).await;
        *client.answer.lock().unwrap() = Err("nonsense");
        poll(&evaluator).await;
        let text = scraped(&evaluator);
        let failed = "rule_queries_total{rule=\"rules[0]\",result=\"error\"} ";
        assert!(text.contains(failed), "{text}");
        assert!(!text.contains("result=\"ok\""), "{text}");
        // What comes late counts for nobody.
        let gone = before.custom[0].id();
        evaluator.metrics.costs.asked(gone, Duration::ZERO, None);
        assert_eq!(scraped(&evaluator), text);
        let none = mk_rules("externalRules: [{seriesQuery: ops, metricsQuery: x}]");
        updates.send(Arc::clone(&none)).unwrap();
        while !Arc::ptr_eq(evaluator.discovery.catalog().rules(), &none) {
            tokio::task::yield_now().await;
        }
        assert!(!scraped(&evaluator).contains("rules[0]"));
    };
    tokio::select! {
        () = relister.run(CancellationToken::new()) => {}
        () = test => {}
    }
}

/// One rule more before it: the queries that were asked ahead of polls count where it stands now.
#[tokio::test(start_paused = true)]
async fn a_rule_that_moves_is_told_of_in_its_new_place() {
    let (updates, updated) = watch::channel(mk_rules(&rules(PER_POD)));
    let (evaluator, _, relister) = mk_updated(updated, Ok(both_pods()));
    let start = tokio::time::Instant::now();
    let until = |second| tokio::time::sleep_until(start + Duration::from_secs(second));
    let test = async {
        while evaluator.list().is_empty() {
            tokio::task::yield_now().await;
        }
        for round in 0..3 {
            until(15 * round).await;
            poll(&evaluator).await;
        }
        let other = "rules: [{seriesQuery: other, metricsQuery: x}, ";
        let moved = mk_rules(&rules(PER_POD).replace("rules: [", other));
        updates.send(Arc::clone(&moved)).unwrap();
        while !Arc::ptr_eq(evaluator.discovery.catalog().rules(), &moved) {
            tokio::task::yield_now().await;
        }
        let counted = || {
            let text = scraped(&evaluator);
            assert!(!text.contains("rules[0]"), "{text}");
            let queries = "rule_queries_total{rule=\"rules[1]\",result=\"ok\"} ";
            let count = text.split(queries).nth(1)?.lines().next()?;
            count.parse::<u32>().ok()
        };
        // Ahead of these polls it was asked, and ahead of the next one.
        for round in 3..6 {
            until(15 * round).await;
            poll(&evaluator).await;
        }
        let before = counted().unwrap();
        until(15 * 6 - 1).await;
        assert_eq!(counted(), Some(before));
        until(15 * 6).await;
        assert_eq!(counted(), Some(before + 2));
    };
    tokio::select! {
        () = relister.run(CancellationToken::new()) => {}
        () = evaluator.keep_warm() => {}
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_counts_once_whatever_it_needs() {
    let (evaluator, client) = mk_evaluator_of(&rules(PER_POD), Ok(both_pods())).await;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let evaluator = Evaluator {
        answers: Answers::new(client, metrics.clone()),
        metrics,
        ..evaluator
    };
    for _ in 0..3 {
        poll(&evaluator).await;
    }
    let text = telemetry::text::encode(&registry);
    for line in [
        "answers_total{source=\"prometheus\"} 1\n",
        "answers_total{source=\"memory\"} 2\n",
        "kept_answers 2\n",
        "queries_under_way 0\n",
    ] {
        assert!(text.contains(line), "{line} {text}");
    }
}
