use proptest::prelude::*;

use super::*;
use crate::config::{GroupResourceName, NameMapping, SeriesFilter};
use crate::model::{GroupResource, Selector};

fn mk_resource(group: &str, plural: &str, singular: &str, namespaced: bool) -> ResourceType {
    ResourceType {
        id: GroupResource::new(group, plural),
        version: "v1".into(),
        kind: singular.into(),
        singular: singular.into(),
        namespaced,
    }
}

fn resolve(group: &str, resource: &str) -> Option<ResourceType> {
    [
        mk_resource("", "pods", "pod", true),
        mk_resource("", "namespaces", "namespace", false),
        mk_resource("", "nodes", "node", false),
        mk_resource("apps", "deployments", "deployment", true),
    ]
    .into_iter()
    .find(|r| {
        (*r.singular == *resource || *r.id.resource == *resource)
            && (group.is_empty() || r.id.group.starts_with(group))
    })
}

fn mk_rule(overrides: &[(&str, &str)]) -> DiscoveryRule {
    let mut rule = DiscoveryRule {
        series_query: "up".to_owned(),
        metrics_query: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)".to_owned(),
        ..DiscoveryRule::default()
    };
    for (label, resource) in overrides {
        let name = GroupResourceName {
            group: String::new(),
            resource: (*resource).to_owned(),
        };
        rule.resources.overrides.insert((*label).to_owned(), name);
    }
    rule
}

fn compiled(rule: &DiscoveryRule) -> Rule {
    Rule::compile("rules[0]", rule).unwrap()
}

fn query(
    rule: &Rule,
    resource: &str,
    namespace: Option<&str>,
    selector: &str,
    names: &[&str],
) -> Result<String, QueryError> {
    let names: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
    let association = rule.labels().associate(&resolve)?;
    let scope = QueryScope {
        series: "ops",
        label: &association.label(&resolve("", resource).unwrap())?,
        namespace,
        metric_selector: &Selector::parse(selector).unwrap(),
        objects: Objects::Named(&names),
    };
    rule.query(&association, &scope)
}

/// The queries about two namespaces, of a rule and of its newest samples' times.
fn together(
    rule: &DiscoveryRule,
    resource: &str,
    namespace: Option<&str>,
) -> (Option<String>, Option<String>) {
    let rule = compiled(rule);
    let association = rule.labels().associate(&resolve).unwrap();
    let scope = QueryScope {
        series: "ops",
        label: &association.label(&resolve("", resource).unwrap()).unwrap(),
        namespace,
        metric_selector: &Selector::parse("verb=GET").unwrap(),
        objects: Objects::All,
    };
    let about = |joint: JointQuery| {
        assert_eq!(joint.label(), "ns");
        joint.about(&["shop", "bank"].map(Arc::from))
    };
    let values = rule.joint_query(&association, &scope).unwrap();
    let ages = rule.joint_age_query(&association, &scope).unwrap();
    (values.map(about), ages.map(about))
}

#[test]
fn namespaces_are_asked_about_together_where_the_template_allows_it() {
    let rule = mk_rule(&[("kubernetes_pod", "pod"), ("ns", "namespace")]);
    let of = |template: &str| DiscoveryRule {
        metrics_query: template.to_owned(),
        max_age: Some(std::time::Duration::from_secs(60)),
        ..rule.clone()
    };
    let matchers = "verb=\"GET\",ns=~\"shop|bank\"";
    let values = format!("sum(ops{{{matchers},kubernetes_pod!=\"\"}}) by (kubernetes_pod,ns)");
    let ages = format!("max by (kubernetes_pod,ns) (timestamp(ops{{{matchers}}}))");
    assert_eq!(
        together(&of(&rule.metrics_query), "pods", Some("bank")),
        (Some(values.clone()), Some(ages.clone()))
    );
    assert_eq!(
        together(&rule, "pods", Some("bank")),
        (Some(values), None),
        "without maxAge"
    );
    for template in [
        "sum(<<.Series>>{<<.LabelMatchers>>}) by (kubernetes_pod)",
        "sum(<<.Series>>{ns=\"<<.LabelValuesByName.ns>>\"}) by (<<.GroupBy>>)",
        "<<if .LabelMatchers>>sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)<<end>>",
        "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<index .GroupBySlice 0>>)",
        "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<if .GroupBy>><<.GroupBy>><<end>>)",
    ] {
        let together = together(&of(template), "pods", Some("bank"));
        assert_eq!(together, (None, Some(ages.clone())), "{template}");
    }
    // There is nothing to tell apart.
    let template = of(&rule.metrics_query);
    assert_eq!(together(&template, "pods", None), (None, None));
    assert_eq!(
        together(&template, "namespaces", Some("bank")),
        (None, None)
    );
}

