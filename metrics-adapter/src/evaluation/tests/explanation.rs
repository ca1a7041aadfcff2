//! Explanations: the same outcome as the request's own, and the true cause.

use super::*;
use crate::model::explanation::{Origin, Reason};

fn pods() -> MetricQuery {
    mk_query("pods", Some("shop"), selected("app=web"))
}

fn external(metric: &str) -> ExternalQuery {
    ExternalQuery {
        namespace: "shop".into(),
        metric: metric.into(),
        selector: Selector::EVERYTHING,
    }
}

fn reason(told: &Explanation) -> Option<Reason> {
    told.cause.as_ref().map(|cause| cause.reason)
}

async fn explained(evaluator: &Evaluator<Fake, Cluster>, query: MetricQuery) -> Explanation {
    let outcome = evaluator.custom(query.clone()).await;
    let told = evaluator.explain(ExplainQuery::Custom(query)).await;
    assert_eq!(told.outcome, outcome.map(|values| values.len()), "{told:?}");
    told
}

#[tokio::test(start_paused = true)]
async fn values_are_told_with_the_way_to_them() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[
        (&[("pod", "web-0"), ("code", "a")], 1.0),
        (&[("pod", "web-0"), ("code", "b")], f64::NAN),
        (&[("node", "n1")], 5.0),
    ])))
    .await;
    client.asked.lock().unwrap().clear();
    let told = evaluator.explain(ExplainQuery::Custom(pods())).await;
    let rule = told.rule.unwrap();
    assert_eq!((&*rule.place, rule.found), ("rules[0]", Some(1)));
    assert_eq!(
        told.objects.unwrap().names.shown,
        ["web-0".into(), "web-1".into()]
    );
    let [question] = &told.questions[..] else {
        panic!("{:?}", told.questions);
    };
    assert_eq!(*client.asked.lock().unwrap(), [&*question.promql]);
    assert_eq!(question.origin, Origin::Asked);
    assert_eq!(told.samples.count, 3);
    let [value] = &told.values.shown[..] else {
        panic!("{:?}", told.values);
    };
    assert_eq!(value.value, Quantity::ZERO);
    let instead = value.instead.as_deref().unwrap();
    assert_eq!(instead, "NaN is no value; onNaN: value 0");
    let dropped: Vec<&str> = told.dropped.shown.iter().map(|one| &*one.reason).collect();
    assert_eq!(
        dropped,
        [
            "a later sample of the result is of web-0, too, and counts",
            "the sample has no label \"pod\"",
            "there is no sample",
        ]
    );
    assert_eq!(
        told.cause.unwrap().message,
        "of 1 of 2 pods: there is no sample"
    );
}

