use super::*;

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
fn a_missing_file_is_named() {
    let error = RuleFile::load(Path::new("/does/not/exist.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--config /does/not/exist.yaml: cannot read the rules file"
    );
}
