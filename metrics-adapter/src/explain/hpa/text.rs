//! The report for people. Law: what is wrong, and what helps, stands in the first lines.

use super::super::style::{Lines, Style, listed};
use super::{MetricReport, Report, Word};

/// Pods on one line.
const PODS: usize = 10;

/// The whole.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = Lines::default();
    let Report { verdict, .. } = report;
    let headline = match verdict.word {
        Word::Agrees => style.good(&format!("agrees with its status: {}", verdict.message)),
        Word::Differs => style.bad(&format!("differs from its status: {}", verdict.message)),
        Word::Unseen => style.bad(&format!("cannot be judged: {}", verdict.message)),
        Word::Fails => style.bad(&format!("cannot scale: {}", verdict.message)),
    };
    let subject = format!("hpa/{} in {}", report.name, report.namespace);
    out.headline(&subject, &headline);
    for advice in &verdict.advice {
        out.add(1, advice);
    }
    let [min, max] = report.bounds;
    let wanted = report
        .wanted
        .map_or_else(|| "nobody knows".to_owned(), |wanted| wanted.to_string());
    out.add(
        1,
        &format!(
            "{}: {} replicas, {} pods; wanted: {wanted}; bounds: {min} to {max}",
            report.workload, report.replicas, report.pods
        ),
    );
    for metric in &report.metrics {
        of_metric(metric, &mut out);
    }
    let status = &report.status;
    let last = status.last_scale_time.as_deref().unwrap_or("never");
    out.add(
        1,
        &format!(
            "status: {} replicas, {} desired, last scaled: {last}",
            status.current_replicas, status.desired_replicas
        ),
    );
    for condition in &status.conditions {
        out.add(
            2,
            &format!(
                "{} {}, {}: {}",
                condition.r#type, condition.status, condition.reason, condition.message
            ),
        );
    }
    out.into_text()
}

fn of_metric(metric: &MetricReport, out: &mut Lines) {
    let status = metric.status.as_deref().unwrap_or("nothing");
    match (&metric.usage, metric.ratio, metric.replicas) {
        (Some(usage), Some(ratio), Some(replicas)) => {
            let tolerated = if metric.is_tolerated {
                ", which is tolerated"
            } else {
                ""
            };
            out.add(
                1,
                &format!(
                    "{}: {usage}, target {}, ratio {ratio:.3}{tolerated} -> {replicas} replicas; \
                     its status says {status}",
                    metric.name, metric.target
                ),
            );
        }
        _ => out.add(
            1,
            &format!(
                "{}: target {}, asks for nothing; its status says {status}",
                metric.name, metric.target
            ),
        ),
    }
    if let Some(cause) = &metric.cause {
        out.add(2, cause);
    }
    if let Some(unexplained) = &metric.unexplained {
        out.add(2, &format!("not explained: {unexplained}"));
        if let Some(advice) = metric.advice.first() {
            out.add(3, advice);
        }
    }
    for (what, pods) in [
        ("without a value", &metric.missing),
        ("not ready", &metric.unready),
    ] {
        if !pods.is_empty() {
            out.add(
                2,
                &format!("pods {what}: {}", listed(pods, pods.len(), PODS)),
            );
        }
    }
    let Some(document) = &metric.explanation else {
        return;
    };
    if let Some(rule) = &document.rule {
        out.add(
            2,
            &format!("rule: {}, seriesQuery {}", rule.place, rule.series_query),
        );
    }
    for query in document
        .queries
        .iter()
        .filter(|query| query.purpose == "values")
    {
        out.add(2, &format!("query: {}", query.promql));
    }
    for dropped in &document.dropped.items {
        let name = dropped.object.as_deref().unwrap_or("a sample");
        out.add(2, &format!("left out: {name}: {}", dropped.reason));
    }
}
