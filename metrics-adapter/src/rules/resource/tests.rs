use std::sync::Arc;

use super::*;
use crate::config::RuleFile;
use crate::model::{GroupResource, ResourceType};

fn resolve(_: &str, resource: &str) -> Option<ResourceType> {
    let plural = format!("{}s", resource.trim_end_matches('s'));
    Some(ResourceType {
        id: GroupResource::new("", plural),
        version: "v1".into(),
        kind: resource.into(),
        singular: resource.trim_end_matches('s').into(),
        namespaced: resource.starts_with("pod"),
    })
}

fn compiled(cpu: &str) -> Result<ResourceRules, RuleError> {
    let text = format!("resourceRules: {{window: 5m, cpu: {cpu}}}");
    ResourceRules::compile(&RuleFile::parse(&text).unwrap().resource_rules.unwrap())
}

fn query(rule: &ResourceRule, consumer: Consumer, names: &[&str]) -> String {
    let names: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
    let association = rule.labels().associate(&resolve).unwrap();
    let resource = resolve("", &consumer.resource().resource).unwrap();
    let scope = UsageScope {
        consumer,
        label: &association.label(&resource).unwrap(),
        namespace: (consumer == Consumer::Pod).then_some("shop"),
        objects: Objects::Named(&names),
    };
    rule.query(&association, &scope).unwrap().unwrap()
}

#[test]
fn queries_group_by_object_and_container() {
    let rules = compiled(
        "{containerQuery: 'c<<.Series>>{<<.LabelMatchers>>} by (<<.GroupBy>>)', nodeQuery: \
         'n{<<.LabelMatchers>>} <<.GroupBySlice>>', containerLabel: container, resources: \
         {template: 'k_<<.Resource>>', overrides: {instance: {resource: node}}}}",
    )
    .unwrap();
    assert_eq!(
        query(&rules.cpu, Consumer::Pod, &["a.b", "c"]),
        "c{k_namespace=\"shop\",k_pod=~\"a[.]b|c\"} by (k_pod,container)"
    );
    assert_eq!(
        query(&rules.cpu, Consumer::Node, &["n1"]),
        "n{instance=\"n1\"} [instance]"
    );
    assert_eq!(rules.window, Duration::from_secs(300));
    assert_eq!(
        rules.missing_queries(),
        [
            "resourceRules.memory.containerQuery",
            "resourceRules.memory.nodeQuery"
        ]
    );
}

#[test]
fn refusals_name_the_field() {
    let error = compiled("{nodeQuery: '<<.Nope>>'}")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("resourceRules.cpu.nodeQuery: template"),
        "{error}"
    );
    let error = compiled("{resources: {template: x}}")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("resourceRules.cpu.resources.template: "),
        "{error}"
    );
}

/// The `resourceRules` of prometheus-adapter's chart.
const CHART: &str = r#"
resourceRules:
  cpu:
    containerQuery: |
      sum by (<<.GroupBy>>) (
        rate(container_cpu_usage_seconds_total{container!="",<<.LabelMatchers>>}[3m])
      )
    nodeQuery: |
      sum  by (<<.GroupBy>>) (
        rate(node_cpu_seconds_total{mode!="idle",mode!="iowait",mode!="steal",<<.LabelMatchers>>}[3m])
      )
    resources: &resources
      overrides: {node: {resource: node}, namespace: {resource: namespace}, pod: {resource: pod}}
    containerLabel: container
  memory:
    containerQuery: |
      sum by (<<.GroupBy>>) (
        avg_over_time(container_memory_working_set_bytes{container!="",<<.LabelMatchers>>}[3m])
      )
    nodeQuery: |
      sum by (<<.GroupBy>>) (
        avg_over_time(node_memory_MemTotal_bytes{<<.LabelMatchers>>}[3m])
        -
        avg_over_time(node_memory_MemAvailable_bytes{<<.LabelMatchers>>}[3m])
      )
    resources: *resources
    containerLabel: container
  window: 3m
"#;

/// The `resourceRules` of kube-prometheus.
const KUBE_PROMETHEUS: &str = r#"
resourceRules:
  cpu:
    containerLabel: container
    containerQuery: |
      sum by (<<.GroupBy>>) (
        irate (
            container_cpu_usage_seconds_total{<<.LabelMatchers>>,container!="",pod!=""}[120s]
        )
      )
    nodeQuery: |
      sum by (<<.GroupBy>>) (
        1 - irate(
          node_cpu_seconds_total{mode="idle"}[60s]
        )
        * on(namespace, pod) group_left(node) (
          node_namespace_pod:kube_pod_info:{<<.LabelMatchers>>}
        )
      )
      or sum by (<<.GroupBy>>) (
        1 - irate(
          windows_cpu_time_total{mode="idle", job="windows-exporter",<<.LabelMatchers>>}[4m]
        )
      )
    resources: &resources
      overrides: {namespace: {resource: namespace}, node: {resource: node}, pod: {resource: pod}}
  memory:
    containerLabel: container
    containerQuery: |
      sum by (<<.GroupBy>>) (
        container_memory_working_set_bytes{<<.LabelMatchers>>,container!="",pod!=""}
      )
    nodeQuery: |
      sum by (<<.GroupBy>>) (
        node_memory_MemTotal_bytes{job="node-exporter",<<.LabelMatchers>>}
        -
        node_memory_MemAvailable_bytes{job="node-exporter",<<.LabelMatchers>>}
      )
    resources: *resources
  window: 5m
"#;

#[test]
fn files_that_people_have_make_valid_queries() {
    for text in [CHART, KUBE_PROMETHEUS] {
        let rules = RuleFile::parse(text).unwrap().resource_rules.unwrap();
        let rules = ResourceRules::compile(&rules).unwrap();
        assert_eq!(rules.missing_queries(), [""; 0]);
        for rule in [&rules.cpu, &rules.memory] {
            for (consumer, names) in [
                (Consumer::Node, &["n1"][..]),
                (Consumer::Node, &["ip-10-0-0-1.ec2.internal", "n|2"]),
                (Consumer::Pod, &["web-0"]),
                (Consumer::Pod, &["a\"b\\", "ü{1}"]),
            ] {
                let query = query(rule, consumer, names);
                let parsed = promql_parser::parser::parse(&query);
                assert!(parsed.is_ok(), "{query}: {parsed:?}");
            }
        }
    }
}
