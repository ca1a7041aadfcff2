use std::time::Duration;

use super::*;
use crate::model::{Fallback, Quantity};

#[test]
fn reads_prometheus_adapters_format() {
    let file = RuleFile::parse(
        r#"
rules:
- seriesQuery: '{__name__=~"^container_.*",container!="POD"}'
  seriesFilters: [{is: "^container_.*"}, {isNot: "_total$"}]
  resources:
    template: "kube_<<.Group>>_<<.Resource>>"
    overrides:
      namespace: {resource: namespace}
      dep: {group: apps, resource: deployment}
  name: {matches: "^container_(.*)$", as: "${1}"}
  metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
"#,
    )
    .unwrap();
    let rule = &file.rules[0];
    assert_eq!(rule.series_filters[1].is_not, "_total$");
    assert_eq!(rule.resources.overrides["dep"].group, "apps");
    assert_eq!(rule.resources.overrides["namespace"].resource, "namespace");
    assert_eq!(rule.name.r#as, "${1}");
}

#[test]
fn null_is_empty_and_an_empty_file_has_no_rules() {
    assert_eq!(RuleFile::parse("").unwrap(), RuleFile::default());
    assert_eq!(RuleFile::parse("# nothing\n").unwrap(), RuleFile::default());
    assert_eq!(RuleFile::parse("rules:\n").unwrap(), RuleFile::default());
    let file =
        RuleFile::parse("rules: [{seriesQuery: up, name: {as: null}, seriesFilters: }]").unwrap();
    assert_eq!(file.rules[0].name.r#as, "");
}

#[test]
fn a_number_or_a_boolean_may_stand_for_a_string() {
    let file = RuleFile::parse("rules: [{seriesQuery: 5, metricsQuery: true}]").unwrap();
    assert_eq!(
        (
            file.rules[0].series_query.as_str(),
            file.rules[0].metrics_query.as_str()
        ),
        ("5", "true")
    );
}

#[test]
fn errors_name_line_and_field() {
    for (text, line, what) in [
        (
            "rules:\n- seriesQuery: up\n  seriesquery: up\n",
            "line 3",
            "seriesquery",
        ),
        (
            "rules:\n- seriesQuery: up\n  seriesQuery: up\n",
            "line 3",
            "seriesQuery",
        ),
        ("rules: 5\n", "line 1", "sequence"),
        ("rules:\n- name: {matches: [a]}\n", "line 2", "string"),
        ("rulez: []\n", "line 1", "rulez"),
        (
            "resourceRules:\n  window: 30m1h\n",
            "line 2",
            "\"30m1h\" is not a duration",
        ),
        (
            "rules:\n- resources:\n    overrides: {1: {}, '1': {}}\n",
            "line 3",
            "duplicate key \"1\"",
        ),
    ] {
        let error = RuleFile::parse(text).unwrap_err();
        let first = error.lines().next().unwrap_or_default();
        assert!(
            first.contains(line) && first.contains(what),
            "{text:?} gave {error}"
        );
    }
}

#[test]
fn reads_external_and_resource_rules() {
    let file = RuleFile::parse(
        r#"
externalRules:
- seriesQuery: queue_length
  resources: {namespaced: no}
resourceRules:
  cpu: &cpu
    containerQuery: c
    nodeQuery: n
    resources: {overrides: {node: {resource: node}, ~: {resource: pod}}}
    containerLabel: container
  memory: {<<: *cpu, nodeQuery: m}
  window: 1h30m
"#,
    )
    .unwrap();
    assert_eq!(file.external_rules[0].resources.namespaced, Some(false));
    let rules = file.resource_rules.unwrap();
    assert_eq!(rules.window.get(), Duration::from_secs(5400));
    assert_eq!(
        (
            rules.memory.container_query.as_str(),
            rules.memory.node_query.as_str(),
            rules.memory.container_label.as_str()
        ),
        ("c", "m", "container")
    );
    assert_eq!(rules.cpu.resources.overrides[""].resource, "pod");
    let empty = RuleFile::parse("resourceRules: {}").unwrap();
    assert_eq!(empty.resource_rules, Some(ResourceRules::default()));
    let null = RuleFile::parse("resourceRules:\n").unwrap();
    assert_eq!(null.resource_rules, None);
}

#[test]
fn reads_our_own_fields() {
    let file = RuleFile::parse(
        r#"
rules:
- seriesQuery: up
  maxAge: 2m
  maxStaleness: 10s
  window: 1m30s
  onMissing: {last: 5m}
  onNaN: {value: 1.5k}
  selectorValues:
  - label: path
    values: {checkout: "/api#eu", 1: one}
    replace: [{from: __slash__, to: /}, {from: x}]
- {onMissing: omit, onNaN: zero, maxStaleness: 0s}
- {onMissing: error, onNaN: {value: 5}}
- {onMissing: null, onNaN: , maxAge: ~, maxStaleness: ~, window: ~, selectorValues: ~}
"#,
    )
    .unwrap();
    let [first, words, others, nulls] = file.rules.as_slice() else {
        panic!("{file:?}");
    };
    let seconds = Duration::from_secs;
    assert_eq!(
        (first.max_age, first.window),
        (Some(seconds(120)), Some(seconds(90)))
    );
    assert_eq!(first.max_staleness, Some(seconds(10)));
    assert_eq!(words.max_staleness, Some(Duration::ZERO));
    assert_eq!(first.on_missing, Some(Fallback::Last(seconds(300))));
    let quantity = |milli| Some(Fallback::Value(Quantity::from_milli(milli)));
    assert_eq!(first.on_nan, quantity(1_500_000));
    let entry = &first.selector_values[0];
    assert_eq!(
        (entry.label.as_str(), entry.values["1"].as_str()),
        ("path", "one")
    );
    assert_eq!(
        (entry.replace[0].to.as_str(), entry.replace[1].to.as_str()),
        ("/", "")
    );
    assert_eq!(
        (words.on_missing, words.on_nan),
        (Some(Fallback::Omit), quantity(0))
    );
    assert_eq!(
        (others.on_missing, others.on_nan),
        (Some(Fallback::Error), quantity(5000))
    );
    assert_eq!(*nulls, DiscoveryRule::default());
}

#[test]
fn refuses_bad_values_of_our_own_fields() {
    for (field, what) in [
        ("maxAge: 0", "must be more than 0"),
        ("maxAge: 5", "\"5\" is not a duration"),
        ("maxStaleness: 5", "\"5\" is not a duration"),
        ("window: 1500ms", "1.5s are no whole seconds"),
        ("window: -1m", "is not a duration"),
        (
            "onMissing: keep",
            "one of omit, zero, error, {value: QUANTITY} and {last: DURATION}",
        ),
        ("onMissing: 0", "one of omit, zero"),
        ("onMissing: [zero]", "one of omit, zero"),
        ("onMissing: {}", "there must be a `value` or a `last`"),
        (
            "onMissing: {value: 1, last: 1m}",
            "either a `value` or a `last`",
        ),
        ("onMissing: {values: 1}", "values"),
        ("onMissing: {last: 0s}", "must be more than 0"),
        ("onMissing: {last: }", "\"\" is not a duration"),
        ("onNaN: {value: many}", "\"many\" is not a quantity"),
        ("onNan: zero", "onNan"),
        ("onInfinity: zero", "onInfinity"),
        ("selectorValues: {path: {}}", "sequence"),
        ("selectorValues: [{key: path}]", "key"),
        (
            "selectorValues: [{values: {a: b, a: c}}]",
            "duplicate mapping key: a",
        ),
    ] {
        let error =
            RuleFile::parse(&format!("rules:\n- seriesQuery: up\n  {field}\n")).unwrap_err();
        let first = error.lines().next().unwrap_or_default();
        assert!(
            first.contains("line 3") && first.contains(what),
            "{field} gave {error}"
        );
        assert!(error.lines().count() > 1, "no snippet: {error}");
    }
}

#[test]
fn booleans_are_those_of_yaml_1_1() {
    let parse = |value: &str| {
        RuleFile::parse(&format!("rules: [{{resources: {{namespaced: {value}}}}}]"))
            .map(|file| file.rules[0].resources.namespaced)
    };
    for (values, expected) in [
        (&["true", "yes", "On", "y", "!!bool yes"][..], Some(true)),
        (&["FALSE", "no", "off", "N"], Some(false)),
        (&["~", "null", ""], None),
    ] {
        for value in values {
            assert_eq!(parse(value), Ok(expected), "{value:?}");
        }
    }
    for value in ["1", "'true'", "\"yes\"", "[]", "{}", "t", "!!str true"] {
        let error = parse(value).unwrap_err();
        assert!(error.contains("line 1"), "{value:?} gave {error}");
    }
}

#[test]
fn only_the_first_document_counts() {
    let file = RuleFile::parse("rules: [{seriesQuery: a}]\n---\n{{{").unwrap();
    assert_eq!(file.rules[0].series_query, "a");
    let error = RuleFile::parse("%YAML 1.2\n---\nrules: []\n").unwrap_err();
    assert!(error.starts_with("line 1, column 1: YAML 1.2"), "{error}");
}

#[test]
fn bytes_may_be_utf_16() {
    let text = "\u{feff}rules: [{seriesQuery: \u{e9}\u{2603}}]";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let file = RuleFile::parse_bytes(&bytes).unwrap();
    assert_eq!(file.rules[0].series_query, "\u{e9}\u{2603}");
    assert_eq!(RuleFile::parse_bytes(text.as_bytes()), Ok(file));
    let error = RuleFile::parse_bytes(b"rules: []\n# \xff").unwrap_err();
    assert_eq!(error, "line 2: not valid UTF-8");
}

#[test]
fn a_merge_key_comes_first_or_not_at_all() {
    let parse = |rule: &str| RuleFile::parse(&format!("rules:\n- {rule}\n"));
    let file = parse("{<<: {seriesQuery: a, metricsQuery: m}, seriesQuery: b}").unwrap();
    assert_eq!(
        (
            file.rules[0].series_query.as_str(),
            file.rules[0].metrics_query.as_str()
        ),
        ("b", "m")
    );
    assert_eq!(
        parse("{seriesQuery: b, <<: {seriesQuery: a}}").unwrap_err(),
        "rules[0]: `<<` stands behind \"seriesQuery\", which it sets as well; put it first"
    );
    // Go keeps what is in the merged map, YAML does not.
    let merged = "<<: {name: {matches: a, as: b}, seriesQuery: s}";
    assert_eq!(
        parse(&format!("{{{merged}, name: {{matches: c}}}}")).unwrap_err(),
        "rules[0]: \"name\" replaces a merged map that has \"as\"; give that here as well, or do \
         without the merge key"
    );
    let file = parse(&format!("{{{merged}, name: {{matches: c, as: ''}}}}")).unwrap();
    assert_eq!(file.rules[0].name.r#as, "");
}

#[test]
fn a_missing_file_is_named() {
    let error = RuleFile::load(Path::new("/does/not/exist.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--config /does/not/exist.yaml: cannot read the rules file"
    );
}
