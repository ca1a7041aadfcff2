//! Rules files: what cannot be used is refused with its place; what is loaded writes queries.

use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::config::RuleFile;
use metrics_adapter::model::{Consumer, GroupResource, ResourceType, Selector};
use metrics_adapter::rules::{self, ExternalScope, Objects, QueryScope, Rule, RuleSet, UsageScope};
use tokio::time::Instant;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "rules-file",
    run,
    seeds,
    words: WORDS,
    cases: 1500,
};

const WORDS: &[&str] = &[
    "rules:\n",
    "externalRules:\n",
    "resourceRules:\n",
    "- ",
    "  ",
    "\n",
    ": ",
    "seriesQuery: ",
    "metricsQuery: ",
    "seriesFilters:\n",
    "is: ",
    "isNot: ",
    "name: ",
    "matches: ",
    "as: ",
    "resources: ",
    "template: ",
    "overrides: ",
    "namespaced: false\n",
    "{resource: pod}",
    "group: apps",
    "maxAge: 1m\n",
    "window: 1m\n",
    "onMissing: zero\n",
    "onMissing: {last: 5m}\n",
    "onNaN: {value: 1}\n",
    "selectorValues:\n",
    "label: a\n",
    "values: {a: b}\n",
    "replace: [{from: a, to: b}]\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "!!binary ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "#",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\u{feff}",
    "\t",
    "<<.Series>>",
    "<<.LabelMatchers>>",
    "<<.GroupBy>>",
    "<<end>>",
    "(?P<a>",
    "(",
    ")",
    "*",
    "+",
    "{1000}",
    "[[:alpha:]]",
    "\\p{L}",
    "$1",
    "${a}",
    "\\x00",
    "\u{0}",
    "é",
    "&a [*a,*a]",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("config", "yaml", 13);
    seeds.extend(seed::all(&[
        include_str!("../seeds/documentation.yaml"),
        include_str!("../seeds/extensions.yaml"),
    ]));
    seeds.push(b"\xff\xfer\x00u\x00l\x00e\x00s\x00:\x00".to_vec());
    seeds.push("[".repeat(50_000).into_bytes());
    seeds.push("a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nrules: [*b,*b,*b]\n".into());
    seeds.push(
        format!(
            "rules: [{{seriesQuery: a, metricsQuery: x, name: {{matches: \"{}\"}}}}]",
            "(a{1,99}){1,99}".repeat(9)
        )
        .into(),
    );
    seeds
}

const PATIENCE: Duration = Duration::from_secs(10);

fn run(input: &[u8]) {
    let started = Instant::now();
    match RuleFile::parse_bytes(input) {
        Err(message) => assert!(!message.trim().is_empty()),
        Ok(file) => match rules::compile(&file) {
            Err(error) => {
                let error = error.to_string();
                let lists = ["rules[", "externalRules[", "resourceRules"];
                assert!(lists.iter().any(|list| error.starts_with(list)), "{error}");
            }
            Ok(rules) => use_all(&rules),
        },
    }
    let took = started.elapsed();
    assert!(took < PATIENCE, "{took:?}");
}

/// A cluster that knows every kind.
fn resolve(group: &str, resource: &str) -> Option<ResourceType> {
    let singular = resource.trim_end_matches('s').to_owned();
    (!singular.is_empty()).then(|| ResourceType {
        id: GroupResource::new(group, format!("{singular}s")),
        version: "v1".into(),
        kind: singular.to_uppercase().into(),
        namespaced: !["namespace", "node"].contains(&singular.as_str()),
        singular: singular.into(),
    })
}

/// Queries may be refused, but never written without saying something.
fn use_all(rules: &RuleSet) {
    let selector = Selector::parse("path in (checkout,x),!y,code=2xx").unwrap();
    let names: Vec<Arc<str>> = ["web-0", "we\"b\\"].map(Into::into).into();
    for rule in rules.discovered() {
        for series in [
            "http_requests_total",
            "container_cpu_usage_seconds_total",
            "é",
            "",
        ] {
            rule.metric_name(series);
        }
        discovered(rule, &selector, &names);
    }
    let Some(resource) = &rules.resource else {
        return;
    };
    resource.missing_queries();
    for rule in [&resource.cpu, &resource.memory] {
        let Ok(association) = rule.labels().associate(&resolve) else {
            continue;
        };
        for consumer in [Consumer::Node, Consumer::Pod] {
            let scope = UsageScope {
                consumer,
                label: "pod",
                namespace: Some("shop"),
                objects: Objects::Named(&names),
            };
            if let Ok(Some(query)) = rule.query(&association, &scope) {
                assert!(!query.is_empty());
            }
        }
    }
}

fn discovered(rule: &Rule, selector: &Selector, names: &[Arc<str>]) {
    let Ok(association) = rule.labels().associate(&resolve) else {
        return;
    };
    association.resources(["pod", "namespace", "kube_apps_deployment", "é", ""].into_iter());
    let pods = resolve("", "pods").unwrap();
    if let Ok(label) = association.label(&pods) {
        let scope = |objects| QueryScope {
            series: "ops",
            label: &label,
            namespace: Some("shop"),
            metric_selector: selector,
            objects,
        };
        let all = rule.query(&association, &scope(Objects::All));
        let any = rule.query(&association, &scope(Objects::Any));
        for objects in [Objects::Named(names), Objects::All] {
            let scope = scope(objects);
            let queries = [
                rule.query(&association, &scope).map(Some),
                rule.age_query(&association, &scope),
            ];
            assert!(
                queries
                    .iter()
                    .flatten()
                    .flatten()
                    .all(|query| !query.is_empty())
            );
            // Whoever can be asked about can be judged, too.
            let shared = rule.shared_query(&association, &scope);
            assert!(shared.is_ok() || queries[0].is_err(), "{shared:?}");
            // What all share is about all objects, whoever asks.
            if let Ok(Some(shared)) = shared {
                let expected = if shared.has_strangers { &any } else { &all };
                assert_eq!(Some(&shared.promql), expected.as_ref().ok());
            }
        }
    }
    let scope = ExternalScope {
        series: "ops",
        namespace: Some("shop"),
        selector,
    };
    if let Ok(query) = rule.external_query(&association, &scope) {
        assert!(!query.is_empty());
    }
}
