//! Whole rules files against prometheus-adapter's own code: what is listed, and what is asked.
//!
//! `generate-adapter/` loads its documentation's files, the Helm chart's default rules,
//! kube-prometheus' file and one with corners, over a recorded set of series and kinds. Here the
//! same goes through the adapter's configuration, cluster, discovery and evaluation.

mod cluster;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use metrics_adapter::model::{GroupResource, ObjectSource};
use serde_json::Value;

use crate::difference::{Judge, Outcome};
use world::{Request, World};

/// `header` and `cases` of the vectors.
fn vectors() -> (Value, Vec<Value>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/adapter.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error} (make golden)", path.display()));
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = file["cases"].take() else {
        panic!("{}: no cases", path.display());
    };
    (file["header"].take(), cases)
}

fn items<'a>(case: &'a Value, field: &str) -> &'a [Value] {
    case[field].as_array().map_or(&[], Vec::as_slice)
}

/// The one query that a request makes.
fn wanted(request: &Value) -> Outcome {
    match items(request, "want") {
        [query] => Ok(query.as_str().unwrap().to_owned()),
        _ => Err(String::new()),
    }
}

/// What prometheus-adapter lists, as `pods/http_requests namespaced`.
fn listed(case: &Value) -> BTreeSet<String> {
    let custom = items(case, "custom").iter().map(|entry| {
        let text = |at: usize| entry[at].as_str().unwrap();
        let scope = match entry[2].as_bool().unwrap() {
            true => "namespaced",
            false => "root",
        };
        format!("{}/{} {scope}", text(0), text(1))
    });
    let external = items(case, "external")
        .iter()
        .map(|metric| format!("external/{}", metric.as_str().unwrap()));
    custom.chain(external).collect()
}

#[tokio::test]
async fn rules_files_list_what_they_list_in_prometheus_adapter() {
    let (header, cases) = vectors();
    let mut judge = Judge::new("adapter-list");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let world = World::new(&header, case).await;
        let Ok(world) = world else {
            assert_eq!(case["refused"], true, "{name}: {:?}", world.err());
            continue;
        };
        assert_eq!(case["refused"], Value::Null, "{name} is refused upstream");
        let (go, ours) = (listed(case), world.listed());
        let outcome = |list: &BTreeSet<String>, entry: &String| match list.contains(entry) {
            true => Ok(entry.clone()),
            false => Err(String::new()),
        };
        for entry in go.union(&ours) {
            let input = format!("{name}: {entry}");
            judge.compare(&input, &outcome(&go, entry), &outcome(&ours, entry));
        }
    }
    judge.finish();
}

#[tokio::test]
async fn requests_make_the_promql_of_prometheus_adapter() {
    let (header, cases) = vectors();
    let mut judge = Judge::new("adapter-query");
    let mut parsed = 0;
    for case in cases.iter().filter(|case| case["refused"].is_null()) {
        let name = case["name"].as_str().unwrap();
        let world = World::new(&header, case).await.unwrap();
        let mut made = Vec::new();
        for request in items(case, "requests") {
            let ours = world.custom(&Request::read(request)).await;
            made.extend(ours.clone().ok());
            judge.compare(&format!("{name}: {request}"), &wanted(request), &ours);
        }
        for request in items(case, "externalRequests") {
            let ours = world.external(&Request::read(request)).await;
            made.extend(ours.clone().ok());
            judge.compare(&format!("{name}: {request}"), &wanted(request), &ours);
        }
        for request in items(case, "usage") {
            let ours = world.usage(&Request::read(request)).await;
            let go: Vec<&str> = items(request, "want")
                .iter()
                .map(|query| query.as_str().unwrap())
                .collect();
            made.extend(ours.clone());
            let input = format!("{name}: usage {request}");
            judge.compare(&input, &Ok(go.join("\n")), &Ok(ours.join("\n")));
        }
        // The corners' templates are not all PromQL.
        for query in made.iter().filter(|_| name != "corners") {
            let result = promql_parser::parser::parse(query);
            assert!(result.is_ok(), "{name}: {query}: {result:?}");
            parsed += 1;
        }
    }
    judge.finish();
    assert!(parsed > 500, "only {parsed} queries were parsed");
}

#[tokio::test]
async fn resources_are_looked_up_as_by_its_rest_mapper() {
    let (header, _) = vectors();
    let cluster = cluster::start(&header["kinds"]).await;
    for lookup in header["lookups"].as_array().unwrap() {
        let text = |at: usize| lookup[at].as_str();
        let found = cluster.resolve(text(0).unwrap(), text(1).unwrap());
        let found = found.map(|found| found.id.to_string());
        assert_eq!(found.as_deref(), text(2), "{lookup}");
    }
}

#[tokio::test]
async fn label_values_are_quoted_as_by_go() {
    let (header, _) = vectors();
    let quoted = header["quoted"].as_array().unwrap();
    let rules = "rules:\n- seriesQuery: s\n  metricsQuery: <<.LabelMatchers>>\n  resources: \
                 {overrides: {l: {resource: node}}}\n";
    let case = serde_json::json!({"yaml": rules, "answers": {"s": [0]}});
    let header = serde_json::json!({
        "kinds": header["kinds"],
        "series": [{"__name__": "s", "l": "x"}],
    });
    let world = World::new(&header, &case).await.unwrap();
    for pair in quoted {
        let text = |at: usize| pair[at].as_str().unwrap();
        let request = Request {
            resource: GroupResource::new("", "nodes"),
            metric: "s".into(),
            namespace: None,
            selector: String::new(),
            names: vec![text(0).into()],
        };
        let query = world.custom(&request).await;
        assert_eq!(query, Ok(format!("l={}", text(1))), "{pair}");
        let parsed = promql_parser::parser::parse(&format!("s{{l={}}}", text(1)));
        assert!(parsed.is_ok(), "{pair}: {parsed:?}");
    }
}

/// Every answer of Prometheus in the vectors is one of a rule, and none is missing.
#[test]
fn the_recorded_answers_belong_to_the_rules() {
    let (_, cases) = vectors();
    assert!(cases.len() >= 10);
    for case in cases.iter().filter(|case| case["refused"].is_null()) {
        let file =
            metrics_adapter::config::RuleFile::parse(case["yaml"].as_str().unwrap()).unwrap();
        let asked: BTreeSet<&str> = file
            .rules
            .iter()
            .chain(&file.external_rules)
            .map(|rule| rule.series_query.as_str())
            .collect();
        let answers: BTreeMap<String, Value> =
            serde_json::from_value(case["answers"].clone()).unwrap_or_default();
        let answered: BTreeSet<&str> = answers.keys().map(String::as_str).collect();
        assert_eq!(asked, answered, "{}", case["name"]);
    }
}
