//! A question about all objects says the same about each of them as questions about some, and one
//! about several namespaces the same about each as its own: random rules, requests and series, before
//! a real Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::config::RuleFile;
use metrics_adapter::model::{ObjectSource, QueryValue, Selector};
use metrics_adapter::prometheus::{Client, Credentials, Metrics, Options, QueryClient, Verb};
use metrics_adapter::rules::{self, Objects, QueryScope, RuleSet};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::cluster::Cluster;
use super::prometheus::Prometheus;

/// Rules that are proven separable and asked both ways.
const RULES: usize = 1500;

/// Likewise of several namespaces; in one of them there is nothing.
const JOINT_RULES: usize = 1500;
const NAMESPACES: [&str; 3] = ["bank", "shop", "nowhere"];

/// Series of five pods in two namespaces, on two nodes, some with several containers or modes; some
/// without a pod, and limits that no request chooses.
const SERIES: &str = r#"
a{namespace="shop",pod="web-0",node="n0",mode="r"} 1
a{namespace="shop",pod="web-0",node="n0",mode="w"} 2
a{namespace="shop",pod="web-1",node="n1",mode="r"} 3
a{namespace="shop",pod="web-2",node="n1",mode="w"} 5
a{namespace="shop",node="n1",mode="r"} 8
a{namespace="shop",node="n0",mode="r"} 4
a{namespace="shop",mode="w"} 3
a{namespace="bank",pod="web-0",node="n0",mode="r"} 13
a{namespace="bank",pod="web-0"} 6
a{namespace="bank",pod="web-1",node="n1",mode="w"} 7
a{namespace="shop",pod="web-1"} 9
b{namespace="shop",pod="web-0",node="n0",mode="r"} 21
b{namespace="shop",pod="web-1",node="n1",mode="r"} 0
b{namespace="shop",pod="web-3",node="n0",mode="w"} 34
b{namespace="shop",node="n1",mode="r"} 55
b{namespace="shop",node="n0",mode="r"} 89
b{namespace="bank",pod="web-0"} 11
b{namespace="bank",pod="web-0",node="n0",mode="r"} 17
b{namespace="bank",mode="w"} 19
limit{namespace="shop",pod="web-0",node="n0",mode="r"} 2
limit{namespace="shop",pod="web-1",node="n1",mode="r"} 4
limit{pod="web-2"} 6
h_bucket{namespace="shop",pod="web-0",le="1"} 5
h_bucket{namespace="shop",pod="web-0",le="2"} 9
h_bucket{namespace="shop",pod="web-0",le="+Inf"} 10
h_bucket{namespace="shop",pod="web-1",le="1"} 1
h_bucket{namespace="shop",pod="web-1",le="+Inf"} 2
h_bucket{namespace="shop",mode="r",le="1"} 3
h_bucket{namespace="shop",mode="w",le="+Inf"} 4
"#;

/// A template for `metricsQuery`.
fn template() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => prop::sample::select(&[
            "a{<<.LabelMatchers>>}",
            "b{<<.LabelMatchers>>}",
            "a{mode=\"r\",<<.LabelMatchers>>}",
            "{__name__=~\"a|b\",<<.LabelMatchers>>}",
            "max_over_time(a{<<.LabelMatchers>>}[3s])",
            "rate(b{<<.LabelMatchers>>}[3s])",
            "histogram_quantile(0.5, h_bucket{<<.LabelMatchers>>})",
        ][..]),
        2 => prop::sample::select(&["limit", "scalar(sum(limit))", "vector(1)", "2"][..]),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 8, 2, |inner| {
        let grouping = prop::sample::select(
            &[
                "by (<<.GroupBy>>)",
                "by (<<.GroupBy>>, mode)",
                "by (<<.GroupBy>>, namespace)",
                "by (mode)",
                "without (mode)",
                "without (pod)",
                "",
            ][..],
        );
        let aggregation = prop::sample::select(
            &[
                "sum @ (",
                "avg @ (",
                "max @ (",
                "count @ (",
                "group @ (",
                "stddev @ (",
                "topk @ (1, ",
                "bottomk @ (2, ",
                "quantile @ (0.5, ",
                "count_values @ (\"v\", ",
                "count_values @ (\"pod\", ",
            ][..],
        );
        let function = prop::sample::select(
            &[
                "abs(@)",
                "-@",
                "(@)",
                "clamp_max(@, 3)",
                "sort(@)",
                "absent(@)",
                "scalar(@)",
                "vector(scalar(@))",
                "max_over_time((@)[2s:500ms])",
                "label_replace(@, \"short\", \"$1\", \"mode\", \"(.*)\")",
                "label_replace(@, \"pod\", \"$1\", \"mode\", \"(.*)\")",
                "label_join(@, \"mode\", \"-\", \"pod\")",
                "label_join(@, \"mode\", \"-\", \"namespace\")",
                "label_replace(@, \"mode\", \"$1\", \"namespace\", \"(.+)\")",
            ][..],
        );
        let operator = prop::sample::select(
            &[
                "+", "-", "*", "/", "==", "> bool", "<", "and", "or", "unless",
            ][..],
        );
        let matching = prop::sample::select(
            &[
                "",
                "on (<<.GroupBy>>)",
                "on (<<.GroupBy>>, mode)",
                "on (<<.GroupBy>>, namespace)",
                "on (mode)",
                "on ()",
                "ignoring (mode)",
                "ignoring (pod)",
                "on (<<.GroupBy>>) group_left",
                "on (<<.GroupBy>>) group_right (mode)",
            ][..],
        );
        prop_oneof![
            (aggregation, grouping, inner.clone())
                .prop_map(|(operator, grouping, of)| operator.replace('@', grouping) + &of + ")"),
            (function, inner.clone()).prop_map(|(function, of)| function.replace('@', &of)),
            (inner.clone(), operator, matching, inner).prop_map(
                |(left, operator, matching, right)| format!("{left} {operator} {matching} {right}")
            ),
        ]
    })
}

