//! The fields of a rule that prometheus-adapter does not have.

use super::*;

/// The time of every evaluation.
const NOW: i64 = 1_700_000_000;

/// One custom rule (`ops` of pods) and one external rule (`queue`), both with the given fields.
async fn mk_with(fields: &str) -> (Evaluator<Fake, Cluster>, Arc<Fake>) {
    let rule = |name: &str| {
        format!(
            "[{{seriesQuery: ops, name: {{as: {name}}}, {fields}, resources: {{overrides: {{pod: \
             {{resource: pod}}, namespace: {{resource: namespace}}}}}}, metricsQuery: \
             'sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)'}}]"
        )
    };
    let rules = format!("rules: {}\nexternalRules: {}\n", rule("ops"), rule("queue"));
    mk_evaluator_of(&rules, Ok(mk_samples(&[]))).await
}

fn answer(client: &Fake, samples: &[(&[(&str, &str)], f64)]) {
    *client.answer.lock().unwrap() = Ok(mk_samples(samples));
}

/// Sets the answer to age queries: seconds before the evaluation, by pod.
fn ages(client: &Fake, ages: &[(&str, f64)]) {
    let labels: Vec<[(&str, &str); 1]> = ages.iter().map(|(pod, _)| [("pod", *pod)]).collect();
    #[allow(clippy::cast_precision_loss)] // Far below 2^52.
    let samples: Vec<(&[(&str, &str)], f64)> = labels
        .iter()
        .zip(ages)
        .map(|(labels, (_, age))| (labels.as_slice(), NOW as f64 - age))
        .collect();
    *client.special.lock().unwrap() = vec![("timestamp(", Ok(mk_samples(&samples)))];
}

fn counted(evaluator: &mut Evaluator<Fake, Cluster>) -> Registry {
    let mut registry = Registry::default();
    evaluator.metrics = Metrics::register(&mut registry);
    registry
}

