//! One question for all who ask for a metric of one namespace.

use super::*;

fn rules(max_staleness: &str, query: &str) -> String {
    format!(
        "rules: [{{seriesQuery: ops, maxStaleness: {max_staleness}, metricsQuery: '{query}', \
         resources: {{overrides: {{pod: {{resource: pod}}, namespace: {{resource: namespace}}}}}}}}]"
    )
}

const PER_POD: &str = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)";

fn both_pods() -> QueryValue {
    mk_samples(&[(&[("pod", "web-0")], 1.0), (&[("pod", "web-1")], 2.0)])
}

/// What two HPAs, and somebody who names a pod, are told, and what that cost.
async fn polls(rules: &str) -> (Vec<Vec<String>>, Vec<String>) {
    let (evaluator, client) = mk_evaluator_of(rules, Ok(both_pods())).await;
    let mut told = Vec::new();
    for target in [
        selected("app=web"),
        selected(""),
        Target::Name("web-1".into()),
    ] {
        let query = mk_query("pods", Some("shop"), target);
        told.push(shown(&evaluator.custom(query).await.unwrap()));
    }
    let asked = client.asked.lock().unwrap().clone();
    (told, asked)
}

#[tokio::test(start_paused = true)]
async fn one_query_answers_everybody_for_as_long_as_the_rule_allows() {
    let (told, asked) = polls(&rules("5s", PER_POD)).await;
    let both = ["Pod shop/web-0 = 1", "Pod shop/web-1 = 2"];
    assert_eq!(told, [&both[..], &both, &both[1..]]);
    assert_eq!(asked, ["sum(ops{namespace=\"shop\"}) by (pod)"]);
    // What may not be old is asked for, in prometheus-adapter's words.
    let (exact, asked) = polls(&rules("0s", PER_POD)).await;
    assert_eq!(exact, told);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(
        asked[2],
        "sum(ops{namespace=\"shop\",pod=\"web-1\"}) by (pod)"
    );
}

#[tokio::test(start_paused = true)]
async fn series_without_a_pod_are_nobodys() {
    let strangers = mk_samples(&[(&[], 5.0)]);
    let (evaluator, client) = mk_evaluator_of(&rules("5s", PER_POD), Ok(strangers)).await;
    let query = mk_query("pods", Some("shop"), selected(""));
    assert_eq!(evaluator.custom(query).await, Ok(Vec::new()));
    assert_eq!(client.asked.lock().unwrap().len(), 1);
    // Where none are expected, the rule is wrong.
    let strangers = mk_samples(&[(&[], 5.0)]);
    let (evaluator, _) = mk_evaluator_of(&rules("0s", PER_POD), Ok(strangers)).await;
    let query = mk_query("pods", Some("shop"), selected(""));
    let error = evaluator.custom(query).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::MetricNotFound { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_query_that_mixes_objects_is_asked_for_its_objects_alone() {
    let (_, asked) = polls(&rules("5s", "topk(5, <<.Series>>{<<.LabelMatchers>>})")).await;
    assert_eq!(
        asked,
        [
            "topk(5, ops{namespace=\"shop\",pod=~\"web-0|web-1\"})",
            "topk(5, ops{namespace=\"shop\",pod=\"web-1\"})",
        ]
    );
    // The names decide more than the matchers do.
    let template = "<<if .LabelValuesByName.pod>>sum(x{<<.LabelMatchers>>}) by (pod)<<end>>";
    let (_, asked) = polls(&rules("5s", template)).await;
    assert_eq!(asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_all_objects_fail_some_may_work() {
    let (evaluator, client) = mk_evaluator_of(&rules("5s", PER_POD), Ok(both_pods())).await;
    let all = "sum(ops{namespace=\"shop\"}) by (pod)";
    client.special.lock().unwrap().push((all, Err("refused")));
    let query = mk_query("pods", Some("shop"), Target::Name("web-0".into()));
    for _ in 0..2 {
        let values = evaluator.custom(query.clone()).await.unwrap();
        assert_eq!(shown(&values), ["Pod shop/web-0 = 1"]);
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    let named = "sum(ops{namespace=\"shop\",pod=\"web-0\"}) by (pod)";
    assert_eq!(*client.asked.lock().unwrap(), [all, named, named]);
    // After a while it is tried again.
    tokio::time::advance(Duration::from_secs(60)).await;
    evaluator.custom(query.clone()).await.unwrap();
    assert_eq!(client.asked.lock().unwrap().len(), 5);
    // Anything else is the answer: no second query while Prometheus has trouble.
    tokio::time::advance(Duration::from_secs(70)).await;
    client.special.lock().unwrap()[0].1 = Err("timeout");
    let error = evaluator.custom(query).await.unwrap_err();
    assert_eq!(error, ProviderError::Timeout);
    assert_eq!(client.asked.lock().unwrap().len(), 6);
}
