//! The rules file against gopkg.in/yaml.v2 in its strict mode.

use metrics_adapter::config::{DiscoveryRule, ResourceMapping, ResourceRule, RuleFile};
use serde_json::{Value, json};

use crate::difference::{Judge, Outcome};
use crate::read;

fn resources(mapping: &ResourceMapping) -> Value {
    let overrides: serde_json::Map<String, Value> = mapping
        .overrides
        .iter()
        .map(|(label, name)| {
            let name = json!({"group": name.group, "resource": name.resource});
            (label.clone(), name)
        })
        .collect();
    json!({
        "template": mapping.template,
        "overrides": overrides,
        "namespaced": mapping.namespaced,
    })
}

fn rules(rules: &[DiscoveryRule]) -> Value {
    let rule = |rule: &DiscoveryRule| {
        let filters: Vec<Value> = rule
            .series_filters
            .iter()
            .map(|filter| json!({"is": filter.is, "isNot": filter.is_not}))
            .collect();
        json!({
            "seriesQuery": rule.series_query,
            "seriesFilters": filters,
            "resources": resources(&rule.resources),
            "name": {"matches": rule.name.matches, "as": rule.name.r#as},
            "metricsQuery": rule.metrics_query,
        })
    };
    rules.iter().map(rule).collect()
}

fn resource_rule(rule: &ResourceRule) -> Value {
    json!({
        "containerQuery": rule.container_query,
        "nodeQuery": rule.node_query,
        "resources": resources(&rule.resources),
        "containerLabel": rule.container_label,
    })
}

fn ours(bytes: &[u8]) -> Outcome {
    let file = RuleFile::parse_bytes(bytes)?;
    let nanoseconds = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap();
    let resource_rules = file.resource_rules.as_ref().map(|rules| {
        json!({
            "cpu": resource_rule(&rules.cpu),
            "memory": resource_rule(&rules.memory),
            "window": nanoseconds(rules.window.get()),
        })
    });
    let value = json!({
        "rules": rules(&file.rules),
        "resourceRules": resource_rules,
        "externalRules": rules(&file.external_rules),
    });
    Ok(value.to_string())
}

/// Go tells an absent list or map from an empty one, which means the same.
fn without_nulls(value: &mut Value, key: &str) {
    match value {
        Value::Null if matches!(key, "rules" | "externalRules" | "seriesFilters") => {
            *value = json!([]);
        }
        Value::Null if key == "overrides" => *value = json!({}),
        Value::Array(items) => items.iter_mut().for_each(|item| without_nulls(item, "")),
        Value::Object(map) => map
            .iter_mut()
            .for_each(|(key, value)| without_nulls(value, key)),
        _ => {}
    }
}

fn bytes(case: &Value) -> Vec<u8> {
    if let Some(text) = case["yaml"].as_str() {
        return text.as_bytes().to_vec();
    }
    let digits = case["hex"].as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn files_are_read_as_in_go() {
    let (_, mut cases) = read("config");
    let mut judge = Judge::new("config");
    for case in &mut cases {
        let bytes = bytes(case);
        let go = match case.get_mut("want") {
            Some(want) => {
                without_nulls(want, "");
                Ok(want.to_string())
            }
            None => Err(String::new()),
        };
        judge.compare(&String::from_utf8_lossy(&bytes), &go, &ours(&bytes));
    }
    judge.finish();
}