#[test]
fn writes_prometheus_adapters_queries() {
    let rule = compiled(&mk_rule(&[("kubernetes_pod", "pod"), ("ns", "namespace")]));
    assert_eq!(
        query(
            &rule,
            "pods",
            Some("shop"),
            "zone=b,code in (2xx,3xx),!canary",
            &["web-0"]
        )
        .unwrap(),
        "sum(ops{canary=\"\",code=~\"2xx|3xx\",zone=\"b\",ns=\"shop\",kubernetes_pod=\"web-0\"}) \
         by (kubernetes_pod)"
    );
    assert_eq!(
        query(&rule, "pods", Some("shop"), "", &["a.b", "c"]).unwrap(),
        "sum(ops{ns=\"shop\",kubernetes_pod=~\"a[.]b|c\"}) by (kubernetes_pod)"
    );
    assert_eq!(
        query(&rule, "namespaces", None, "", &["shop"]).unwrap(),
        "sum(ops{ns=\"shop\"}) by (ns)"
    );
}

#[test]
fn long_lists_of_pods_make_short_queries() {
    let rule = compiled(&mk_rule(&[("pod", "pod"), ("namespace", "namespace")]));
    let names: Vec<String> = (0..1000_u32)
        .map(|n| {
            format!(
                "checkout-frontend-7d9f8c6b5-{:05x}",
                n.wrapping_mul(65_537) % 0xf_ffff
            )
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plain: usize = names.iter().map(|name| name.len() + 1).sum();
    let text = query(&rule, "pods", Some("shop"), "", &names).unwrap();
    assert!(
        text.contains("pod=~\"checkout-frontend-7d9f8c6b5-(?:"),
        "{text}"
    );
    assert!(
        plain > 32_000 && text.len() < 8000,
        "{} of {plain}",
        text.len()
    );
}

#[test]
fn the_template_serves_both_directions() {
    let mut source = mk_rule(&[]);
    source.resources.template = "kube_<<.Resource>>".to_owned();
    let rule = compiled(&source);
    let association = rule.labels().associate(&resolve).unwrap();
    let (resources, namespaced) =
        association.resources(["kube_pod", "kube_namespace", "kube_teapot"].into_iter());
    let names: Vec<String> = resources.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(
        (names, namespaced),
        (vec!["namespaces".to_owned(), "pods".to_owned()], true)
    );
    assert_eq!(
        query(&rule, "deployments", Some("shop"), "", &["web"]).unwrap(),
        "sum(ops{kube_namespace=\"shop\",kube_deployment=\"web\"}) by (kube_deployment)"
    );
}

#[test]
fn a_label_template_may_name_the_resource_twice() {
    let mut source = mk_rule(&[]);
    source.resources.template = "<<.Resource>>_of_<<.Resource>>".to_owned();
    let rule = compiled(&source);
    let association = rule.labels().associate(&resolve).unwrap();
    let (resources, _) = association.resources(["x_of_pod", "pod_of_teapot"].into_iter());
    // The last one counts, as in prometheus-adapter.
    let names: Vec<String> = resources.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(names, ["pods"]);
    assert_eq!(
        query(&rule, "deployments", None, "", &["web"]).unwrap(),
        "sum(ops{deployment_of_deployment=\"web\"}) by (deployment_of_deployment)"
    );
}

#[test]
fn groups_are_found_through_a_prefix() {
    let mut source = mk_rule(&[]);
    source.resources.template = "k_<<.Group>>_<<.Resource>>".to_owned();
    let rule = compiled(&source);
    let association = rule.labels().associate(&resolve).unwrap();
    let (resources, _) = association.resources(["k_apps_deployment", "k__pod"].into_iter());
    // Core resources never resolve: `.+?` needs a character.
    assert_eq!(resources.len(), 1);
    assert_eq!(
        association.label(resources.first().unwrap()).unwrap(),
        "k_apps_deployment"
    );
}

#[test]
fn only_root_labels_make_a_metric_cluster_scoped() {
    let rule = compiled(&mk_rule(&[("node", "nodes"), ("ns", "namespace")]));
    let association = rule.labels().associate(&resolve).unwrap();
    assert!(!association.resources(["node", "ns"].into_iter()).1);
    assert!(association.resources(["node", "job"].into_iter()).1);
}

#[test]
fn an_unknown_override_is_named() {
    let rule = compiled(&mk_rule(&[("x", "teapot")]));
    assert_eq!(
        rule.labels().associate(&resolve).unwrap_err().to_string(),
        "resources.overrides[\"x\"]: the cluster has no resource \"/teapot\""
    );
}

#[test]
fn a_resource_without_a_label_is_named() {
    let rule = compiled(&mk_rule(&[("ns", "namespace")]));
    assert_eq!(
        query(&rule, "pods", Some("a"), "", &["x"])
            .unwrap_err()
            .to_string(),
        "no label is associated with pods"
    );
}

#[test]
fn names_follow_go_expand() {
    let cases = [
        ("", "", "http_requests_total", Some("http_requests_total")),
        (
            "^http_(.*)_total$",
            "",
            "http_requests_total",
            Some("requests"),
        ),
        (
            "^(.*)_total$",
            "${1}_per_second",
            "http_requests_total",
            Some("http_requests_per_second"),
        ),
        ("^(.*)_total$", "$1_per_second", "http_requests_total", None),
        ("(?P<n>req)", "${n}s", "http_requests_total", Some("reqs")),
        ("^(.*)_total$", "", "up", None),
    ];
    for (matches, r#as, series, expected) in cases {
        let mut rule = mk_rule(&[]);
        rule.name = NameMapping {
            matches: matches.to_owned(),
            r#as: r#as.to_owned(),
        };
        assert_eq!(
            compiled(&rule).metric_name(series).as_deref(),
            expected,
            "{matches} {as}"
        );
    }
}

#[test]
fn filters_are_unanchored_and_all_must_pass() {
    let mut source = mk_rule(&[]);
    source.series_filters = vec![
        SeriesFilter {
            is: "http".to_owned(),
            is_not: String::new(),
        },
        SeriesFilter {
            is: String::new(),
            is_not: "_bucket$".to_owned(),
        },
    ];
    let rule = compiled(&source);
    assert!(rule.metric_name("my_http_total").is_some());
    assert!(rule.metric_name("my_http_bucket").is_none());
    assert!(rule.metric_name("grpc_total").is_none());
}

#[test]
fn every_refusal_names_the_field() {
    let change = |edit: &dyn Fn(&mut DiscoveryRule)| {
        let mut rule = mk_rule(&[]);
        edit(&mut rule);
        Rule::compile("rules[3]", &rule).unwrap_err().to_string()
    };
    let cases = [
        (
            change(&|r| r.series_query.clear()),
            "rules[3].seriesQuery must not be empty",
        ),
        (
            change(&|r| r.metrics_query.clear()),
            "rules[3].metricsQuery must not be empty",
        ),
        (
            change(&|r| r.metrics_query = "<<.Foo>>".to_owned()),
            "rules[3].metricsQuery: template, character 3: there is no field .Foo; there are \
             .Series, .LabelMatchers, .LabelValuesByName, .GroupBy, .GroupBySlice",
        ),
        (
            change(&|r| r.resources.template = "x<<.Group>>".to_owned()),
            "rules[3].resources.template: must use at least `<<.Resource>>`",
        ),
        (
            change(&|r| r.resources.template = "x<<if false>><<.Resource>><<end>>".to_owned()),
            "rules[3].resources.template: must use at least `<<.Resource>>`",
        ),
        (
            change(&|r| r.name.matches = "(".to_owned()),
            "rules[3].name.matches: invalid regular expression \"(\": unclosed group",
        ),
        (
            change(&|r| r.name.matches = "(a)(b)".to_owned()),
            "rules[3].name.as: must be given when `matches` has more than one capture group",
        ),
        (
            change(&|r| r.series_filters = vec![SeriesFilter::default()]),
            "rules[3].seriesFilters: filter 0 must have either an `is` or an `isNot`",
        ),
        (
            change(&|r| {
                r.series_filters = vec![SeriesFilter {
                    is: "a".to_owned(),
                    is_not: "b".to_owned(),
                }];
            }),
            "rules[3].seriesFilters: filter 0 cannot have both `is` and `isNot`",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn external_queries_group_by_nothing() {
    let selector = Selector::parse("queue=a,zone!=b").unwrap();
    let query = |rule: &DiscoveryRule| {
        let scope = ExternalScope {
            series: "queue",
            namespace: Some("shop"),
            selector: &selector,
        };
        let rule = compiled(rule);
        rule.external_query(&rule.labels().associate(&resolve)?, &scope)
    };
    let mut rule = mk_rule(&[("ns", "namespace")]);
    assert_eq!(
        query(&rule).unwrap(),
        "sum(queue{queue=\"a\",zone!=\"b\",ns=\"shop\"}) by ()"
    );
    rule.resources.namespaced = Some(false);
    assert_eq!(
        query(&rule).unwrap(),
        "sum(queue{queue=\"a\",zone!=\"b\"}) by ()"
    );
    let error = query(&mk_rule(&[])).unwrap_err();
    assert_eq!(error.to_string(), "no label is associated with namespaces");
}

#[test]
fn a_file_has_three_lists() {
    let file = RuleFile::parse(
        "rules: [{seriesQuery: a, metricsQuery: x}]\nexternalRules: [{seriesQuery: b, \
         metricsQuery: x}, {seriesQuery: c, metricsQuery: x}]\nresourceRules: {}\n",
    )
    .unwrap();
    let rules = compile(&file).unwrap();
    let ids: Vec<&str> = rules.discovered().map(|rule| rule.id().as_ref()).collect();
    assert_eq!(ids, ["rules[0]", "externalRules[0]", "externalRules[1]"]);
    assert_eq!((rules.custom.len(), rules.external.len()), (1, 2));
    assert_eq!(rules.resource.unwrap().missing_queries().len(), 4);
    let empty = compile(&RuleFile::default()).unwrap();
    assert!(empty.discovered().next().is_none() && empty.resource.is_none());

    let file = RuleFile::parse("externalRules: [{seriesQuery: b}]").unwrap();
    assert_eq!(
        compile(&file).unwrap_err().to_string(),
        "externalRules[0].metricsQuery must not be empty"
    );
}

#[test]
fn what_promql_cannot_express_is_the_requests_fault() {
    let rule = compiled(&mk_rule(&[("pod", "pod"), ("namespace", "namespace")]));
    for selector in ["a>1", "a<1", "a.b=c", "x/y=z", "a-b"] {
        let error = query(&rule, "pods", Some("d"), selector, &["p"]).unwrap_err();
        assert!(
            matches!(error, QueryError::Selector(_)),
            "{selector}: {error}"
        );
    }
}

/// Every query that some rule renders, whatever a request asks for.
fn every_query(
    rules: &RuleSet,
    namespace: &str,
    names: &[Arc<str>],
    selector: &Selector,
) -> Vec<String> {
    let (pods, nodes) = (resolve("", "pods").unwrap(), resolve("", "nodes").unwrap());
    let mut queries = Vec::new();
    for rule in &rules.custom {
        let association = rule.labels().associate(&resolve).unwrap();
        for (resource, namespace) in [(&pods, Some(namespace)), (&nodes, None)] {
            let scope = QueryScope {
                series: "ops:rate5m",
                label: &association.label(resource).unwrap(),
                namespace,
                metric_selector: selector,
                objects: Objects::Named(names),
            };
            queries.push(rule.query(&association, &scope).unwrap());
        }
    }
    for rule in &rules.external {
        let association = rule.labels().associate(&resolve).unwrap();
        let scope = ExternalScope {
            series: "ops",
            namespace: Some(namespace),
            selector,
        };
        queries.push(rule.external_query(&association, &scope).unwrap());
    }
    let usage = rules.resource.as_ref().unwrap();
    for rule in [&usage.cpu, &usage.memory] {
        let association = rule.labels().associate(&resolve).unwrap();
        for (consumer, resource, namespace) in [
            (crate::model::Consumer::Pod, &pods, Some(namespace)),
            (crate::model::Consumer::Node, &nodes, None),
        ] {
            let scope = UsageScope {
                consumer,
                label: &association.label(resource).unwrap(),
                namespace,
                objects: Objects::Named(names),
            };
            queries.extend(rule.query(&association, &scope).unwrap());
        }
    }
    queries
}

/// Templates that put the request's texts wherever they may stand.
const EVERY_TEMPLATE: &str = r#"
rules:
- seriesQuery: ops
  resources: &resources {template: "k8s_<<.Resource>>", overrides: {instance: {resource: node}}}
  metricsQuery: "sum(rate(<<.Series>>{<<.LabelMatchers>>,x!=''}[5m])) by (<<.GroupBy>>)"
- {seriesQuery: ops, resources: *resources, metricsQuery: '<<.Series>>{<<range $k, $v := .LabelValuesByName>><<$k>>=<<printf "%q" $v>>,<<end>>}'}
externalRules:
- {seriesQuery: ops, resources: *resources, metricsQuery: "max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}
- {seriesQuery: ops, resources: {namespaced: false}, metricsQuery: "<<.Series>>{<<.LabelMatchers>>}"}
resourceRules:
  cpu: &rule
    containerQuery: "sum by (<<.GroupBy>>) (rate(cpu{<<.LabelMatchers>>,container!=''}[1m]))"
    nodeQuery: "sum by (<<.GroupBy>>) (cpu{<<.LabelMatchers>>})"
    resources: *resources
    containerLabel: container
  memory: *rule
  window: 1m
"#;

static EVERY_RULE: std::sync::LazyLock<RuleSet> =
    std::sync::LazyLock::new(|| compile(&RuleFile::parse(EVERY_TEMPLATE).unwrap()).unwrap());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever a request asks for, every query parses; in it there are the matchers that were
    /// meant, and no others. (Characters that are not printable are left to the golden vectors:
    /// this parser does not know Go's `\U`.)
    #[test]
    fn every_query_is_promql(
        namespace in "[ -~é☃😀\n\t\r]{1,12}",
        names in proptest::collection::vec("[ -~é☃😀\n\t\r]{1,12}|[-.+|\"'\\\\`\n{}<>$%]{1,6}", 1..4),
        key in "[a-z_]{1,3}",
        values in proptest::collection::vec("[a-zA-Z0-9]([-._a-zA-Z0-9]{0,5}[a-zA-Z0-9])?", 1..3),
        operator in proptest::sample::select(&["=", "!=", " in ", " notin ", "", "!"][..]),
    ) {
        let selector = match operator {
            "" => key,
            "!" => format!("!{key}"),
            "=" | "!=" => format!("{key}{operator}{}", values[0]),
            _ => format!("{key}{operator}({})", values.join(",")),
        };
        let names: Vec<Arc<str>> = names.iter().map(|name| name.as_str().into()).collect();
        let selector = Selector::parse(&selector);
        prop_assume!(selector.is_ok());
        let queries = every_query(&EVERY_RULE, &namespace, &names, &selector.unwrap());
        prop_assert_eq!(queries.len(), 10);
        for query in &queries {
            let parsed = promql_parser::parser::parse(query);
            prop_assert!(parsed.is_ok(), "{query}: {parsed:?}");
        }
        let Ok(promql_parser::parser::Expr::Aggregate(sum)) = promql_parser::parser::parse(&queries[0])
        else { panic!("{}", queries[0]) };
        let promql_parser::parser::Expr::Call(rate) = *sum.expr else { panic!("{}", queries[0]) };
        let promql_parser::parser::Expr::MatrixSelector(matrix) = *rate.args.args[0].clone()
        else { panic!("{}", queries[0]) };
        let matchers = matrix.vs.matchers.matchers;
        prop_assert_eq!(matchers.len(), 4, "{:?}", matchers);
        let of = |label: &str| matchers.iter().find(|matcher| matcher.name == label);
        // The parser leaves escapes as they are.
        let found = format!("\"{}\"", of("k8s_namespace").unwrap().value);
        prop_assert_eq!(found, template::quote::string(&namespace, false));
    }

    /// Whatever objects are called, the query parses, and it asks for exactly those names.
    #[test]
    fn hostile_names_stay_literal(
        names in proptest::collection::vec("[ -~é☃\n\t]{1,12}", 1..4),
    ) {
        let rule = compiled(&mk_rule(&[("pod", "pod"), ("namespace", "namespace")]));
        let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = query(&rule, "pods", Some("d"), "", &borrowed).unwrap();
        let parsed = promql_parser::parser::parse(&text);
        prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
        if names.len() > 1 {
            let pattern: Vec<String> = names.iter().map(|n| alternation::escape(n)).collect();
            let regex = regex::Regex::new(&format!("^(?:{})$", pattern.join("|"))).unwrap();
            for name in &names {
                prop_assert!(regex.is_match(name), "{name:?} is not matched by {regex}");
            }
            prop_assert!(!regex.is_match("neither"));
        }
    }
}
