use super::*;
use crate::config::RuleFile;
use crate::model::ObjectSource as _;
use crate::rules::compile;

const TEMPLATE: &str = "resources: {template: <<.Resource>>}";

fn mk_rules(query: &str, metrics_query: &str, resources: &str) -> RuleSet {
    let text = format!(
        "rules:\n- seriesQuery: '{query}'\n  {resources}\n  metricsQuery: '{metrics_query}'\n"
    );
    compile(&RuleFile::parse(&text).unwrap()).unwrap()
}

fn mk_asked(query: &str) -> Asked {
    Asked {
        request: String::new(),
        query: query.to_owned(),
        label: Some("pod".to_owned()),
        series: "a_total".to_owned(),
    }
}

fn mk_told(interval: u64) -> RuleReport {
    let rules = mk_rules("a", "b", TEMPLATE);
    RuleReport {
        scrape_interval: Some(Duration::from_secs(interval)),
        ..RuleReport::new(&rules.custom[0], false)
    }
}

fn mk_options(relist: u64, max_age: u64) -> Options {
    Options {
        config: "rules.yaml".into(),
        relist_interval: Duration::from_secs(relist),
        max_age: Duration::from_secs(max_age),
        address: None,
    }
}

#[test]
fn a_query_that_loses_its_objects_is_found_without_prometheus() {
    const SELECTED: &str = "<<.Series>>{<<.LabelMatchers>>}";
    for (query, is_lost) in [
        (
            format!("sum(rate({SELECTED}[1m])) by (<<.GroupBy>>)"),
            false,
        ),
        (format!("sum(rate({SELECTED}[1m])) by (pod)"), false),
        (format!("rate({SELECTED}[1m])"), false),
        (format!("sum(rate({SELECTED}[1m]))"), true),
        (format!("sum(rate({SELECTED}[1m])) by (namespace)"), true),
        (format!("sum({SELECTED}) / sum(other)"), true),
    ] {
        let rules = mk_rules("a", &query, TEMPLATE);
        let rule = &rules.custom[0];
        let resolve = |group: &str, name: &str| CommonKinds.resolve(group, name);
        let association = rule.labels().associate(&resolve).unwrap();
        let finding = group_by(rule, &association);
        assert_eq!(finding.is_some(), is_lost, "{query}");
        if let Some(finding) = finding {
            assert!(finding.message.contains("by (<<.GroupBy>>)"));
        }
    }
}

#[test]
fn series_queries_without_a_name_are_broad() {
    for (query, is_broad) in [
        ("a", false),
        ("{__name__=~\"^a_.*\"}", false),
        ("{namespace!=\"\",__name__!~\"^a_.*\"}", true),
        ("{__name__=~\".*\"}", true),
    ] {
        let rules = mk_rules(query, "b", TEMPLATE);
        assert_eq!(breadth(&rules.custom[0]).is_some(), is_broad, "{query}");
    }
}

#[test]
fn ranges_are_judged_by_the_scrapes_in_them() {
    for (range, severity) in [
        ("20s", Some(Severity::Error)),
        ("30s", Some(Severity::Warning)),
        ("45s", Some(Severity::Warning)),
        ("60s", None),
        ("5m", None),
    ] {
        let asked = mk_asked(&format!(
            "sum(rate(a_total{{pod=\"a\"}}[{range}])) by (pod)"
        ));
        let found = ranges(&asked, &mk_told(15)).map(|finding| finding.severity);
        assert_eq!(found, severity, "{range}");
    }
    // How far back a maximum looks is a choice.
    assert_eq!(
        ranges(&mk_asked("max_over_time(a_total[20s])"), &mk_told(15)),
        None
    );
}

#[test]
fn relists_are_judged_by_the_scrape_interval() {
    for (relist_interval, max_age, severity) in [
        (600, 600, None),
        (60, 60, None),
        (30, 30, Some(Severity::Error)),
        (30, 120, Some(Severity::Warning)),
    ] {
        let found = relist(
            &[mk_told(15), mk_told(60)],
            &mk_options(relist_interval, max_age),
        );
        assert_eq!(
            found.map(|finding| finding.severity),
            severity,
            "{relist_interval}"
        );
    }
    assert_eq!(relist(&[], &mk_options(1, 1)), None);
}

#[test]
fn flags_that_do_not_go_together_are_told_as_the_server_does() {
    let rules = mk_rules("a", "b", TEMPLATE);
    let found = flags(&rules, &mk_options(600, 60)).unwrap();
    assert!(
        found.message.starts_with("--metrics-max-age 60s must not"),
        "{found:?}"
    );
    assert_eq!(flags(&RuleSet::default(), &mk_options(600, 60)), None);
}

#[test]
fn collisions_are_told_once_for_two_rules() {
    let collision = |metric: &str, winner: &str| Collision {
        metric: metric.to_owned(),
        winner: format!("rules[1] ({winner})"),
        loser: "rules[0] (a)".to_owned(),
    };
    let hidden = [collision("pods/x", "b"), collision("namespaces/x", "b")];
    let mut rules = mk_rules("a", "b", TEMPLATE);
    let found = collisions(&hidden, &rules);
    let [found] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(found.rules, ["rules[0]", "rules[1]"]);
    assert_eq!(found.severity, Severity::Error);
    assert_eq!(
        found.message,
        "collision: rules[1] (b) hides rules[0] (a), both make pods/x (and 1 more)"
    );
    let broad = "{seriesQuery: '{a!=\"\"}', metricsQuery: b}";
    let text = format!("rules: [{broad}, {broad}]");
    rules = compile(&RuleFile::parse(&text).unwrap()).unwrap();
    let found = collisions(&hidden, &rules);
    assert_eq!(found[0].severity, Severity::Warning);
}
