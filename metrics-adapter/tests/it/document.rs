//! docs/configuration.md: its examples load, and it leaves no field out.

use std::fs;
use std::path::Path;

use metrics_adapter::config::RuleFile;
use metrics_adapter::rules;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_examples_load() {
    let document = document();
    let blocks = document.split("```yaml\n").skip(1);
    let examples: Vec<&str> = blocks.filter_map(|b| b.split("```").next()).collect();
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for example in examples {
        let file = RuleFile::parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        let compiled = rules::compile(&file);
        let rules = compiled.unwrap_or_else(|error| panic!("{error}\n{example}"));
        assert!(
            rules.discovered().next().is_some() || rules.resource.is_some(),
            "{example}"
        );
    }
}

/// An unknown key makes the parser name the keys that there are.
#[test]
fn every_field_is_described() {
    let document = document();
    for place in [
        "{nosuch: 1}",
        "rules: [{nosuch: 1}]",
        "rules: [{seriesFilters: [{nosuch: 1}]}]",
        "rules: [{resources: {nosuch: 1}}]",
        "rules: [{name: {nosuch: 1}}]",
        "rules: [{resources: {overrides: {a: {nosuch: 1}}}}]",
        "rules: [{onMissing: {nosuch: 1}}]",
        "rules: [{selectorValues: [{nosuch: 1}]}]",
        "rules: [{selectorValues: [{replace: [{nosuch: 1}]}]}]",
        "resourceRules: {nosuch: 1}",
        "resourceRules: {cpu: {nosuch: 1}}",
    ] {
        let error = RuleFile::parse(place).unwrap_err();
        let (_, expected) = error
            .lines()
            .next()
            .and_then(|line| line.split_once("expected"))
            .unwrap_or_else(|| panic!("{error}"));
        let expected = expected.split(" at line").next().unwrap_or_default();
        let fields: Vec<&str> = expected
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !matches!(*word, "" | "one" | "of" | "or"))
            .collect();
        assert!(fields.len() > 1, "{error}");
        for field in fields {
            let forms = [
                format!("`{field}`"),
                format!("{field}:"),
                format!(".{field}`"),
            ];
            assert!(
                forms.iter().any(|form| document.contains(form)),
                "{field} of {place} is not described"
            );
        }
    }
}
