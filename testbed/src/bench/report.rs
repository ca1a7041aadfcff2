//! What is printed and kept of a run.

use std::{fs, io::Write as _, path::Path};

use serde::Serialize;

use super::{
    aggregated::Aggregated,
    bound::{Bound, bounds},
    controller::Simulation,
    error::{Error, Result},
    limit::{Comparison, Who},
    plan::Size,
    relist::Relist,
    start::Start,
    statistic::Spread,
    window::{GENERATOR, Window},
};

/// Everything that a run told.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) sizes: Vec<SizeReport>,
}

/// What one size told.
#[derive(Debug, Serialize)]
pub(crate) struct SizeReport {
    #[serde(serialize_with = "display")]
    pub(crate) size: Size,
    pub(crate) idle_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) aggregated: Vec<Aggregated>,
    pub(crate) controller: Vec<Simulation>,
    pub(crate) starts: Vec<Start>,
    pub(crate) relists: Vec<Relist>,
}

impl SizeReport {
    /// Nothing yet.
    pub(crate) const fn new(size: Size) -> Self {
        Self {
            size,
            idle_bytes: 0,
            peak_bytes: 0,
            comparisons: Vec::new(),
            aggregated: Vec::new(),
            controller: Vec::new(),
            starts: Vec::new(),
            relists: Vec::new(),
        }
    }
}

fn display<S: serde::Serializer>(
    size: &Size,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(size)
}

/// Prints the table and writes `report.json`.
pub(crate) fn write(report: &Report, dir: &Path) -> Result<()> {
    let bounds = bounds(report);
    let text = text(report, &bounds);
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|cause| Error::failed("standard output", cause))?;
    let document = serde_json::json!({"sizes": report.sizes, "bounds": bounds});
    let file = dir.join("report.json");
    fs::write(&file, format!("{document:#}\n")).map_err(crate::Error::file("write", &file))?;
    crate::progress::say(&format!("report: {}", file.display()));
    Ok(())
}

fn text(report: &Report, bounds: &[Bound]) -> String {
    let mut text = String::new();
    for size in &report.sizes {
        text.push_str(&size_text(size));
    }
    text.push_str("\nbounds\n");
    for bound in bounds {
        let mark = if bound.is_met { "met" } else { "NOT MET" };
        text.push_str(&format!(
            "  {:<66} {:>9.2}  bound {:>7.2}  {mark}\n",
            bound.what, bound.measured, bound.bound
        ));
    }
    text
}

fn size_text(size: &SizeReport) -> String {
    let mut text = format!(
        "\n{}: memory {:.1} MiB idle, {:.1} MiB at peak\n",
        size.size,
        mebibytes(size.idle_bytes),
        mebibytes(size.peak_bytes)
    );
    for comparison in &size.comparisons {
        text.push_str(&comparison_text(comparison));
    }
    for aggregated in &size.aggregated {
        text.push_str(&heading(aggregated.callers));
        text.push_str(&row("through kube-apiserver", &aggregated.windows));
    }
    for simulation in &size.controller {
        text.push_str(&simulation_text(simulation));
    }
    if !size.starts.is_empty() {
        let spread = |value: &dyn Fn(&Start) -> f64| {
            let spread = Spread::of(size.starts.iter().map(value));
            format!(
                "{:.0} ({:.0} to {:.0})",
                spread.median, spread.least, spread.most
            )
        };
        text.push_str(&format!(
            "\n  {} starts, ms: connected {}, answered {}, ready {}, right {}\n  before: {:?}\n",
            size.starts.len(),
            spread(&|start| start.connected_ms),
            spread(&|start| start.answered_ms),
            spread(&|start| start.ready_ms),
            spread(&|start| start.correct_ms),
            size.starts
                .iter()
                .map(|start| &start.before)
                .collect::<Vec<_>>(),
        ));
    }
    for relist in &size.relists {
        text.push_str(&format!(
            "\n  {} series ({:.0} MiB, {} names) from a stand-in: {:.1} MiB idle, {:.1} MiB at peak, {:.1} s, {:.1} s of CPU; \
             {} answers of discovery meanwhile, the slowest after {:.1} ms\n",
            relist.series,
            mebibytes(relist.list_bytes as u64),
            relist.names,
            mebibytes(relist.idle_bytes),
            mebibytes(relist.peak_bytes),
            relist.seconds,
            relist.cpu_seconds,
            relist.discovery_requests,
            relist.discovery_worst_ms,
        ));
    }
    text
}

fn heading(callers: usize) -> String {
    format!(
        "\n  {:<24} {:>9} {:>8} {:>8}   CPU s per 1,000 requests\n",
        format!("{callers} callers"),
        "req/s",
        "p50 ms",
        "p99 ms"
    )
}

/// The medians of some windows.
fn row(name: &str, windows: &[Window]) -> String {
    let median = |value: &dyn Fn(&Window) -> f64| Spread::of(windows.iter().map(value)).median;
    let mut text = format!(
        "  {name:<24} {:>9.0} {:>8.2} {:>8.2}  ",
        median(&|one| one.requests_per_second),
        median(&|one| one.p50_ms),
        median(&|one| one.p99_ms),
    );
    let names = windows.first().map(|one| one.cpu_per_1000.keys());
    for name in names.into_iter().flatten() {
        let used = median(&|one| one.cpu_per_1000.get(name).copied().unwrap_or_default());
        text.push_str(&format!(" {name} {used:.3}"));
    }
    let cores = median(&|one| one.generator_cores);
    text.push_str(&format!(" ({GENERATOR}: {cores:.2} cores)\n"));
    text
}

fn comparison_text(comparison: &Comparison) -> String {
    let mut text = heading(comparison.callers);
    for (who, windows) in &comparison.windows {
        text.push_str(&row(who.name(), windows));
    }
    let ratio = &comparison.ratio;
    let spread = |spread: Spread| {
        format!(
            "{:.2} ({:.2} to {:.2})",
            spread.median, spread.least, spread.most
        )
    };
    text.push_str(&format!(
        "  adapter beside {}: requests/s × {}, by the servers' CPU × {}, p99 + {} ms, CPU × {}\n  \
         adapter beside {}: requests/s × {}\n",
        Who::StaticLimit.name(),
        spread(ratio.rate),
        spread(ratio.rate_of_cpu),
        spread(ratio.p99_beyond_ms),
        spread(ratio.cpu),
        Who::StaticListener.name(),
        spread(ratio.rate_of_listener),
    ));
    text
}

fn simulation_text(one: &Simulation) -> String {
    let cores: Vec<String> = one
        .cores
        .iter()
        .map(|(name, cores)| format!("{name} {cores:.3}"))
        .collect();
    format!(
        "\n  {} HPAs, {}, {} periods: p50 {:.2} ms, p99 {:.2} ms, slowest {:.1} ms; from the turn's due time \
         p99 {:.2} ms; a turn at most {:.0} ms late\n  per period: {:.0} polls, all answered; {:.0} queries of Prometheus (of one \
         namespace each no fewer than {:.0} could do; {} pairs of namespace and metric polled, {} there), {:.0} reviews, {:.1} other requests to kube-apiserver but watches\n  cores: {}\n",
        one.hpas,
        one.arrival.name(),
        one.periods,
        one.p50_ms,
        one.p99_ms,
        one.worst_ms,
        one.p99_from_due_ms,
        one.late_ms,
        one.polls,
        one.prometheus_queries,
        one.least_queries,
        one.keys,
        one.all_keys,
        one.reviews,
        one.other_requests,
        cores.join(", "),
    )
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
