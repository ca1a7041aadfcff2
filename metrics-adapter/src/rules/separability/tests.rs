use super::*;

const CHOICE: Choice<'_> = Choice {
    label: "pod",
    value: "CHOSEN",
};

/// `@` between braces stands for the matchers of a request.
fn judge(promql: &str) -> bool {
    const MATCHERS: &str = r#"namespace="shop",pod=~"CHOSEN""#;
    let promql = promql
        .replace("{@", &format!("{{{MATCHERS}"))
        .replace(",@", &format!(",{MATCHERS}"));
    separable(&promql, CHOICE)
}

#[test]
fn what_comes_from_each_object_alone_is_separable() {
    for promql in [
        "x{@}",
        "(x{@})",
        "{__name__=\"x\",@}",
        "sum(rate(x{@}[5m])) by (pod)",
        "sum by (pod) (rate(x{@}[5m]))",
        "SUM BY (pod) (rate(x{@}[5m]))",
        "sum by (pod, container,) (rate(x{@}[5m] offset 1h))",
        "sum without (instance) (x{@})",
        "sum without () (x{@})",
        "avg by (pod) (x{@}) * 1000",
        "1 - avg by (pod) (rate(x{@,mode=\"idle\"}[5m]))",
        "-x{@} ^ 2 > bool 3",
        "sum by (pod) (rate(a{@}[1m])) / sum by (pod) (rate(b{@}[1m]))",
        "sum by (pod) (a{@}) / on (pod) group_left (node) sum by (pod) (b{@})",
        "a{@} / ignoring (le) group_right b{@}",
        "a{@} or b{@}",
        "a{@} unless on (pod, namespace) b{@} == 0",
        "a{@} and on (pod) kube_pod_status_ready{condition=\"true\"}",
        "a{@} / on (pod) group_left limit{resource=\"cpu\"}",
        "limit{resource=\"cpu\"} - on (pod) a{@}",
        "histogram_quantile(0.99, sum by (le, pod) (rate(x_bucket{@}[5m])))",
        "topk by (pod) (1, x{@})",
        "quantile by (pod) (0.9, x{@})",
        "count_values by (pod) (\"version\", x{@})",
        "max_over_time(sum by (pod) (rate(x{@}[1m]))[10m:30s])",
        "max_over_time(x{@}[10m:] @ end())",
        "label_replace(x{@}, \"short\", \"$1\", \"instance\", \"(.*):.*\")",
        "clamp_max(x{@}, scalar(sum(limit)))",
        "clamp_min(x{@}, 0) + time() - timestamp(x{@})",
        "x{@} / scalar(count(nodes))",
        "round(x{@} @ 1700000000.5, 0.1)",
        "x{@} offset -5m",
    ] {
        assert!(judge(promql), "{promql}");
    }
}

#[test]
fn what_mixes_objects_is_not() {
    for promql in [
        "sum(x{@})",
        "sum by (namespace) (x{@})",
        "sum without (pod) (x{@})",
        "topk(3, x{@})",
        "x{@} / scalar(sum(x{@}))",
        "x{@} / on (namespace) group_left sum by (namespace) (x{@})",
        "x{@} / ignoring (pod) group_left sum by (namespace) (x{@})",
        "x{@} or on () vector(0)",
        "x{@} or vector(0)",
        "limit unless x{@}",
        "absent(x{@})",
        "count_values by (pod) (\"pod\", x{@})",
        "count_values by (pod) (\"po\\u0064\", x{@})",
        "label_replace(x{@}, \"pod\", \"$1\", \"instance\", \"(.*):.*\")",
        "label_join(x{@}, \"pod\", \",\", \"instance\")",
        "clamp_max(x{@}, scalar(x{@}))",
        "topk by (pod) (scalar(sum(x{@})), x{@})",
        "sum by (pod) (sum(x{@}))",
        "limitk by (pod) (1, x{@})",
        "unheard_of(x{@})",
        "info(x{@})",
    ] {
        assert!(!judge(promql), "{promql}");
    }
}

#[test]
fn a_choice_that_is_not_a_matcher_is_not() {
    for promql in [
        // No choice at all, or in one selector of two.
        "x",
        "sum by (pod) (x)",
        "sum by (pod) (x{pod!~\"CHOSEN\"})",
        "sum by (pod) (x{pod=\"CHOSEN\"})",
        "sum by (pod) (x{node=~\"CHOSEN\"})",
        "sum by (pod) (x{@}) + sum by (pod) (y{pod=~\"CHOSEN|a\"})",
        // The names as a text of their own, or as a part of something.
        "label_replace(x{@}, \"names\", \"CHOSEN\", \"\", \"\")",
        "x_CHOSEN{@}",
    ] {
        assert!(!judge(promql), "{promql}");
    }
    let name = Choice {
        label: "__name__",
        value: "CHOSEN",
    };
    assert!(!separable(r#"{__name__=~"CHOSEN"}"#, name));
    let bucket = Choice {
        label: "le",
        value: "CHOSEN",
    };
    assert!(!separable(
        r#"histogram_quantile(0.5, x{le=~"CHOSEN"})"#,
        bucket
    ));
}

#[test]
fn what_is_not_understood_is_not() {
    for promql in [
        "",
        "x{@",
        "x{@} y{@}",
        "x{@} # comment",
        "x{@}[5m:",
        "x{\"pod\"=~\"CHOSEN\"}",
        "sum by (pod) (1, 2, x{@})",
        "sum(x{@}) by (pod",
        "x{@}[5m + 1m]",
        "x{@} offset",
        "x{@} @ now()",
        "x{@} +",
        "$x{@}",
    ] {
        assert!(!judge(promql), "{promql:?}");
    }
    let deep = format!("{}x{{@}}{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(!judge(&deep));
}

#[test]
fn functions_are_found() {
    assert!(ELEMENTWISE.is_sorted());
}

#[test]
fn strangers_do_no_harm_where_they_are_few_and_cannot_clash() {
    for (promql, tolerant) in [
        ("sum(rate(x[5m])) by (pod)", true),
        ("1000 * avg by (pod) (x)", true),
        (
            "sum by (pod) (rate(a[1m])) / sum by (pod) (rate(b[1m]))",
            true,
        ),
        (
            "histogram_quantile(0.99, sum by (le, pod) (rate(x_bucket[5m])))",
            true,
        ),
        ("clamp_max(sum by (pod) (x), scalar(sum(ceiling)))", true),
        ("sum by (pod) (a unless on (pod) b)", true),
        // Many elements.
        ("x", false),
        ("rate(x[5m])", false),
        ("sum by (pod) (a) / b", false),
        // Two names, one set of labels.
        ("sum by (pod) (rate({__name__=~\"a|b\"}[5m]))", false),
        (
            "sum by (pod) (label_replace(x, \"a\", \"\", \"b\", \"\"))",
            false,
        ),
        // Several on either side.
        ("sum by (pod) (a / on (pod) b)", false),
        (
            "sum by (pod) (a) * on (pod) group_left sum by (pod) (b)",
            false,
        ),
        ("sum by (pod) (a * ignoring (mode) b)", false),
        ("sum by (pod (", false),
    ] {
        assert_eq!(tolerates_strangers(promql), tolerant, "{promql}");
    }
}
