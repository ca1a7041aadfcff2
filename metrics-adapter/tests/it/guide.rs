//! The rules in the documentation, read and compiled as the adapter does it.

use std::fs;
use std::path::Path;

use metrics_adapter::config::RuleFile;
use metrics_adapter::rules;

/// The rules files among the YAML blocks of a guide; chart values and Kubernetes objects are none.
fn rules_files(text: &str) -> Vec<&str> {
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .filter(|block| {
            ["rules:\n  - ", "externalRules:\n", "resourceRules:\n"]
                .iter()
                .any(|section| block.starts_with(section))
        })
        .collect()
}

#[test]
fn rules_of_the_guides_are_accepted() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(workspace.join("docs/migration.md")).unwrap();
    let files = rules_files(&text);
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let parsed = RuleFile::parse(file).unwrap_or_else(|error| panic!("{error}\n{file}"));
        rules::compile(&parsed).unwrap_or_else(|error| panic!("{error}\n{file}"));
    }
}

/// So are the rules of the end-to-end tests and of the chart's branches, which the chart wraps; none
/// is lost on the way.
#[test]
fn rules_of_the_end_to_end_tests_are_accepted() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for values in [
        "testbed/values/metrics-adapter.yaml",
        "helm/metrics-adapter/ci/external-rules-values.yaml",
        "helm/metrics-adapter/ci/resource-rules-values.yaml",
    ] {
        let text = fs::read_to_string(workspace.join(values)).unwrap();
        let parsed = RuleFile::parse(&unwrapped(&text)).unwrap_or_else(|e| panic!("{values}: {e}"));
        let compiled = rules::compile(&parsed).unwrap_or_else(|e| panic!("{values}: {e}"));
        let (written, resource) = (
            text.matches("- seriesQuery: ").count(),
            text.contains("\n  resource:\n"),
        );
        assert!(written > 0 || resource, "{values} has no rules");
        assert_eq!(compiled.discovered().count(), written, "{values}");
        assert_eq!(compiled.resource.is_some(), resource, "{values}");
    }
}

/// The value `rules` as a rules file: `custom` is `rules`, and so on.
fn unwrapped(values: &str) -> String {
    let section = values
        .split("\nrules:\n")
        .nth(1)
        .expect("the value `rules`");
    section
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter_map(|line| match line {
            "  default: false" => None,
            "  custom:" => Some("rules:".to_owned()),
            "  external:" => Some("externalRules:".to_owned()),
            "  resource:" => Some("resourceRules:".to_owned()),
            line => Some(line.get(2..).unwrap_or_default().to_owned()),
        })
        .collect::<Vec<_>>()
        .join("\n")
}
