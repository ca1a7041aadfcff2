//! The dashboards of this stack: every query of every panel has an answer under load.

use std::fs;

use serde_json::Value;

use super::{
    Failure, Outcome, ensure,
    world::{ADAPTER, AUTOSCALER, World, text},
};
use crate::{error::Error, stack::NAMESPACE};

/// Boards, and the namespace to choose on them.
const BOARDS: [(&str, &str); 2] = [
    ("autoscaling-goal", NAMESPACE),
    ("metrics-adapter", ADAPTER),
];

/// What Grafana would put for `$__rate_interval` in a graph of an hour: no less than 4 scrapes.
const RATE_INTERVAL: &str = "1m";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let mut remarks = Vec::new();
    for (name, namespace) in BOARDS {
        let board = read(world, name)?;
        let offered = offered_namespaces(&board)?;
        world.wait(&format!("{namespace} on {name}"), AUTOSCALER, || {
            let found = world.samples(&format!("count by (namespace) ({offered})"))?;
            let mut names = found.iter().map(|one| &one["metric"]["namespace"]);
            ensure!(names.any(|name| name == namespace), "{found:?}");
            Ok(())
        })?;
        let panels = queries(&board, namespace);
        ensure!(!panels.is_empty(), "{name} asks nothing");
        let mut series = 0;
        for (title, promql) in &panels {
            series += world.wait(&format!("{name}, {title}"), AUTOSCALER, || {
                let samples = world.samples(promql)?;
                let numbers = samples.iter().filter(|one| is_number(one)).count();
                ensure!(numbers > 0, "{} samples: {promql}", samples.len());
                Ok(numbers)
            })?;
        }
        let asked = panels.len();
        remarks.push(format!("{name}: {asked} queries, {series} series"));
    }
    Ok(remarks)
}

fn read(world: &World, name: &str) -> Result<Value, Failure> {
    let folder = world
        .cluster
        .layout()
        .workspace()
        .join("grafana/dashboards");
    let path = folder.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("{name}.json: {error}")))
}

/// The series whose namespaces a board offers: of `label_values(SERIES, namespace)`.
fn offered_namespaces(board: &Value) -> Result<&str, Failure> {
    let variables = board["templating"]["list"].as_array();
    variables
        .into_iter()
        .flatten()
        .filter(|variable| variable["name"] == "namespace")
        .find_map(|variable| {
            let inner = variable["definition"].as_str()?;
            inner
                .strip_prefix("label_values(")?
                .strip_suffix(", namespace)")
        })
        .ok_or_else(|| Failure::new(format!("no variable namespace in {}", board["uid"])))
}

/// A title and a query for each target of each panel, without Grafana's variables.
fn queries(board: &Value, namespace: &str) -> Vec<(String, String)> {
    let panels = board["panels"].as_array().into_iter().flatten();
    panels
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().into_iter().flatten();
            targets.map(|target| (text(&panel["title"]), text(&target["expr"])))
        })
        .map(|(title, promql)| {
            let promql = promql
                .replace("$namespace", namespace)
                .replace("$__rate_interval", RATE_INTERVAL);
            (title, promql)
        })
        .collect()
}

/// Whether a sample has a value that can be drawn.
fn is_number(sample: &Value) -> bool {
    let value = sample["value"][1].as_str();
    value.is_some_and(|value| value.parse().is_ok_and(f64::is_finite))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_what_grafana_would_send() {
        let board = json!({
            "templating": { "list": [
                { "name": "datasource" },
                { "name": "namespace", "definition": "label_values(up{app=\"a\"}, namespace)" },
            ] },
            "panels": [{
                "title": "One",
                "targets": [{ "expr": "rate(a{namespace=~\"$namespace\"}[$__rate_interval])" }],
            }],
        });
        assert_eq!(offered_namespaces(&board).unwrap(), "up{app=\"a\"}");
        assert_eq!(
            queries(&board, "here"),
            [("One".into(), "rate(a{namespace=~\"here\"}[1m])".into())]
        );
        assert!(offered_namespaces(&json!({})).is_err());
    }

    #[test]
    fn what_is_no_number_cannot_be_drawn() {
        for (value, drawn) in [
            ("0", true),
            ("1.5e3", true),
            ("NaN", false),
            ("+Inf", false),
        ] {
            assert_eq!(is_number(&json!({ "value": [1, value] })), drawn, "{value}");
        }
    }
}
