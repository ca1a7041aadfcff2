use super::*;
use crate::model::FieldSelector;

/// Seconds after the time that samples have otherwise.
fn at(samples: QueryValue, seconds: i64) -> QueryValue {
    let QueryValue::Vector(mut samples) = samples else {
        return samples;
    };
    for sample in &mut samples {
        sample.timestamp += jiff::SignedDuration::from_secs(seconds);
    }
    QueryValue::Vector(samples)
}

fn set(client: &Fake, answers: Vec<(&'static str, Result<QueryValue, &'static str>)>) {
    *client.special.lock().unwrap() = answers;
}

fn list(namespace: Option<&str>, labels: &str, fields: &str) -> UsageQuery {
    UsageQuery::List {
        namespace: namespace.map(Into::into),
        labels: Selector::parse(labels).unwrap(),
        fields: FieldSelector::parse(fields).unwrap(),
    }
}

fn one(namespace: Option<&str>, name: &str) -> UsageQuery {
    UsageQuery::One {
        namespace: namespace.map(Into::into),
        name: name.into(),
    }
}

fn shown(usages: &[PodUsage]) -> Vec<String> {
    let show = |usage: &PodUsage| {
        let namespace = usage.object.namespace.as_deref().unwrap_or("-");
        let containers = usage
            .amount
            .iter()
            .map(|(name, amount)| format!("{name}: {} {}", amount.cpu, amount.memory));
        let containers = containers.collect::<Vec<_>>().join(", ");
        format!("{namespace}/{} {containers}", usage.object.name)
    };
    usages.iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn pods_are_asked_for_by_namespace_and_cut_into_containers() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[]))).await;
    set(
        &client,
        vec![
            (
                "cpu{namespace=\"shop\"",
                Ok(mk_samples(&[
                    (&[("pod", "web-0"), ("container", "app")], 0.25),
                    (&[("pod", "web-0"), ("container", "sidecar")], f64::NAN),
                    (&[("pod", "web-1"), ("container", "app")], -1.0),
                    (&[("pod", "gone"), ("container", "app")], 9.0),
                    (&[("container", "nobody")], 9.0),
                ])),
            ),
            (
                "memory{namespace=\"shop\"",
                Ok(at(
                    mk_samples(&[
                        (&[("pod", "web-0"), ("container", "app")], 1_048_576.0),
                        (&[("pod", "web-1"), ("container", "init")], 2048.5),
                    ]),
                    -2,
                )),
            ),
            (
                "cpu{namespace=\"bank\"",
                Ok(mk_samples(&[(&[("pod", "web-0")], 1.0)])),
            ),
        ],
    );
    let usages = evaluator.pods(list(None, "app=web", "")).await.unwrap();
    assert_eq!(
        shown(&usages),
        [
            "shop/web-0 app: 250m 1Mi, sidecar: 0 0",
            "shop/web-1 app: 0 0, init: 0 2048500m",
        ]
    );
    // The earliest of all samples.
    assert_eq!(usages[0].timestamp.to_string(), "2023-11-14T22:13:18Z");
    assert_eq!(usages[0].window, Duration::from_secs(60));
    assert_eq!(usages[0].object.labels.len(), 1);
    let mut asked = client.asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(
        asked,
        [
            "sum(memory{namespace=\"bank\",pod=\"web-0\"}) by (pod,container)",
            "sum(memory{namespace=\"shop\",pod=~\"web-0|web-1\"}) by (pod,container)",
            "sum(rate(cpu{namespace=\"bank\",pod=\"web-0\"}[1m])) by (pod,container)",
            "sum(rate(cpu{namespace=\"shop\",pod=~\"web-0|web-1\"}[1m])) by (pod,container)",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn selectors_and_names_narrow_what_is_asked() {
    let samples = mk_samples(&[(&[("pod", "web-0"), ("container", "app")], 1.0)]);
    let (evaluator, client) = mk_evaluator(Ok(samples)).await;
    for (query, expected, queries) in [
        (list(Some("shop"), "", "metadata.name=web-0"), 1, 2),
        (list(None, "", "metadata.namespace!=shop"), 1, 2),
        (list(Some("shop"), "app=db", ""), 0, 0),
        (list(Some("nowhere"), "", ""), 0, 0),
        (one(Some("shop"), "web-0"), 1, 2),
    ] {
        client.asked.lock().unwrap().clear();
        let usages = evaluator.pods(query.clone()).await.unwrap();
        assert_eq!(usages.len(), expected, "{query:?}");
        assert_eq!(client.asked.lock().unwrap().len(), queries, "{query:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_unknown_or_without_samples_is_not_found() {
    let (evaluator, _) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let pod = evaluator.pods(one(Some("shop"), "nosuch")).await;
    assert_eq!(pod.unwrap_err().to_string(), "pods \"nosuch\" not found");
    let pod = evaluator.pods(one(Some("shop"), "web-0")).await;
    assert_eq!(
        pod.unwrap_err().to_string(),
        "podmetrics.metrics.k8s.io \"shop/web-0\" not found"
    );
    let node = evaluator.nodes(one(None, "n1")).await.unwrap_err();
    assert_eq!(
        node.to_string(),
        "nodemetrics.metrics.k8s.io \"n1\" not found"
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_need_both_and_values_that_fit() {
    let (evaluator, client) = mk_evaluator(Ok(mk_samples(&[]))).await;
    let memory = &[
        (&[("node", "n1")][..], 3.0 * 1024.0),
        (&[("node", "n2")], f64::INFINITY),
    ];
    let cpu = &[
        (&[("node", "n1")][..], 1.5),
        (&[("node", "n1")], 7.0),
        (&[("node", "n2")], 1.0),
    ];
    set(
        &client,
        vec![
            ("cpu{", Ok(mk_samples(cpu))),
            ("memory{", Ok(mk_samples(memory))),
        ],
    );
    let usages = evaluator.nodes(list(None, "", "")).await.unwrap();
    let shown: Vec<String> = usages
        .iter()
        .map(|u| format!("{} {} {}", u.object.name, u.amount.cpu, u.amount.memory))
        .collect();
    assert_eq!(shown, ["n1 1500m 3Ki"]);
    assert_eq!(
        client.asked.lock().unwrap()[0],
        "sum(rate(cpu{node=~\"n1|n2\",id=\"/\"}[1m])) by (node)"
    );
    assert!(evaluator.nodes(one(None, "n2")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_fails_hides_no_other() {
    let samples = mk_samples(&[(&[("pod", "web-0"), ("container", "app")], 1.0)]);
    let (evaluator, client) = mk_evaluator(Ok(samples)).await;
    set(&client, vec![("namespace=\"bank\"", Err("broken"))]);
    let usages = evaluator.pods(list(None, "", "")).await.unwrap();
    assert_eq!(shown(&usages), ["shop/web-0 app: 1 1"]);
    let error = evaluator.pods(list(Some("bank"), "", "")).await;
    assert_eq!(error.unwrap_err().to_string(), "unable to fetch metrics");
    let scalar = QueryValue::Scalar {
        value: 1.0,
        timestamp: Timestamp::UNIX_EPOCH,
    };
    set(&client, vec![("cpu{", Ok(scalar))]);
    let error = evaluator.pods(list(None, "", "")).await.unwrap_err();
    assert!(matches!(error, ProviderError::Upstream { .. }), "{error:?}");
}