/// A request: the kind, the namespace, the metric selector and names.
fn request() -> impl Strategy<
    Value = (
        &'static str,
        Option<&'static str>,
        &'static str,
        Vec<String>,
    ),
> {
    let pods = (
        Just("pods"),
        Just(Some("shop")),
        prop::sample::select(&["", "mode=r", "mode!=r", "pod=web-1"][..]),
        prop::collection::vec("web-[0-4]", 1..4),
    );
    let nodes = (
        Just("nodes"),
        Just(None),
        prop::sample::select(&["", "mode in (r)"][..]),
        prop::collection::vec("n[0-2]", 1..3),
    );
    prop_oneof![4 => pods, 1 => nodes]
}

/// What an answer says of each of the objects. The same query twice may tell several elements of
/// one object in different orders (subqueries come out of a Go map), and sums are as exact as their
/// order lets them be.
fn told(answer: &QueryValue, label: &str, names: &[Arc<str>]) -> BTreeMap<String, Vec<String>> {
    let QueryValue::Vector(samples) = answer else {
        panic!("{answer:?} is no vector")
    };
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sample in samples {
        let Some(name) = sample.labels.get(label).filter(|name| names.contains(name)) else {
            continue;
        };
        let element = format!("{:?} {:.9}", sample.labels, sample.value);
        told.entry(name.to_string()).or_default().push(element);
    }
    told.values_mut().for_each(|elements| elements.sort());
    told
}

/// A real Prometheus with [`SERIES`], and a client of it.
async fn mk_client() -> (Prometheus, Client) {
    let series: Vec<(&str, &str)> = SERIES
        .trim()
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect();
    let prometheus = Prometheus::start(&series).await;
    let options = Options {
        url: prometheus.url().parse().unwrap(),
        verb: Verb::Post,
        headers: Vec::new(),
        credentials: Credentials::default(),
        timeout: Duration::from_secs(10),
        concurrency: 4,
        max_body: 1 << 20,
        max_query_length: 0,
    };
    let client = Client::new(options, Metrics::register(&mut Registry::default())).unwrap();
    (prometheus, client)
}

/// A rule with such a `metricsQuery`.
fn mk_rules(query: &str) -> RuleSet {
    let file = serde_json::json!({"rules": [{
        "seriesQuery": "a",
        "metricsQuery": query,
        "resources": {"template": "<<.Resource>>"},
    }]});
    rules::compile(&RuleFile::parse(&file.to_string()).unwrap()).unwrap()
}

