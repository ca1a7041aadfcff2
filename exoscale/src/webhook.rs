//! What the body of an alert's webhook says: whether it asks for a step.
//!
//! Three senders are understood: Grafana's notification channels (to 10), Grafana's unified
//! alerting (from 8) and Prometheus' Alertmanager. The direction is the path's. Law: a body that
//! is none of these asks for a step, as no body does: the path was asked for. One that says that
//! nothing is wrong, or that nobody knows, does not.

use serde_json::{Map, Value};

/// Names that Grafana gives to alerts of rules that have no data or cannot be evaluated. They
/// fire, but say nothing about the load.
const NO_DATA: [&str; 2] = ["DatasourceNoData", "DatasourceError"];

/// Whether a request asks for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// It does.
    Step,
    /// It tells that an alert has ended.
    Resolved,
    /// It tells of no data, of a pause, of an error: nothing that could be acted on.
    NoStatement,
}

/// Judges a body.
#[must_use]
pub fn meaning(body: &[u8]) -> Meaning {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Meaning::Step;
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    // Unified alerting and Alertmanager: `status`. Both `state` and `status` are in the former's.
    if let Some(status) = text("status") {
        return match status.to_ascii_lowercase().as_str() {
            "firing" => firing(&fields),
            "resolved" => Meaning::Resolved,
            // A status of somebody else's, who is no alert manager.
            _ => Meaning::Step,
        };
    }
    // Notification channels; `state` alone could be anybody's.
    let legacy = ["ruleId", "ruleName", "evalMatches", "rule_url", "ruleUrl"];
    match text("state") {
        Some(state) if legacy.iter().any(|name| fields.contains_key(*name)) => {
            match state.to_ascii_lowercase().as_str() {
                "alerting" => Meaning::Step,
                "ok" => Meaning::Resolved,
                _ => Meaning::NoStatement,
            }
        }
        _ => Meaning::Step,
    }
}

/// A group fires as long as one of its alerts does.
fn firing(fields: &Map<String, Value>) -> Meaning {
    let Some(Value::Array(alerts)) = fields.get("alerts") else {
        return Meaning::Step;
    };
    let firing: Vec<&Value> = alerts.iter().filter(|alert| fires(alert)).collect();
    if firing.is_empty() && !alerts.is_empty() {
        return Meaning::Resolved;
    }
    if !firing.is_empty() && firing.iter().all(|alert| lacks_data(alert)) {
        return Meaning::NoStatement;
    }
    Meaning::Step
}

fn fires(alert: &Value) -> bool {
    let status = alert.get("status").and_then(Value::as_str);
    status.is_none_or(|status| !status.eq_ignore_ascii_case("resolved"))
}

fn lacks_data(alert: &Value) -> bool {
    let name = alert.pointer("/labels/alertname").and_then(Value::as_str);
    name.is_some_and(|name| NO_DATA.contains(&name))
}

#[cfg(test)]
mod tests;
