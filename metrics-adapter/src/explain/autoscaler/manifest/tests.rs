use super::*;

const METRIC: &str =
    "{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 40}}}";

fn manifest(spec: &str) -> String {
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n\
         metadata: {{name: h, namespace: n, labels: {{a: b}}}}\n\
         spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: d}}\n{spec}\n"
    )
}

#[test]
fn what_is_left_out_has_its_defaults() {
    let autoscaler = parse(&manifest("  maxReplicas: 4")).unwrap();
    assert_eq!(autoscaler.bounds, Bounds { min: 1, max: 4 });
    assert_eq!(autoscaler.behavior, None);
    assert_eq!(autoscaler.metrics[0].target, Target::Utilization(80));
    assert_eq!(autoscaler.workload.to_string(), "Deployment/d");

    let spec = "  maxReplicas: 4\n  behavior: {scaleDown: {tolerance: 50m}}";
    let behavior = parse(&manifest(spec)).unwrap().behavior.unwrap();
    assert_eq!(behavior.up, ScalingRules::up());
    assert_eq!(behavior.down.tolerance, Some(0.05));
    assert_eq!(behavior.down.policies, ScalingRules::down().policies);
}

#[test]
fn metrics_keep_their_selectors_and_targets() {
    let spec = "  maxReplicas: 4\n  metrics:\n  - type: External\n    external:\n      \
                metric: {name: q, selector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d, e]}]}}\n      \
                target: {type: Value, value: 1.5k}";
    let metric = &parse(&manifest(spec)).unwrap().metrics[0];
    assert_eq!(metric.target, Target::Value(1_500_000));
    let Source::External { selector, .. } = &metric.source else {
        panic!("{metric:?}")
    };
    assert_eq!(selector.to_string(), "a=b,c in (d,e)");
}

#[test]
fn documents_of_other_kinds_stand_beside_it() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n";
    let text = format!(
        "# a chart's\n---\n{service}{}",
        manifest("  maxReplicas: 4")
    );
    assert_eq!(parse(&text).unwrap().name, "h");
    let wrong = format!("{service}{}", manifest("  maxReplica: 4"));
    let error = parse(&wrong).unwrap_err();
    assert!(
        error.contains("line 10") && error.contains("maxReplica"),
        "{error}"
    );
}

/// [`METRIC`] with a selector.
fn selecting(selector: &str) -> String {
    METRIC.replace("name: m", &format!("name: m, selector: {selector}"))
}

#[test]
fn what_is_wrong_names_its_field() {
    let metrics = |metric: &str| format!("  maxReplicas: 4\n  metrics: [{metric}]");
    for (text, expected) in [
        (
            "".to_owned(),
            "there is no HorizontalPodAutoscaler in it, nor",
        ),
        (
            "kind: Service\napiVersion: v1".to_owned(),
            "kind: there is no HorizontalPodAutoscaler in it, only Service of v1",
        ),
        (
            manifest("  maxReplicas: 4").replace("/v2", "/v1"),
            "apiVersion: \"autoscaling/v1\", but only autoscaling/v2",
        ),
        (
            format!("{0}---\n{0}", manifest("  maxReplicas: 4")),
            "there are 2 of",
        ),
        (manifest(""), "maxReplicas"),
        (
            manifest("  maxReplicas: 4\n  minReplicas: 0"),
            "spec.minReplicas: must be 1",
        ),
        (
            manifest("  maxReplicas: 4\n  minReplicas: 5"),
            "spec.maxReplicas: 4 is less",
        ),
        (
            manifest(&metrics("{type: Pod}")),
            "spec.metrics[0].type: \"Pod\"",
        ),
        (
            manifest(&metrics("{type: Pods}")),
            "spec.metrics[0].pods: is missing",
        ),
        (
            manifest(&metrics(&METRIC.replace("type: Pods", "type: Object"))),
            "spec.metrics[0].pods: does not go with type Object",
        ),
        (
            manifest(&metrics(&METRIC.replace("40", "0"))),
            "spec.metrics[0].pods.target.averageValue: must be more",
        ),
        (
            manifest(&metrics(&METRIC.replace("averageValue", "value"))),
            "spec.metrics[0].pods.target.averageValue: is missing",
        ),
        (
            manifest(&metrics(&METRIC.replace("AverageValue", "Value"))),
            "spec.metrics[0].pods.target.type: \"Value\"",
        ),
        (
            manifest(&metrics(&selecting("{matchLabels: {a: \"b,c\"}}"))),
            "spec.metrics[0].pods.metric.selector: values[0][a]: Invalid value: \"b,c\"",
        ),
        (
            manifest(&metrics(&selecting(
                "{matchExpressions: [{key: a, operator: In, values: []}]}",
            ))),
            "spec.metrics[0].pods.metric.selector: values: Invalid value: {}: for 'in', 'notin'",
        ),
        (
            manifest(&metrics(&selecting(
                "{matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
            ))),
            "values set must be empty for exists",
        ),
        (
            manifest(&metrics(&selecting("{matchLabels: {\"a b\": c}}"))),
            "Invalid value: \"a b\"",
        ),
        (
            manifest(&metrics(&METRIC.replace("40", "fast"))),
            "quantity",
        ),
        (
            manifest("  maxReplicas: 4\n  behavior: {scaleUp: {policies: []}}"),
            "spec.behavior.scaleUp.policies: must not",
        ),
        (
            manifest("  maxReplicas: 4\n  behavior: {scaleUp: {selectPolicy: max}}"),
            "spec.behavior.scaleUp.selectPolicy: \"max\"",
        ),
        (
            manifest(
                "  maxReplicas: 4\n  behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 3600}]}}",
            ),
            "spec.behavior.scaleUp.policies[0].periodSeconds",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(expected), "{expected:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
