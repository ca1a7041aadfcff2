//! The report for people. Law: what is wrong, and what helps, stands in the first lines.

use std::fmt::Write as _;

use super::super::style::Style;
use super::{MetricReport, Report, Word};

/// The whole.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let Report { verdict, .. } = report;
    let headline = match verdict.word {
        Word::Agrees => style.good(&format!("agrees with its status: {}", verdict.message)),
        Word::Differs => style.bad(&format!("differs from its status: {}", verdict.message)),
        Word::Fails => style.bad(&format!("cannot scale: {}", verdict.message)),
    };
    let mut line = |depth: usize, text: &str| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{:width$}{text}", "", width = depth * 2);
    };
    line(
        0,
        &format!("hpa/{} in {}: {headline}", report.name, report.namespace),
    );
    for advice in &verdict.advice {
        line(1, advice);
    }
    let [min, max] = report.bounds;
    let wanted = report
        .wanted
        .map_or_else(|| "nobody knows".to_owned(), |wanted| wanted.to_string());
    line(
        1,
        &format!(
            "{}: {} replicas, {} pods; wanted: {wanted}; bounds: {min} to {max}",
            report.workload, report.replicas, report.pods
        ),
    );
    for metric in &report.metrics {
        of_metric(metric, &mut line);
    }
    let status = &report.status;
    let last = status.last_scale_time.as_deref().unwrap_or("never");
    line(
        1,
        &format!(
            "status: {} replicas, {} desired, last scaled: {last}",
            status.current_replicas, status.desired_replicas
        ),
    );
    for condition in &status.conditions {
        line(
            2,
            &format!(
                "{} {}, {}: {}",
                condition.r#type, condition.status, condition.reason, condition.message
            ),
        );
    }
    out
}

fn of_metric(metric: &MetricReport, line: &mut impl FnMut(usize, &str)) {
    let status = metric.status.as_deref().unwrap_or("nothing");
    match (&metric.usage, metric.ratio, metric.replicas) {
        (Some(usage), Some(ratio), Some(replicas)) => {
            let tolerated = if metric.is_tolerated {
                ", which is tolerated"
            } else {
                ""
            };
            line(
                1,
                &format!(
                    "{}: {usage}, target {}, ratio {ratio:.3}{tolerated} -> {replicas} replicas; \
                     its status says {status}",
                    metric.name, metric.target
                ),
            );
        }
        _ => line(
            1,
            &format!(
                "{}: target {}, asks for nothing; its status says {status}",
                metric.name, metric.target
            ),
        ),
    }
    if let Some(cause) = &metric.cause {
        line(2, cause);
    }
    for (what, pods) in [
        ("without a value", &metric.missing),
        ("not ready", &metric.unready),
    ] {
        if !pods.is_empty() {
            line(2, &format!("pods {what}: {}", pods.join(", ")));
        }
    }
    let Some(document) = &metric.explanation else {
        return;
    };
    if let Some(rule) = &document.rule {
        line(
            2,
            &format!("rule: {}, seriesQuery {}", rule.place, rule.series_query),
        );
    }
    for query in document
        .queries
        .iter()
        .filter(|query| query.purpose == "values")
    {
        line(2, &format!("query: {}", query.promql));
    }
    for dropped in &document.dropped.items {
        let name = dropped.object.as_deref().unwrap_or("a sample");
        line(2, &format!("left out: {name}: {}", dropped.reason));
    }
}