#[tokio::test(start_paused = true)]
async fn an_explanation_is_no_poll() {
    let (mut evaluator, _) = mk_evaluator(Ok(mk_samples(&[(&[("pod", "web-0")], 1.0)]))).await;
    evaluator.max_staleness = Duration::from_secs(10);
    for origin in [Origin::Asked, Origin::Memory] {
        let told = evaluator.explain(ExplainQuery::Custom(pods())).await;
        assert_eq!(told.questions[0].origin, origin);
        // The shared question: about all pods of the namespace.
        assert!(
            told.questions[0]
                .promql
                .contains("(ops{namespace=\"shop\"})"),
            "{told:?}"
        );
        // An explanation before it has left nothing behind; a poll does.
        evaluator.custom(pods()).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    let told = evaluator.explain(ExplainQuery::Custom(pods())).await;
    assert_eq!(told.questions[0].age, Some(Duration::from_secs(3)));
    assert_eq!(told.questions[0].bound, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_no_value_is_found() {
    let present =
        |label: &'static str, value: &'static str| Ok(mk_samples(&[(&[(label, value)][..], 1.0)]));
    let nothing = || Ok(mk_samples(&[]));
    let of_namespaces = "count by (namespace)";
    let of_pods = "count by (pod)";
    let seen = "max_over_time(timestamp";
    for (special, expected, words) in [
        (
            vec![(of_namespaces, present("namespace", "bank"))],
            Reason::OtherNamespace,
            "the series ops is in other namespaces only: bank; there is none in shop",
        ),
        (
            vec![
                (of_namespaces, present("namespace", "shop")),
                (of_pods, present("pod", "x")),
            ],
            Reason::OtherObjects,
            "the series ops is of other pods: x",
        ),
        (
            vec![
                (of_namespaces, present("namespace", "shop")),
                (of_pods, present("pod", "web-1")),
            ],
            Reason::EmptyResult,
            "metricsQuery makes nothing of them",
        ),
        (
            vec![
                (seen, present("", "")),
                (of_namespaces, nothing()),
                (of_pods, nothing()),
            ],
            Reason::Stale,
            "the newest sample of ops is ",
        ),
        (
            Vec::new(),
            Reason::NoSample,
            "no sample of ops for what is asked in the last hour",
        ),
    ] {
        let (evaluator, client) = mk_evaluator(nothing()).await;
        *client.special.lock().unwrap() = special;
        let told = explained(&evaluator, pods()).await;
        let cause = told.cause.unwrap();
        assert_eq!(cause.reason, expected);
        assert!(cause.message.contains(words), "{}", cause.message);
        assert_eq!(told.questions.len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_apart() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[(&[("job", "x")], 1.0)]))).await;
    let named = |metric: &str| MetricQuery {
        metric: metric.into(),
        ..pods()
    };
    let mut selector = pods();
    selector.metric_selector = Selector::parse("a>1").unwrap();
    for (query, expected, words) in [
        (
            pods(),
            Reason::NoGroupBy,
            "metricsQuery of rules[0] lacks by (<<.GroupBy>>)",
        ),
        (named("opps"), Reason::NoRule, "did you mean ops?"),
        (
            named("latency"),
            Reason::NoRule,
            "none of 1 rules makes a metric latency",
        ),
        (
            named("queue"),
            Reason::OtherKind,
            "not of pods, but of: external",
        ),
        (
            mk_query("nodes", None, selected("")),
            Reason::LabelNotMapped,
            "the rule expects the label \"node\", and the series' labels are namespace, pod",
        ),
        (
            mk_query("teapots", None, selected("")),
            Reason::UnknownKind,
            "teapots",
        ),
        (
            mk_query("pods", None, selected("")),
            Reason::OtherKind,
            "ops of pods was asked for without a namespace",
        ),
        (
            mk_query("pods", Some("shop"), selected("app=db")),
            Reason::NoObjects,
            "matches none of the 2 pods in namespace shop: web-0, web-1",
        ),
        (
            mk_query("pods", Some("empty"), selected("")),
            Reason::NoObjects,
            "there are no pods",
        ),
        (
            mk_query("namespaces", None, selected("")),
            Reason::ObjectsUnknown,
            "namespaces",
        ),
        (selector, Reason::NoQuery, "< and > are not supported"),
    ] {
        let told = explained(&evaluator, query).await;
        let cause = told.cause.unwrap();
        assert_eq!(cause.reason, expected, "{}", cause.message);
        assert!(cause.message.contains(words), "{}", cause.message);
    }
    // Whoever may see explanations sees what Prometheus says.
    *client.answer.lock().unwrap() = Err("<html>");
    let told = explained(&evaluator, pods()).await;
    assert_eq!(reason(&told), Some(Reason::PrometheusFails));
    assert!(told.cause.unwrap().message.contains("<html>"));
    assert!(told.questions[0].error.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_says_error_is_told_of() {
    let rules = "rules: [{seriesQuery: ops, onMissing: error, onNaN: error, resources: {overrides: \
                 {pod: {resource: pod}, namespace: {resource: namespace}}}, metricsQuery: \
                 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]";
    let (evaluator, client) = mk_evaluator_of(rules, Ok(mk_samples(&[]))).await;
    let told = explained(&evaluator, pods()).await;
    let words = "onMissing: error, and of web-0 there is no sample";
    assert_eq!(told.cause.unwrap().message, words);
    *client.answer.lock().unwrap() = Ok(mk_samples(&[(&[("pod", "web-0")], f64::NAN)]));
    let told = explained(&evaluator, pods()).await;
    assert_eq!(reason(&told), Some(Reason::Unusable));
}

#[tokio::test(start_paused = true)]
async fn series_that_are_not_known_are_told_of() {
    let rules = mk_rules(RULES);
    let (_updates, updated) = watch::channel(rules);
    let (evaluator, _, _relister) = mk_updated(updated, Ok(mk_samples(&[])));
    let told = explained(&evaluator, pods()).await;
    assert_eq!(reason(&told), Some(Reason::NotAskedYet));
    assert_eq!(told.candidates.count, 1);
    let told = evaluator
        .explain(ExplainQuery::External(external("queue")))
        .await;
    assert_eq!(reason(&told), Some(Reason::NotAskedYet));
    assert_eq!(told.candidates.count, 3);
}

#[tokio::test(start_paused = true)]
async fn external_metrics_are_explained_alike() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[
        (&[("queue", "a")], 4.0),
        (&[("queue", "b")], f64::NAN),
    ])))
    .await;
    let ask = |metric: &'static str| {
        let evaluator = &evaluator;
        async move {
            let outcome = evaluator.external(external(metric)).await;
            let told = evaluator
                .explain(ExplainQuery::External(external(metric)))
                .await;
            assert_eq!(told.outcome, outcome.map(|values| values.len()), "{metric}");
            told
        }
    };
    let told = ask("queue").await;
    assert_eq!((told.values.count, told.dropped.count), (1, 1));
    assert_eq!(reason(&told), Some(Reason::Unusable));
    assert_eq!(reason(&ask("lost").await), Some(Reason::NoQuery));
    assert_eq!(reason(&ask("ops").await), Some(Reason::OtherKind));
    assert_eq!(reason(&ask("nothing").await), Some(Reason::NoRule));
    *client.answer.lock().unwrap() = Ok(mk_samples(&[]));
    let bank = Ok(mk_samples(&[(&[("namespace", "bank")], 1.0)]));
    *client.special.lock().unwrap() = vec![("count by (namespace)", bank)];
    let told = ask("queue").await;
    assert_eq!(reason(&told), Some(Reason::OtherNamespace));
    // One that is in no namespace is not looked for there.
    let told = ask("anywhere").await;
    assert_eq!(reason(&told), Some(Reason::NoSample));
    assert_eq!(told.questions.len(), 3);
    // Series that are there are not stale, whatever the query makes of them.
    let number = |number| Ok(mk_samples(&[(&[], number)]));
    let now = Timestamp::now().as_second() as f64;
    for (special, expected) in [
        (vec![("max(max_over_time", number(now))], Reason::Stale),
        (
            vec![("max(max_over_time", number(now)), ("count(", number(2.0))],
            Reason::EmptyResult,
        ),
    ] {
        *client.special.lock().unwrap() = special;
        assert_eq!(reason(&ask("anywhere").await), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_bounded() {
    let labels: Vec<[(&str, &str); 1]> = (0..200).map(|_| [("zone", "a")]).collect();
    let samples: Vec<(&[(&str, &str)], f64)> = labels.iter().map(|one| (&one[..], 1.0)).collect();
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&samples))).await;
    let told = evaluator.explain(ExplainQuery::Custom(pods())).await;
    for (shown, count) in [
        (told.samples.shown.len(), told.samples.count),
        (told.dropped.shown.len(), told.dropped.count),
    ] {
        assert_eq!((shown, count), (50, 200));
    }
}