/// `name = value @ seconds before the evaluation`, or the error.
async fn pods(evaluator: &Evaluator<Fake, Cluster>, target: Target) -> Vec<String> {
    match evaluator
        .custom(mk_query("pods", Some("shop"), target))
        .await
    {
        Ok(values) => values
            .iter()
            .map(|v| {
                let age = NOW - v.timestamp.as_second();
                // A substitute without any sample has the present.
                let age = if age < -1000 {
                    "present".to_owned()
                } else {
                    age.to_string()
                };
                format!("{} = {} @ {age}", v.object.name, v.value)
            })
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

async fn all_pods(evaluator: &Evaluator<Fake, Cluster>) -> Vec<String> {
    pods(evaluator, selected("")).await
}

async fn queue(evaluator: &Evaluator<Fake, Cluster>) -> Vec<String> {
    let query = ExternalQuery {
        namespace: "shop".into(),
        metric: "queue".into(),
        selector: Selector::EVERYTHING,
    };
    match evaluator.external(query).await {
        Ok(values) => values
            .iter()
            .map(|v| {
                let labels: Vec<String> = v
                    .labels
                    .iter()
                    .flat_map(crate::model::sample::Labels::iter)
                    .map(|(k, v)| format!("{k}={v}"))
                    .collect();
                let age = NOW - v.timestamp.as_second();
                let age = if age < -1000 {
                    "present".to_owned()
                } else {
                    age.to_string()
                };
                format!("{{{}}} = {} @ {age}", labels.join(","), v.value)
            })
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_newest_sample_decides() {
    let (mut evaluator, client) = mk_with("maxAge: 2m").await;
    let registry = counted(&mut evaluator);
    answer(
        &client,
        &[(&[("pod", "web-0")], 5.0), (&[("pod", "web-1")], 7.0)],
    );
    ages(&client, &[("web-0", 30.0), ("web-1", 120.0)]);
    assert_eq!(
        all_pods(&evaluator).await,
        ["web-0 = 5 @ 30", "web-1 = 7 @ 120"]
    );
    let mut asked = client.asked.lock().unwrap().clone();
    asked.sort();
    let matchers = "namespace=\"shop\",pod=~\"web-0|web-1\"";
    assert_eq!(
        asked,
        [
            format!("max by (pod) (timestamp(ops{{{matchers}}}))"),
            format!("sum(ops{{{matchers}}}) by (pod)"),
        ]
    );
    ages(&client, &[("web-0", 121.0)]);
    // One is too old, of the other nothing is known.
    assert_eq!(all_pods(&evaluator).await, [""; 0]);
    assert_eq!(
        pods(&evaluator, Target::Name("web-0".into())).await,
        ["the server could not find the metric ops for pods web-0"]
    );
    let text = telemetry::text::encode(&registry);
    let line = "unusable_samples_total{api=\"custom\",reason=\"stale\"} 3\n";
    assert!(text.contains(line), "{text}");
    *client.special.lock().unwrap() = vec![("timestamp(", Err("broken"))];
    assert_eq!(all_pods(&evaluator).await, ["unable to fetch metrics"]);
}

#[tokio::test(start_paused = true)]
async fn an_external_metric_has_one_age() {
    let (evaluator, client) = mk_with("maxAge: 2m").await;
    answer(
        &client,
        &[(&[("queue", "a")], 5.0), (&[("queue", "b")], 7.0)],
    );
    ages(&client, &[("", 20.0)]);
    assert_eq!(
        queue(&evaluator).await,
        ["{queue=a} = 5 @ 20", "{queue=b} = 7 @ 20"]
    );
    let asked = client.asked.lock().unwrap().clone();
    let age = "max(timestamp(ops{namespace=\"shop\"}))";
    assert!(asked.iter().any(|query| query == age), "{asked:?}");
    ages(&client, &[("", 1000.0)]);
    assert_eq!(queue(&evaluator).await, [""; 0]);
    ages(&client, &[]);
    assert_eq!(queue(&evaluator).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_the_fields_nothing_more_is_asked_or_told() {
    let (evaluator, client) = mk_with("window: ~").await;
    answer(&client, &[(&[("pod", "web-0")], 5.0)]);
    assert_eq!(all_pods(&evaluator).await, ["web-0 = 5 @ 0"]);
    assert_eq!(client.asked.lock().unwrap().len(), 1);
    let query = mk_query("pods", Some("shop"), selected(""));
    assert_eq!(evaluator.custom(query).await.unwrap()[0].window, None);
    let (evaluator, client) = mk_with("window: 90s").await;
    answer(&client, &[(&[("pod", "web-0")], 5.0)]);
    let query = mk_query("pods", Some("shop"), selected(""));
    let window = evaluator.custom(query).await.unwrap()[0].window;
    assert_eq!(window, Some(Duration::from_secs(90)));
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_gets_what_the_rule_says() {
    for (fields, with_one, with_none) in [
        ("onMissing: omit", vec!["web-0 = 5 @ 0"], vec![]),
        (
            "onMissing: zero",
            vec!["web-0 = 5 @ 0", "web-1 = 0 @ 0"],
            vec!["web-0 = 0 @ present", "web-1 = 0 @ present"],
        ),
        (
            "onMissing: {value: 250m}",
            vec!["web-0 = 5 @ 0", "web-1 = 250m @ 0"],
            vec!["web-0 = 250m @ present", "web-1 = 250m @ present"],
        ),
        (
            "onMissing: error",
            vec!["the server could not find the metric ops for pods web-1"],
            vec!["the server could not find the metric ops for pods web-0"],
        ),
    ] {
        let (mut evaluator, client) = mk_with(fields).await;
        let registry = counted(&mut evaluator);
        answer(&client, &[(&[("pod", "web-0")], 5.0)]);
        assert_eq!(all_pods(&evaluator).await, with_one, "{fields}");
        answer(&client, &[]);
        assert_eq!(all_pods(&evaluator).await, with_none, "{fields}");
        // Only objects that exist can get anything.
        let gone = pods(&evaluator, Target::Name("gone".into())).await;
        assert_eq!(
            gone,
            ["the server could not find the metric ops for pods gone"]
        );
        let text = telemetry::text::encode(&registry);
        let line = "substituted_values_total{api=\"custom\",reason=\"missing\"} 3\n";
        assert_eq!(text.contains(line), with_none.len() == 2, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_value_is_served_for_a_while_with_its_own_time() {
    let (evaluator, client) = mk_with("onMissing: {last: 5m}, maxAge: 1m").await;
    answer(
        &client,
        &[(&[("pod", "web-0")], 5.0), (&[("pod", "web-1")], 7.0)],
    );
    // Older than one minute is missing, and was never served.
    ages(&client, &[("web-0", 20.0), ("web-1", 61.0)]);
    assert_eq!(all_pods(&evaluator).await, ["web-0 = 5 @ 20"]);
    answer(&client, &[(&[("pod", "web-1")], 7.0)]);
    assert_eq!(all_pods(&evaluator).await, ["web-0 = 5 @ 20"]);
    let one = pods(&evaluator, Target::Name("web-0".into())).await;
    assert_eq!(one, ["web-0 = 5 @ 20"]);
    // Another selector is another value.
    let mut other = mk_query("pods", Some("shop"), selected(""));
    other.metric_selector = Selector::parse("code=2xx").unwrap();
    assert_eq!(evaluator.custom(other).await, Ok(Vec::new()));
    // No sample at all: by the present's clock that was long ago.
    answer(&client, &[]);
    ages(&client, &[]);
    assert_eq!(all_pods(&evaluator).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn nan_becomes_what_the_rule_says() {
    for (fields, objects, external) in [
        ("window: ~", vec!["web-0 = 0 @ 0"], vec![]),
        ("onNaN: omit", vec![], vec![]),
        (
            "onNaN: zero",
            vec!["web-0 = 0 @ 0"],
            vec!["{pod=web-0} = 0 @ 0"],
        ),
        (
            "onNaN: {value: 3}",
            vec!["web-0 = 3 @ 0"],
            vec!["{pod=web-0} = 3 @ 0"],
        ),
        (
            "onNaN: {last: 1m}",
            vec!["web-0 = 5 @ 0"],
            vec!["{pod=web-0} = 5 @ 0"],
        ),
        (
            "onNaN: error",
            vec!["the metric ops of pods web-0 has no value: NaN is no value"],
            vec!["the metric queue of namespaces shop has no value: NaN is no value"],
        ),
    ] {
        let (evaluator, client) = mk_with(fields).await;
        answer(&client, &[(&[("pod", "web-0")], 5.0)]);
        assert_eq!(all_pods(&evaluator).await, ["web-0 = 5 @ 0"]);
        assert_eq!(queue(&evaluator).await, ["{pod=web-0} = 5 @ 0"]);
        answer(&client, &[(&[("pod", "web-0")], f64::NAN)]);
        assert_eq!(all_pods(&evaluator).await, objects, "{fields}");
        assert_eq!(queue(&evaluator).await, external, "{fields}");
        answer(&client, &[(&[("pod", "web-0")], f64::INFINITY)]);
        assert_eq!(all_pods(&evaluator).await, [""; 0], "{fields}");
        assert_eq!(queue(&evaluator).await, [""; 0], "{fields}");
    }
}

/// As after a change of the rules file: the memory is the same, the rules are not.
#[tokio::test(start_paused = true)]
async fn a_rule_that_has_changed_serves_no_values_of_the_one_before() {
    let (mut before, client) = mk_with("onNaN: {last: 5m}").await;
    answer(&client, &[(&[("pod", "web-0")], 5.0)]);
    assert_eq!(all_pods(&before).await, ["web-0 = 5 @ 0"]);
    assert_eq!(queue(&before).await, ["{pod=web-0} = 5 @ 0"]);
    let mut memory = std::mem::take(&mut before.memory);
    for (fields, objects, external) in [
        ("onNaN: {last: 6m}", vec![], vec![]),
        (
            "onNaN: {last: 5m}",
            vec!["web-0 = 5 @ 0"],
            vec!["{pod=web-0} = 5 @ 0"],
        ),
    ] {
        let (mut after, client) = mk_with(fields).await;
        after.memory = memory;
        answer(&client, &[(&[("pod", "web-0")], f64::NAN)]);
        assert_eq!(all_pods(&after).await, objects, "{fields}");
        assert_eq!(queue(&after).await, external, "{fields}");
        memory = after.memory;
    }
}

#[tokio::test(start_paused = true)]
async fn an_external_metric_without_a_result_gets_what_the_rule_says() {
    for (fields, expected) in [
        ("onMissing: omit", vec![]),
        ("onMissing: zero", vec!["{} = 0 @ present"]),
        ("onMissing: {value: -1500m}", vec!["{} = -1500m @ present"]),
        (
            "onMissing: {last: 100y}",
            vec!["{queue=a} = 5 @ 0", "{queue=b} = 7 @ 0"],
        ),
        ("onMissing: {last: 1m}", vec![]),
        (
            "onMissing: error",
            vec!["the server could not find the metric queue for namespaces shop"],
        ),
    ] {
        let (evaluator, client) = mk_with(fields).await;
        answer(
            &client,
            &[(&[("queue", "a")], 5.0), (&[("queue", "b")], 7.0)],
        );
        assert_eq!(queue(&evaluator).await.len(), 2, "{fields}");
        answer(&client, &[]);
        assert_eq!(queue(&evaluator).await, expected, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_an_error_where_the_rule_says_so() {
    let (evaluator, client) = mk_with("maxAge: 1m, onMissing: error").await;
    answer(
        &client,
        &[(&[("pod", "web-0")], 5.0), (&[("pod", "web-1")], 7.0)],
    );
    ages(&client, &[("web-0", 20.0), ("web-1", 61.0)]);
    assert_eq!(
        all_pods(&evaluator).await,
        [
            "the metric ops of pods web-1 has no value: the newest sample is older than maxAge, or \
          its age is unknown"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn aliases_stand_for_values_that_no_selector_carries() {
    let (evaluator, client) = mk_with(
        "maxAge: 1m, selectorValues: [{label: path, values: {api: '/api.v1#eu'}, replace: [{from: \
         __, to: /}]}]",
    )
    .await;
    let mut query = mk_query("pods", Some("shop"), Target::Name("web-0".into()));
    query.metric_selector = Selector::parse("path in (api,a__b),path!=api").unwrap();
    assert!(evaluator.custom(query).await.is_err());
    let asked = client.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    for query in asked {
        let matchers = "path=~\"/api[.]v1#eu|a/b\",path!=\"/api.v1#eu\",namespace=\"shop\"";
        assert!(query.contains(matchers), "{query}");
    }
}
