//! The tables, once: the page and the terminal show the same columns.

use std::fmt::Write;

use super::{
    panel::clients,
    scale::clock,
    summary::{Figures, Step, Summary, Verdict},
};

/// A table; all columns but the first hold numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What the terminal shows at the end: the verdict, the steps, the promised durations.
pub fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", headline(summary));
    if let Some(verdict) = &summary.verdict {
        for line in figures(verdict) {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = writeln!(text, "\n{}", aligned(&steps(summary)));
    let _ = writeln!(text, "{}", aligned(&checks(summary)));
    text
}

/// The verdict in one line.
pub(super) fn headline(summary: &Summary) -> String {
    let goal = format!(
        "at least {} requests/s at a mean latency below {} ms",
        summary.goal.min_rps, summary.goal.max_mean_ms
    );
    match &summary.verdict {
        Some(verdict) if verdict.held => {
            format!("goal held for {} s: {goal}", verdict.window_seconds)
        }
        Some(verdict) => format!("goal not held for {} s: {goal}", verdict.window_seconds),
        None => format!("not judged, the demo ended early; the goal was {goal}"),
    }
}

/// The verdict's numbers, a line each.
pub(super) fn figures(verdict: &Verdict) -> Vec<String> {
    let show = |figures: Option<Figures>, unit: &str| {
        figures.map_or_else(
            || "no data".to_owned(),
            |it| {
                format!(
                    "worst {:.1}{unit}, average {:.1}{unit}",
                    it.worst, it.average
                )
            },
        )
    };
    vec![
        format!("requests/s: {}", show(verdict.rps, "")),
        format!("mean latency: {}", show(verdict.mean_ms, " ms")),
        format!(
            "of {} moments: {} below the rate, {} above the mean, {} without data",
            verdict.steps,
            verdict.steps_below_rps,
            verdict.steps_above_mean,
            verdict.steps_without_data
        ),
    ]
}

/// The steps of the load.
pub(super) fn steps(summary: &Summary) -> Table {
    let seconds =
        |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0} s"));
    let milliseconds =
        |value: Option<f64>| value.map_or("-".to_owned(), |mean| format!("{:.0} ms", mean * 1e3));
    let row = |step: &Step| {
        let name = if step.clients == 0 {
            "load stopped".to_owned()
        } else {
            format!("{}/s from {}", step.offered, clients(step.clients))
        };
        vec![
            name,
            clock(step.start),
            format!("{} to {}", step.pods_before, step.pods_after),
            seconds(step.rescaled),
            seconds(step.ready),
            milliseconds(step.max_mean),
            seconds(step.recovered),
            seconds(step.settled),
            step.rps.map_or("-".to_owned(), |rps| format!("{rps:.1}")),
            milliseconds(step.mean),
        ]
    };
    Table {
        head: vec![
            "load",
            "at",
            "pods",
            "rescaled",
            "pods Ready",
            "worst mean",
            "mean good",
            "settled",
            "requests/s",
            "mean",
        ],
        rows: summary.steps.iter().map(row).collect(),
    }
}

/// The promised durations.
pub(super) fn checks(summary: &Summary) -> Table {
    Table {
        head: vec!["promised", "at most", "measured", "kept"],
        rows: summary
            .checks
            .iter()
            .map(|check| {
                vec![
                    check.name.clone(),
                    format!("{:.0} s", check.limit_seconds),
                    check
                        .seconds
                        .map_or("not seen".to_owned(), |it| format!("{it:.0} s")),
                    if check.ok { "yes" } else { "no" }.to_owned(),
                ]
            })
            .collect(),
    }
}

/// Columns of equal width: names to the left, numbers to the right.
pub(super) fn aligned(table: &Table) -> String {
    let head: Vec<String> = table.head.iter().map(|&it| it.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&table.rows).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _ = if column == 0 {
                write!(text, "  {cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}
