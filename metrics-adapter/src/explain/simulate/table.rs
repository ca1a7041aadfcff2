//! The report as text.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::super::style::printable;
use super::report::{Candidature, Report, Rescale};

/// Rows of the course of events, roughly.
const ROWS: usize = 24;

/// The text, for a terminal.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let (first, last) = (report.times.first(), report.times.last());
    let (Some(first), Some(last)) = (first, last) else {
        return text;
    };
    let _ = writeln!(
        text,
        "HPA {}/{} of {}, {}\n{first} to {last}, {} syncs, one every {:?}\n",
        report.namespace,
        report.autoscaler,
        report.workload,
        report.mode,
        report.times.len(),
        Duration::from_secs_f64(report.sync_period_seconds),
    );
    text += &metrics(report);
    text += "\nCandidates\n";
    text += &align(&candidates(report));
    text += "\nCourse\n";
    text += &align(&course(report));
    text += &rescales(report);
    text += "\nNotes\n";
    for note in &report.notes {
        let _ = writeln!(text, "- {}", printable(note));
    }
    text
}

fn metrics(report: &Report) -> String {
    let mut text = "Metrics\n".to_owned();
    for metric in &report.recorded.metrics {
        let model = match report.mode {
            "modelled" => format!("{}, ", metric.model),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  {} ({model}{})\n    {}",
            metric.metric, metric.origin, metric.query
        );
    }
    for shown in &report.recorded.shown {
        let _ = writeln!(text, "  {} (--show)\n    {}", shown.name, shown.query);
    }
    text
}

fn candidates(report: &Report) -> Vec<Vec<String>> {
    let head = [
        "",
        "candidate",
        "targets",
        "bounds",
        "fewest",
        "mean",
        "most",
        "pod-hours",
        "rescales",
        "above target",
        "metric missing",
        "held",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (index, candidate) in report.candidates.iter().enumerate() {
        let targets: Vec<String> = candidate
            .metrics
            .iter()
            .map(|goal| format!("{} {}", short(&goal.metric), goal.target))
            .collect();
        let summary = &candidate.summary;
        rows.push(vec![
            letter(index),
            candidate.name.clone(),
            targets.join(", "),
            format!("{}..{}", candidate.min_replicas, candidate.max_replicas),
            summary.fewest.to_string(),
            format!("{:.2}", summary.mean),
            summary.most.to_string(),
            format!("{:.2}", summary.pod_hours),
            summary.rescales.to_string(),
            percents(summary.above_target),
            percents(summary.metric_missing),
            percents(summary.held),
        ]);
    }
    rows
}

/// A row at round distances: what was recorded, then each candidate's replicas and what its
/// metrics would have been.
fn course(report: &Report) -> Vec<Vec<String>> {
    let recorded = &report.recorded;
    let mut head = vec!["time".to_owned(), "pods".to_owned()];
    for metric in &recorded.metrics {
        let kind = if metric.model == "split" {
            "sum"
        } else {
            "mean"
        };
        let kind = if metric.per_pod { kind } else { "all" };
        head.push(format!("{} {kind}", short(&metric.metric)));
    }
    head.extend(recorded.shown.iter().map(|shown| shown.name.clone()));
    for (index, candidate) in report.candidates.iter().enumerate() {
        let letter = letter(index);
        head.push(format!("{letter} pods"));
        for goal in &candidate.metrics {
            head.push(format!("{letter} {}", short(&goal.metric)));
        }
    }
    let mut rows = vec![head];
    for sync in (0..report.times.len()).step_by(stride(report)) {
        let replicas = recorded.replicas[sync].map(f64::from);
        let mut row = vec![clock(report, report.times[sync].0), value(replicas)];
        for metric in &recorded.metrics {
            let is_mean = metric.per_pod && metric.model == "recorded";
            let values = if is_mean {
                &metric.means
            } else {
                &metric.totals
            };
            row.push(value(values[sync]));
        }
        let shown = recorded.shown.iter();
        row.extend(shown.map(|shown| value(shown.values[sync])));
        for candidate in &report.candidates {
            row.push(candidate.replicas[sync].to_string());
            row.extend(candidate.metrics.iter().map(|goal| value(goal.usage[sync])));
        }
        rows.push(row);
    }
    rows
}

fn rescales(report: &Report) -> String {
    let mut text = "\nRescales as recorded\n".to_owned();
    text += &changes(report, &report.recorded.rescales);
    for (index, candidate) in report.candidates.iter().enumerate() {
        let Candidature { name, rescales, .. } = candidate;
        let _ = writeln!(text, "\nRescales of {}, {name}", letter(index));
        text += &changes(report, rescales);
    }
    text
}

fn changes(report: &Report, rescales: &[Rescale]) -> String {
    if rescales.is_empty() {
        return "  none\n".to_owned();
    }
    let row = |rescale: &Rescale| {
        let cause = rescale
            .metric
            .as_deref()
            .map_or_else(String::new, |metric| {
                format!("{} {}", short(metric), value(rescale.usage))
            });
        vec![
            clock(report, rescale.time.0),
            format!("{} -> {}", rescale.from, rescale.to),
            cause,
            rescale.reason.unwrap_or_default().to_owned(),
        ]
    };
    align(&rescales.iter().map(row).collect::<Vec<_>>())
}

/// Syncs between two rows: a round time.
fn stride(report: &Report) -> usize {
    const ROUND: [usize; 10] = [1, 2, 4, 8, 20, 40, 80, 240, 480, 960];
    let least = report.times.len().div_ceil(ROWS);
    let found = ROUND.into_iter().find(|stride| *stride >= least);
    found.unwrap_or(least)
}

/// The letter by which tables name a candidate: A to Z, then numbers.
pub(super) fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(small) if small < 26 => char::from(b'A' + small).to_string(),
        _ => format!("#{}", index + 1),
    }
}

/// A metric without its kind and object; a container's with the container. In a selector there
/// may be slashes too.
pub(super) fn short(metric: &str) -> &str {
    if let Some(of_container) = metric.strip_prefix("container/") {
        return of_container;
    }
    let name = metric.find('{').unwrap_or(metric.len());
    let start = metric[..name].rfind('/').map_or(0, |slash| slash + 1);
    &metric[start..]
}

/// The time of day in UTC, with the date where there is more than one.
fn clock(report: &Report, at: Timestamp) -> String {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let ends = (report.times.first(), report.times.last());
    let days = match ends {
        (Some(first), Some(last)) => last.0.duration_since(first.0).as_hours() >= 24,
        _ => false,
    };
    let format = if days { "%m-%d %H:%M:%S" } else { "%H:%M:%S" };
    at.strftime(format).to_string()
}

/// About four digits.
pub(super) fn value(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return "-".to_owned();
    };
    let digits = match value.abs() {
        size if size >= 1000.0 || value.fract() == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn percents(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// Columns as wide as they need be; numbers to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            cells(column)
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let is_number = |text: &String| {
        text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.contains(['>', ':'])
    };
    let numeric: Vec<bool> = (0..columns)
        .map(|column| cells(column).skip(1).all(is_number) && cells(column).count() > 1)
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if numeric[column] {
                write!(line, "  {cell:>width$}")
            } else {
                write!(line, "  {cell:<width$}")
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
