//! What `check` finds.

use std::fmt::Write as _;

use super::{Row, judge};
use crate::check::{Laptop, rule};
use crate::history::Recorded;
use crate::prometheus::{Prometheus, expose, free_port};

const RATE: &str = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[5m])) by (<<.GroupBy>>)";
const TEMPLATE: &str = "{template: <<.Resource>>}";
const OVERRIDES: &str = "{overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";

const SAMPLES: &[(&str, &str)] = &[
    ("http_requests_total{namespace=\"shop\",pod=\"web-1\"}", "7"),
    ("grpc_requests_total{namespace=\"shop\",pod=\"web-1\"}", "7"),
    (
        "old_style_total{namespace=\"shop\",kubernetes_pod_name=\"web-1\"}",
        "7",
    ),
    (
        "scraped_total{job=\"server\",instance=\"10.0.0.1:8080\"}",
        "7",
    ),
    ("http_requests_total{namespace=\"shop\",pod=\"web-2\"}", "7"),
];

/// Samples of the last half hour, one a minute, and others that have ended before it.
fn history() -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut text = "# TYPE slow counter\n".to_owned();
    let labels = "namespace=\"shop\",pod=\"web-1\"";
    for at in (now - 1800..=now).step_by(60) {
        writeln!(text, "slow_total{{{labels}}} {at} {at}").unwrap();
    }
    text += "# TYPE stale counter\n";
    for at in (now - 5400..=now - 3600).step_by(60) {
        writeln!(text, "stale_total{{{labels}}} {at} {at}").unwrap();
    }
    text + "# EOF\n"
}

