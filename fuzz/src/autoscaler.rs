//! Manifests of a HorizontalPodAutoscaler: one that the API server could have accepted, or an error
//! of one line that names the file.

use std::io::Write as _;
use std::time::Duration;

use metrics_adapter::explain::autoscaler::{self, Autoscaler, Metric, Source, Target};
use metrics_adapter::explain::behavior::{ScalingRules, Step};
use metrics_adapter::model::Selector;

use crate::{Target as FuzzTarget, seed};

pub(crate) const TARGET: FuzzTarget = FuzzTarget {
    name: "autoscaler",
    run,
    seeds,
    words: WORDS,
    cases: 600,
};

const WORDS: &[&str] = &[
    "apiVersion: autoscaling/v2\n",
    "kind: HorizontalPodAutoscaler\n",
    "---\n",
    "spec: ",
    "scaleTargetRef: ",
    "minReplicas: 0\n",
    "maxReplicas: 2147483647\n",
    "metrics: ",
    "type: ",
    "Pods",
    "Object",
    "External",
    "Resource",
    "ContainerResource",
    "averageValue: ",
    "AverageValue",
    "Utilization",
    "averageUtilization: -1",
    "selector: ",
    "matchLabels: ",
    "matchExpressions: ",
    "operator: In",
    "values: []",
    "behavior: ",
    "policies: []",
    "periodSeconds: 1801",
    "stabilizationWindowSeconds: 3601",
    "tolerance: ",
    "-1",
    "1e999",
    "9223372036854775807",
    "500m",
    ",",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "null",
    "é",
    "\u{0}",
];

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {\
         scaleTargetRef: {kind: Deployment, name: d}, maxReplicas: 4}}",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n\
         apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n\
         metadata: {name: h, namespace: n}\nspec:\n  \
         scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}\n  \
         minReplicas: 2\n  maxReplicas: 10\n  metrics:\n  \
         - {type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 40}}}\n  \
         - {type: External, external: {metric: {name: q, selector: {matchLabels: {a: b}, \
         matchExpressions: [{key: c, operator: In, values: [d, e]}, {key: f, operator: Exists}]}}, \
         target: {type: Value, value: 1.5k}}}\n  \
         - {type: Object, object: {describedObject: {kind: Service, name: s}, metric: {name: o}, \
         target: {type: Value, value: 100m}}}\n  \
         - {type: ContainerResource, containerResource: {name: cpu, container: c, \
         target: {type: Utilization, averageUtilization: 80}}}\n  \
         behavior:\n    scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Min, tolerance: 50m, \
         policies: [{type: Pods, value: 4, periodSeconds: 15}]}\n    \
         scaleDown: {policies: [{type: Percent, value: 10, periodSeconds: 1800}]}\n",
        "kind: 7",
    ])
}

fn run(input: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(input).unwrap();
    match autoscaler::read(file.path()) {
        Ok(autoscaler) => check(&autoscaler),
        Err(error) => {
            let (start, error) = (format!("{}: ", file.path().display()), error.to_string());
            assert!(
                error.starts_with(&start) && error.len() > start.len(),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

/// What the API server demands of an HPA.
fn check(autoscaler: &Autoscaler) {
    let bounds = autoscaler.bounds;
    assert!((1..=bounds.max).contains(&bounds.min), "{bounds:?}");
    assert!(!autoscaler.metrics.is_empty());
    for Metric { source, target } in &autoscaler.metrics {
        let target_is_positive = match target {
            Target::Value(milli) => *milli > 0 && !source.is_per_pod(),
            Target::AverageValue(milli) => *milli > 0,
            Target::Utilization(percents) => {
                *percents > 0 && matches!(source, Source::Resource { .. })
            }
        };
        assert!(target_is_positive, "{source}: {target:?}");
        if let Source::Pods { selector, .. }
        | Source::Object { selector, .. }
        | Source::External { selector, .. } = source
        {
            // Nothing in a value becomes another requirement.
            assert_eq!(
                Selector::parse(&selector.to_string()).as_ref(),
                Ok(selector)
            );
        }
    }
    for rules in autoscaler
        .behavior
        .iter()
        .flat_map(|both| [&both.up, &both.down])
    {
        check_rules(rules);
    }
}

fn check_rules(rules: &ScalingRules) {
    assert!(rules.window.unwrap_or_default() <= Duration::from_secs(3600));
    assert!(rules.tolerance.unwrap_or(0.0) >= 0.0);
    assert!(!rules.policies.is_empty());
    for policy in &rules.policies {
        let (Step::Pods(much) | Step::Percent(much)) = policy.step;
        let seconds = policy.period.as_secs();
        assert!(much > 0 && (1..=1800).contains(&seconds), "{policy:?}");
    }
}