#[tokio::test]
async fn all_objects_at_once_or_some_alone_is_the_same_where_it_is_proven() {
    let (_prometheus, client) = mk_client().await;
    let cluster = Cluster(&[]);
    let resolve = |group: &str, name: &str| cluster.resolve(group, name);

    let mut runner = TestRunner::deterministic();
    let (mut same, mut proven, mut refused, mut told_something) = (0, 0, 0, 0);
    let mut with_strangers = 0;
    for attempt in 0.. {
        assert!(
            attempt < 40 * RULES,
            "only {proven} of {attempt} rules are separable"
        );
        if proven == RULES {
            break;
        }
        let query = template().new_tree(&mut runner).unwrap().current();
        let (kind, namespace, selector, names) = request().new_tree(&mut runner).unwrap().current();
        let names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
        let selector = Selector::parse(selector).unwrap();
        let set = mk_rules(&query);
        let rule = &set.custom[0];
        let association = rule.labels().associate(&resolve).unwrap();
        let resource = resolve("", kind).unwrap();
        let label = association.label(&resource).unwrap();
        let scope = |objects| QueryScope {
            series: "a",
            label: &label,
            namespace,
            metric_selector: &selector,
            objects,
        };
        let shared = rule.shared_query(&association, &scope(Objects::All));
        let Some(all) = shared.unwrap() else {
            continue;
        };
        proven += 1;
        assert_eq!(
            rule.query(&association, &scope(all.objects())).unwrap(),
            all.promql
        );
        with_strangers += usize::from(all.has_strangers);
        let (has_strangers, all) = (all.has_strangers, all.promql);
        let some = rule
            .query(&association, &scope(Objects::Named(&names)))
            .unwrap();
        let answers = tokio::join!(client.query(&all), client.query(&some));
        let (Ok(all_told), some_told) = answers else {
            // Some object's series do not go together. What is asked then is `some`.
            refused += 1;
            if has_strangers {
                let known = rule.query(&association, &scope(Objects::All)).unwrap();
                let outcome = client.query(&known).await;
                assert!(outcome.is_err(), "strangers make {all} fail");
            }
            continue;
        };
        let some_told =
            some_told.unwrap_or_else(|error| panic!("{some} fails, {all} does not: {error}"));
        let (all_told, some_told) = (
            told(&all_told, &label, &names),
            told(&some_told, &label, &names),
        );
        assert_eq!(all_told, some_told, "{all}\n{some}");
        told_something += usize::from(!some_told.is_empty());
        same += 1;
    }
    assert!(
        same > RULES / 2 && told_something > RULES / 4 && with_strangers > RULES / 8,
        "{proven} proven, {refused} refused, {same} the same, {told_something} with a result, \
         {with_strangers} with strangers"
    );
}

/// What an answer says of each pod of a namespace, whose label its elements may lack.
fn told_of(answer: &QueryValue, namespace: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let QueryValue::Vector(samples) = answer else {
        panic!("{answer:?} is no vector")
    };
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sample in samples {
        let label = |name: &str| sample.labels.get(name).map_or("", AsRef::as_ref);
        let is_elsewhere = namespace.is_some_and(|namespace| label("namespace") != namespace);
        // What has no pod is nobody's; which one of equal elements `topk` chooses is not said.
        if is_elsewhere || label("pod").is_empty() {
            continue;
        }
        let labels = ["node", "mode", "le", "v", "short"].map(|name| label(name).to_owned());
        let element = format!("{labels:?} {:.9}", sample.value);
        told.entry(label("pod").to_owned())
            .or_default()
            .push(element);
    }
    told.values_mut().for_each(|elements| elements.sort());
    told
}

#[tokio::test]
async fn several_namespaces_at_once_or_each_alone_is_the_same_where_it_is_proven() {
    let (_prometheus, client) = mk_client().await;
    let cluster = Cluster(&[]);
    let resolve = |group: &str, name: &str| cluster.resolve(group, name);
    let mut runner = TestRunner::deterministic();
    let (mut separable, mut proven, mut refused, mut told_something) = (0, 0, 0, 0);
    for attempt in 0.. {
        assert!(
            attempt < 60 * JOINT_RULES,
            "only {proven} of {attempt} rules can be asked together"
        );
        if proven == JOINT_RULES {
            break;
        }
        let query = template().new_tree(&mut runner).unwrap().current();
        let selector = prop::sample::select(&["", "mode=r", "mode!=r", "pod=web-1"][..]);
        let selector = selector.new_tree(&mut runner).unwrap().current();
        let selector = Selector::parse(selector).unwrap();
        let set = mk_rules(&query);
        let rule = &set.custom[0];
        let association = rule.labels().associate(&resolve).unwrap();
        let scope = |namespace, objects| QueryScope {
            series: "a",
            label: "pod",
            namespace: Some(namespace),
            metric_selector: &selector,
            objects,
        };
        let shared = |namespace| {
            let scope = scope(namespace, Objects::All);
            rule.shared_query(&association, &scope).unwrap()
        };
        let Some(any) = shared(NAMESPACES[0]) else {
            continue;
        };
        separable += 1;
        let about = scope(NAMESPACES[0], any.objects());
        let Some(joint) = rule.joint_query(&association, &about).unwrap() else {
            continue;
        };
        proven += 1;
        assert_eq!(joint.label(), "namespace");
        let together = joint.about(&NAMESPACES.map(Arc::from));
        let Ok(all) = client.query(&together).await else {
            // Some namespace's series do not go together. What is asked then is each alone.
            refused += 1;
            continue;
        };
        for namespace in NAMESPACES {
            let alone = shared(namespace).unwrap().promql;
            let one = client.query(&alone).await;
            let one =
                one.unwrap_or_else(|error| panic!("{alone} fails, {together} does not: {error}"));
            let (one, all) = (told_of(&one, None), told_of(&all, Some(namespace)));
            assert_eq!(all, one, "{together}\n{alone}");
            told_something += usize::from(!one.is_empty());
        }
    }
    assert!(
        refused < JOINT_RULES / 2 && told_something > JOINT_RULES && proven < separable,
        "{proven} of {separable} proven, {refused} refused, {told_something} with a result"
    );
}
