use super::*;

fn mk_query(metric: &str, selector: &str) -> ExternalQuery {
    ExternalQuery {
        namespace: "shop".into(),
        metric: metric.into(),
        selector: Selector::parse(selector).unwrap(),
    }
}

fn shown(values: &[ExternalValue]) -> Vec<String> {
    let show = |value: &ExternalValue| format!("{:?} = {}", value.labels, value.value);
    values.iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn every_element_of_a_vector_is_a_value() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[
        (&[("__name__", "ops"), ("queue", "a")], 12.5),
        (&[], 3.0),
    ])))
    .await;
    let values = evaluator
        .external(mk_query("queue", "queue in (a,b)"))
        .await
        .unwrap();
    assert_eq!(
        shown(&values),
        [
            r#"Some({"__name__": "ops", "queue": "a"}) = 12500m"#,
            "Some({}) = 3"
        ]
    );
    assert_eq!(values[0].timestamp.to_string(), "2023-11-14T22:13:20Z");
    assert_eq!(
        *client.asked.lock().unwrap(),
        [r#"sum(ops{queue=~"a|b",namespace="shop"}) by ()"#]
    );
}

#[tokio::test(start_paused = true)]
async fn rules_may_look_at_no_namespace() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let values = evaluator.external(mk_query("anywhere", "a=b")).await;
    assert_eq!(values, Ok(Vec::new()));
    assert_eq!(*client.asked.lock().unwrap(), [r#"ops{a="b"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_scalar_has_no_labels() {
    let (evaluator, client) = mk_evaluator(Ok(QueryValue::Scalar {
        value: 2.0,
        timestamp: Timestamp::UNIX_EPOCH,
    }))
    .await;
    let query = || mk_query("anywhere", "");
    let values = evaluator.external(query()).await.unwrap();
    assert_eq!(shown(&values), ["None = 2"]);
    *client.answer.lock().unwrap() = Ok(QueryValue::Scalar {
        value: f64::NAN,
        timestamp: Timestamp::UNIX_EPOCH,
    });
    assert_eq!(evaluator.external(query()).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_no_quantity_can_hold_is_no_value_and_counted() {
    let (mut evaluator, _) = mk_evaluator(Ok(mk_samples(&[
        (&[("n", "1")], f64::NAN),
        (&[("n", "2")], f64::INFINITY),
        (&[("n", "3")], f64::NEG_INFINITY),
        (&[("n", "4")], 1e19),
        (&[("n", "5")], -7.0),
    ])))
    .await;
    let mut registry = Registry::default();
    evaluator.metrics = Metrics::register(&mut registry);
    let values = evaluator.external(mk_query("queue", "")).await.unwrap();
    assert_eq!(shown(&values), [r#"Some({"n": "5"}) = -7"#]);
    let text = telemetry::text::encode(&registry);
    for (reason, count) in [("nan", 1), ("infinite", 2), ("overflow", 1)] {
        let line =
            format!("unusable_samples_total{{api=\"external\",reason=\"{reason}\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_have_their_kinds() {
    let (evaluator, _) = mk_evaluator(Err("a matrix")).await;
    let error = |metric: &str, selector: &str| evaluator.external(mk_query(metric, selector));
    let unknown = error("nosuch", "").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the server could not find the metric nosuch for namespaces shop"
    );
    let upstream = error("queue", "").await.unwrap_err();
    assert_eq!(upstream.to_string(), "unable to fetch metrics");
    // Namespaced, but without a label for namespaces.
    let rule = error("lost", "").await.unwrap_err();
    assert!(matches!(rule, ProviderError::Query { .. }), "{rule:?}");
    let selector = error("queue", "a>1").await.unwrap_err();
    assert!(
        matches!(selector, ProviderError::BadRequest(_)),
        "{selector:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn lists_their_names() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let names: Vec<String> = evaluator
        .list_external()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["anywhere", "lost", "queue"]);
}
