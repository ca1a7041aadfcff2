//! Queries that name thousands of pods, before a real Prometheus.

use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::config::RuleFile;
use metrics_adapter::model::{ObjectSource, QueryValue, Selector};
use metrics_adapter::prometheus::{Client, Credentials, Metrics, Options, QueryClient, Verb};
use metrics_adapter::rules::{self, Objects, QueryScope};
use prometheus_client::registry::Registry;

use super::cluster::Cluster;
use super::prometheus::Prometheus;

const PODS: u32 = 10_000;

/// As a ReplicaSet names its pods.
fn pod(number: u32) -> String {
    const LETTERS: [char; 16] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't',
    ];
    // Odd, so that each number has another one.
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let suffix = (0..8).map(|place| LETTERS[(mixed >> (4 * place) & 15) as usize]);
    format!("checkout-frontend-7d9f8c6b5-{}", suffix.collect::<String>())
}

/// `topk` compares objects, so that a question about all of them would say something else.
const RULES: &str = r#"
rules:
- seriesQuery: ops
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'topk(2, <<.Series>>{<<.LabelMatchers>>})'
"#;

#[tokio::test]
async fn ten_thousand_pods_of_a_rule_that_compares_them_are_one_query() {
    let series: Vec<String> = [(0, 7), (PODS - 1, 8), (PODS / 2, 9), (PODS, 10)]
        .map(|(number, value)| format!(r#"ops{{namespace="shop",pod="{}"}} {value}"#, pod(number)))
        .into();
    let series: Vec<(&str, &str)> = series.iter().filter_map(|s| s.rsplit_once(' ')).collect();
    let prometheus = Prometheus::start(&series).await;
    let client = |max_query_length| {
        let options = Options {
            url: prometheus.url().parse().unwrap(),
            verb: Verb::Post,
            headers: Vec::new(),
            credentials: Credentials::default(),
            timeout: Duration::from_secs(20),
            concurrency: 4,
            max_body: 1 << 20,
            max_query_length,
        };
        Client::new(options, Metrics::register(&mut Registry::default())).unwrap()
    };
    let set = rules::compile(&RuleFile::parse(RULES).unwrap()).unwrap();
    let (rule, cluster) = (&set.custom[0], Cluster(&[]));
    let resolve = |group: &str, name: &str| cluster.resolve(group, name);
    let association = rule.labels().associate(&resolve).unwrap();
    let mut names: Vec<Arc<str>> = (0..PODS).map(|number| pod(number).into()).collect();
    names.sort();
    let any = Selector::EVERYTHING;
    let scope = |objects| QueryScope {
        series: "ops",
        label: "pod",
        namespace: Some("shop"),
        metric_selector: &any,
        objects,
    };
    let shared = rule.shared_query(&association, &scope(Objects::All));
    assert_eq!(shared, Ok(None));
    let query = rule.query(&association, &scope(Objects::Named(&names)));
    let query = query.unwrap();
    // Without their common beginnings the names are a third of what they were.
    let plain: usize = names.iter().map(|name| name.len() + 1).sum();
    assert!(query.len() * 3 < plain, "{} of {plain} bytes", query.len());
    let answer = client(0).query(&query).await.unwrap();
    let QueryValue::Vector(samples) = answer else {
        panic!("{answer:?}")
    };
    // The largest one is of a pod that nobody asked for.
    let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [9.0, 8.0]);
    let error = client(16_384).query(&query).await.unwrap_err();
    let expected = format!(
        "the query has {} bytes, --prometheus-max-query-length allows 16384",
        query.len()
    );
    assert_eq!(error.to_string(), expected);
}
