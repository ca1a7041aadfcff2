//! Requests by metric, and the ages of what they were answered with.

use super::*;
use crate::evaluation::requests::Requests;

const RULE: &str = "{seriesQuery: ops, maxAge: 1m, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by \
                    (<<.GroupBy>>)', resources: {overrides: {pod: {resource: pod}, namespace: \
                    {resource: namespace}}}}";

/// What is scraped.
fn scraped(evaluator: &Evaluator<Fake, Cluster>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(&evaluator.metrics.costs)));
    registry.register_collector(Box::new(Arc::clone(&evaluator.metrics.requests)));
    telemetry::text::encode(&registry)
}

#[track_caller]
fn assert_counts(text: &str, labels: &str, count: u32) {
    let line = format!("metric_requests_total{{{labels}}} {count}\n");
    assert!(text.contains(&line), "{line} {text}");
}

async fn ask(evaluator: &Evaluator<Fake, Cluster>, selector: &str) {
    let query = mk_query("pods", Some("shop"), selected(selector));
    let _ = evaluator.custom(query).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_counts_for_its_metric_by_what_came_of_it() {
    let both = mk_samples(&[(&[("pod", "web-0")], 1.0), (&[("pod", "web-1")], 2.0)]);
    let (evaluator, client) = mk_evaluator_of(RULES, Ok(both)).await;
    let pods = |result| format!(r#"api="custom",resource="pods",metric="ops",result="{result}""#);
    ask(&evaluator, "app=web").await;
    ask(&evaluator, "app=web").await;
    ask(&evaluator, "app=nosuch").await;
    *client.answer.lock().unwrap() = Err("nonsense");
    ask(&evaluator, "app=web").await;
    let mut unknown = mk_query("pods", Some("shop"), selected("app=web"));
    unknown.metric = "chosen-by-a-caller".into();
    let _ = evaluator.custom(unknown).await;
    let usage = UsageQuery::List {
        namespace: None,
        labels: Selector::EVERYTHING,
        fields: crate::model::FieldSelector::default(),
    };
    let _ = evaluator.nodes(usage).await;
    let text = scraped(&evaluator);
    assert_counts(&text, &pods("ok"), 2);
    assert_counts(&text, &pods("not_found"), 1);
    assert_counts(&text, &pods("error"), 1);
    assert_counts(&text, &pods("timeout"), 0);
    let other = r#"api="custom",resource="",metric="other",result="not_found""#;
    assert_counts(&text, other, 1);
    let nodes = r#"api="resource",resource="nodes",metric="usage",result="error""#;
    assert_counts(&text, nodes, 1);
    assert!(!text.contains("chosen"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_metric_takes_its_series_with_it() {
    let (updates, updated) = watch::channel(mk_rules(&format!("rules: [{RULE}]")));
    let (evaluator, _, relister) = mk_updated(updated, Ok(mk_samples(&[])));
    let test = async {
        while evaluator.list().is_empty() {
            tokio::task::yield_now().await;
        }
        ask(&evaluator, "app=web").await;
        let named = r#"metric="ops""#;
        assert!(scraped(&evaluator).contains(named));
        let none = mk_rules("externalRules: [{seriesQuery: ops, metricsQuery: x}]");
        updates.send(Arc::clone(&none)).unwrap();
        while !Arc::ptr_eq(evaluator.discovery.catalog().rules(), &none) {
            tokio::task::yield_now().await;
        }
        let text = scraped(&evaluator);
        assert!(!text.contains(named), "{text}");
        assert!(text.contains(r#"metric="other""#), "{text}");
    };
    tokio::select! {
        () = relister.run(CancellationToken::new()) => {}
        () = test => {}
    }
}

#[test]
fn beyond_so_many_names_all_are_one() {
    let requests = Requests::default();
    for number in 0..600 {
        requests.of(None, &format!("m{number}").into())[0].inc();
    }
    // Those that have series keep them.
    requests.of(None, &"m0".into())[0].inc();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::new(requests)));
    let text = telemetry::text::encode(&registry);
    let external = |metric| format!(r#"api="external",resource="",metric="{metric}",result="ok""#);
    assert_counts(&text, &external("m0"), 2);
    assert_counts(&text, &external("m499"), 1);
    assert_counts(&text, &external("other"), 100);
    assert!(!text.contains(r#"metric="m500""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_metric_by_the_name_of_the_others_is_one_of_them() {
    let (evaluator, _) = mk_evaluator_of(RULES, Ok(mk_samples(&[]))).await;
    let requests = &evaluator.metrics.requests;
    requests.of(None, &"other".into())[0].inc();
    // It is none of the catalog's, and the series would go with it.
    let external = r#"api="external",resource="",metric="other",result="ok""#;
    assert_counts(&scraped(&evaluator), external, 1);
    requests.of(None, &"other".into())[0].inc();
    assert_counts(&scraped(&evaluator), external, 2);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_sample_tells_the_age_also_where_it_is_refused() {
    let rules = format!("rules: [{RULE}]");
    // The values are the times of the newest samples: 50 s and 90 s before the evaluation.
    let at = |before: i32| f64::from(1_700_000_000 - before);
    let times = [
        (&[("pod", "web-0")][..], at(50)),
        (&[("pod", "web-1")], at(90)),
    ];
    let (evaluator, _) = mk_evaluator_of(&rules, Ok(mk_samples(&times))).await;
    ask(&evaluator, "app=web").await;
    let text = scraped(&evaluator);
    let age = "rule_sample_age_seconds_";
    for line in [
        r#"bucket{le="60.0",rule="rules[0]"} 0"#,
        r#"bucket{le="120.0",rule="rules[0]"} 1"#,
        r#"sum{rule="rules[0]"} 90"#,
    ] {
        assert!(text.contains(&format!("{age}{line}")), "{line} {text}");
    }
}
