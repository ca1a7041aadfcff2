//! The report as text: findings first, then each rule.

use std::fmt::Write as _;

use super::absence::told;
use super::finding::{Finding, Severity};
use super::report::{Element, Example, Report, RuleReport};
use crate::explain::style::{self, Style, printable};

/// Names and metrics of a rule that are listed.
const LISTED: usize = 8;
/// Findings that are listed.
const FINDINGS: usize = 30;

/// The text, for people.
pub fn text(report: &Report, style: Style) -> String {
    let mut text = String::new();
    head(&mut text, report, style);
    for finding in report.findings.iter().take(FINDINGS) {
        write_finding(&mut text, finding, style);
    }
    let more = report.findings.len().saturating_sub(FINDINGS);
    if more > 0 {
        let _ = writeln!(text, "and {more} more, which --output json tells");
    }
    for rule in &report.rules {
        write_rule(&mut text, rule, style);
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nnot checked: {}", printable(note));
    }
    text
}

fn head(text: &mut String, report: &Report, style: Style) {
    let subject = match &report.prometheus {
        Some(address) => format!("{} with {address}", report.config),
        None => format!("{}, without Prometheus", report.config),
    };
    let outcome = match (report.errors, report.warnings) {
        (0, 0) if report.prometheus.is_none() => "nothing is wrong in the file itself".to_owned(),
        (0, 0) => "nothing is wrong".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        }
    };
    let _ = writeln!(text, "{}: {outcome}", style.heading(&subject));
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

fn write_finding(text: &mut String, finding: &Finding, style: Style) {
    let severity = match finding.severity {
        Severity::Error => style.bad("error"),
        Severity::Warning => style.doubtful("warning"),
    };
    let rules = match finding.rules.join(", ") {
        none if none.is_empty() => none,
        rules => format!(" {}", style.heading(&rules)),
    };
    let _ = writeln!(text, "{severity}{rules}: {}", printable(&finding.message));
    if let Some(hint) = &finding.hint {
        let _ = writeln!(text, "  -> {}", printable(hint));
    }
}

fn write_rule(text: &mut String, rule: &RuleReport, style: Style) {
    let heading = format!("{} ({})", style.heading(&rule.rule), rule.api);
    let heading = match rule.series_query.as_str() {
        "" => heading,
        query => format!("{heading} {}", printable(query)),
    };
    let _ = writeln!(text, "\n{heading}");
    let mut line = |name: &str, content: &str| {
        let name = style.quiet(&format!("{name:<8}"));
        // Queries are told as they are, over several lines if they have them.
        for (index, part) in content.trim_end().lines().enumerate() {
            let begin = if index == 0 { &name } else { "        " };
            let _ = writeln!(text, "  {begin} {}", printable(part));
        }
    };
    if let Some(series) = rule.series {
        line("series", &series_line(rule, series));
    }
    let mapped = rule.labels.iter().filter_map(|label| {
        let resource = label.resource.as_ref()?;
        Some(format!("{} -> {resource}", label.label))
    });
    let mapped: Vec<String> = mapped.collect();
    if !mapped.is_empty() {
        line("labels", &listed(&mapped));
    }
    for (reason, labels) in unmapped(rule) {
        line("unmapped", &format!("{}: {reason}", listed(&labels)));
    }
    if !rule.metrics.is_empty() {
        line(
            "metrics",
            &format!("{}: {}", rule.metrics.len(), listed(&rule.metrics)),
        );
    } else if rule.series.is_some() {
        line("metrics", "none");
    }
    if let Some(example) = &rule.example {
        write_example(example, &mut line);
    }
}

fn series_line(rule: &RuleReport, series: usize) -> String {
    let names = rule.names.iter().map(|name| match name.series {
        Some(count) => format!("{} ({count})", name.name),
        None => name.name.clone(),
    });
    let names: Vec<String> = names.collect();
    let mut line = series.to_string();
    if !names.is_empty() {
        line += &format!(", with samples now: {}", listed(&names));
    }
    if rule.filtered_names > 0 {
        line += &format!("; {} filtered", count(rule.filtered_names, "name"));
    }
    if let Some(interval) = rule.scrape_interval {
        line += &format!("; a sample every {}", told(interval));
    }
    if let Some(newest) = rule.newest_sample {
        line += &format!("; the newest sample {} ago", told(newest));
    }
    line
}

/// Labels that are not mapped, by the reason; a reason may name its label.
fn unmapped(rule: &RuleReport) -> Vec<(String, Vec<String>)> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for label in &rule.labels {
        let Some(reason) = &label.reason else {
            continue;
        };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, labels)) => labels.push(label.label.clone()),
            None => reasons.push((reason.clone(), vec![label.label.clone()])),
        }
    }
    reasons
}

fn write_example(example: &Example, line: &mut impl FnMut(&str, &str)) {
    line("request", &example.request);
    line("PromQL", &example.query);
    if let Some(error) = &example.error {
        line("result", error);
        return;
    }
    if example.result.is_empty() {
        line("result", "none");
    }
    for element in &example.result {
        line("result", &element_line(element));
    }
    if example.more > 0 {
        line("", &format!("and {} more", example.more));
    }
}

fn element_line(element: &Element) -> String {
    let labels = element
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"));
    let labels: Vec<String> = labels.collect();
    format!("{{{}}} {}", labels.join(","), element.value)
}

fn listed(names: &[String]) -> String {
    style::listed(names, names.len(), LISTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::check::finding::{Check, Findings};

    fn mk_report(findings: usize) -> Report {
        let mut all = Findings::default();
        for index in 0..findings {
            let message = format!("no series \u{1b}[2J{index}");
            all.add(Finding::error(Check::NoSeries, message).hint("look there"));
        }
        Report::new("rules.yaml".as_ref(), Some("http://p/")).with_findings(all)
    }

    #[test]
    fn colours_are_for_terminals() {
        let plain = text(&mk_report(1), Style::Plain);
        let expected =
            "rules.yaml with http://p/: 1 error\nerror: no series \\u{1b}[2J0\n  -> look there\n";
        assert_eq!(plain, expected);
        let coloured = text(&mk_report(1), Style::Coloured);
        assert!(coloured.contains("\u{1b}[31m"), "{coloured:?}");
        assert!(!coloured.contains("\u{1b}[2J"), "{coloured:?}");
    }

    #[test]
    fn queries_keep_their_lines() {
        let mut report = mk_report(0);
        let mut rule = RuleReport::of_usage("resourceRules.cpu.nodeQuery".to_owned());
        rule.example = Some(Example {
            request: "/apis".to_owned(),
            query: "sum(\n  a\n)\n".to_owned(),
            result: Vec::new(),
            more: 0,
            error: None,
        });
        report.rules.push(rule);
        let expected = "\nresourceRules.cpu.nodeQuery (resource)\n  request  /apis\n  PromQL   sum(\n             a\n           )\n  result   none\n";
        let shown = text(&report, Style::Plain);
        assert!(shown.ends_with(expected), "{shown}");
    }

    #[test]
    fn long_lists_end_somewhere() {
        let plain = text(&mk_report(100), Style::Plain);
        assert!(plain.contains("and 70 more"), "{plain}");
        let names: Vec<String> = (0..1000).map(|index| format!("m{index}")).collect();
        assert!(listed(&names).ends_with("m7 and 992 more"));
        assert_eq!(
            text(&mk_report(0), Style::Plain),
            "rules.yaml with http://p/: nothing is wrong\n"
        );
    }
}