#[tokio::test]
async fn check_names_the_cause() {
    let prometheus = Prometheus::start(SAMPLES).await;
    let recorded = Recorded::start(&history()).await;
    let (html, _) = expose("<!DOCTYPE html>\n<html><title>Sign in</title></html>".to_owned());
    let laptop = Laptop::new();
    let (here, past) = (prometheus.url(), recorded.url());
    let good = rule("http_requests_total", TEMPLATE, RATE);
    let check = |rules: &str, url: &str, flags: &[&str]| {
        laptop.write("rules.yaml", rules);
        laptop.check(&[flags, &[&format!("--prometheus-url={url}")]].concat())
    };
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let two = format!(
        "{}{}",
        rule("http_requests_total", OVERRIDES, RATE),
        rule("grpc_requests_total", OVERRIDES, RATE)
    );
    let two = two.replace("  metricsQuery", "  name: {as: requests}\n  metricsQuery");
    let rows = [
        Row {
            set_up: "wrong URL: nobody listens",
            output: check(&good, &nowhere, &[]),
            cause: &[
                "error: --prometheus-url http://127.0.0.1:",
                "Connection refused",
            ],
        },
        Row {
            set_up: "wrong URL: another path",
            output: check(&good, &format!("{here}/prom"), &[]),
            cause: &[
                "error: --prometheus-url http://",
                "/prom: the answer is 404",
            ],
        },
        Row {
            set_up: "HTML answer",
            output: check(&good, &format!("http://{html}"), &[]),
            cause: &["error: --prometheus-url http://", "HTML page", "Grafana"],
        },
        Row {
            set_up: "label not mapped",
            output: check(&rule("old_style_total", OVERRIDES, RATE), &here, &[]),
            cause: &[
                "rules[0]: label kubernetes_pod_name ",
                "not mapped",
                "{resource: pod}",
            ],
        },
        Row {
            set_up: "no label mapped",
            output: check(
                &rule(
                    "old_style_total",
                    "{overrides: {pod: {resource: pod}}}",
                    RATE,
                ),
                &here,
                &[],
            ),
            cause: &["error rules[0]: no label is mapped", "kubernetes_pod_name"],
        },
        Row {
            set_up: "typo in the series",
            output: check(
                &rule("http_request_total{pod!=\"\"}", TEMPLATE, RATE),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0]: Prometheus has no series \"http_request_total\"",
                "did you mean \"http_requests_total\"?",
            ],
        },
        Row {
            set_up: "typo in a matcher's label",
            output: check(
                &rule("http_requests_total{namspace!=\"\"}", TEMPLATE, RATE),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0]: ",
                "no label namspace",
                "is namespace meant?",
            ],
        },
        Row {
            set_up: "matcher that nothing passes",
            output: check(
                &rule("http_requests_total{pod=\"db\"}", TEMPLATE, RATE),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0]: http_requests_total has series, but none",
                "pod=\"db\"",
            ],
        },
        Row {
            set_up: "missing GroupBy",
            output: check(
                &rule(
                    "http_requests_total",
                    TEMPLATE,
                    &RATE.replace(" by (<<.GroupBy>>)", ""),
                ),
                &here,
                &[],
            ),
            cause: &["error rules[0]: metricsQuery lacks `by (<<.GroupBy>>)`"],
        },
        Row {
            set_up: "job label taken for jobs.batch",
            output: check(&rule("scraped_total", TEMPLATE, RATE), &here, &[]),
            cause: &[
                "error rules[0]: Prometheus' own label job",
                "jobs.batch",
                "resources.overrides",
            ],
        },
        Row {
            set_up: "relist shorter than scrape",
            output: check(
                &rule("slow_total", TEMPLATE, RATE),
                &past,
                &["--metrics-relist-interval=20s"],
            ),
            cause: &[
                "error rules[0]: relists ",
                "--metrics-max-age 20s",
                "scrape interval",
            ],
        },
        Row {
            set_up: "stale series",
            output: check(&rule("stale_total", TEMPLATE, RATE), &past, &[]),
            cause: &[
                "error rules[0]: stale: stale_total has no sample now",
                "60m ago",
            ],
        },
        Row {
            set_up: "stale series, still listed",
            output: check(
                &rule("stale_total", TEMPLATE, RATE),
                &past,
                &["--metrics-max-age=3h"],
            ),
            cause: &[
                "error rules[0]: stale: stale_total has no sample now",
                "60m ago",
            ],
        },
        Row {
            set_up: "name collision",
            output: check(
                &format!("rules:\n{}", two.replace("rules:\n", "")),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0], rules[1]: collision: ",
                "rules[1] (grpc_requests_total) hides rules[0] (http_requests_total)",
                "/requests",
            ],
        },
        Row {
            set_up: "override of a kind that there is not",
            output: check(
                &rule(
                    "http_requests_total",
                    "{overrides: {pod: {resource: pood}}}",
                    RATE,
                ),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0]: resources.overrides[\"pod\"]",
                "pood",
                "--kubeconfig",
            ],
        },
        Row {
            set_up: "PromQL that is none",
            output: check(
                &rule(
                    "http_requests_total",
                    TEMPLATE,
                    "sum(rate(<<.Series>>{<<.LabelMatchers>>})) by (<<.GroupBy>>)",
                ),
                &here,
                &[],
            ),
            cause: &[
                "error rules[0]: Prometheus refuses the query of a request",
                "parse error",
            ],
        },
        Row {
            set_up: "broken template",
            output: check(&rule("up", TEMPLATE, "sum(<<.Serie>>)"), &here, &[]),
            cause: &["error rules[0]: metricsQuery: ", "there is no field .Serie"],
        },
        Row {
            set_up: "key that there is not",
            output: check("rules:\n- seriesQueri: up\n", &here, &[]),
            cause: &["error: --config rules.yaml: ", "seriesQueri", "line 2"],
        },
    ];
    for row in &rows {
        // A label that is overlooked beside others may be meant that way.
        let expected = i32::from(row.set_up != "label not mapped");
        assert_eq!(row.output.status.code(), Some(expected), "{}", row.set_up);
    }
    judge(&rows);
}
