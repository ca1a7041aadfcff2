//! What is printed and kept of a run, and how it stands to its bounds.

use std::{fs, io::Write as _, path::Path};

use serde::Serialize;

use super::{
    error::{Error, Result},
    limit::{Comparison, Who},
    plan::Size,
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
}

fn display<S: serde::Serializer>(
    size: &Size,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(size)
}

/// A bound and what was measured.
#[derive(Debug, Serialize)]
struct Bound {
    what: String,
    measured: f64,
    bound: f64,
    is_met: bool,
}

impl Bound {
    fn at_most(what: impl Into<String>, measured: f64, bound: f64) -> Self {
        Self {
            what: what.into(),
            measured,
            bound,
            is_met: measured <= bound,
        }
    }

    fn at_least(what: impl Into<String>, measured: f64, bound: f64) -> Self {
        Self {
            is_met: measured >= bound,
            ..Self::at_most(what, measured, bound)
        }
    }
}

/// The callers for which the bounds beside the static limit were set: the stock controller's.
const JUDGED_CALLERS: usize = 5;

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

fn bounds(report: &Report) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for size in &report.sizes {
        let name = size.size;
        let judged = size
            .comparisons
            .iter()
            .filter(|one| one.callers == JUDGED_CALLERS);
        for one in judged {
            let (callers, ratio) = (one.callers, &one.ratio);
            let what = |what: &str| format!("{name}, {callers} callers: {what}");
            bounds.extend([
                Bound::at_least(
                    what("requests/s, part of the limit's"),
                    ratio.rate.median,
                    0.7,
                ),
                Bound::at_most(
                    what("p99 beyond the limit's, ms"),
                    ratio.p99_beyond_ms.median,
                    2.0,
                ),
                Bound::at_most(
                    what("CPU per request, multiple of the limit's"),
                    ratio.cpu.median,
                    1.5,
                ),
            ]);
        }
        let idle = mebibytes(size.idle_bytes);
        bounds.push(Bound::at_most(
            format!("{name}: memory idle, MiB"),
            idle,
            name.idle_bound(),
        ));
    }
    bounds
}

fn text(report: &Report, bounds: &[Bound]) -> String {
    let mut text = String::new();
    for size in &report.sizes {
        text.push_str(&format!(
            "\n{}: memory {:.1} MiB idle, {:.1} MiB at peak\n",
            size.size,
            mebibytes(size.idle_bytes),
            mebibytes(size.peak_bytes)
        ));
        for comparison in &size.comparisons {
            text.push_str(&comparison_text(comparison));
        }
    }
    text.push_str("\nbounds\n");
    for bound in bounds {
        let mark = if bound.is_met { "met" } else { "NOT MET" };
        text.push_str(&format!(
            "  {:<58} {:>9.2}  bound {:>7.2}  {mark}\n",
            bound.what, bound.measured, bound.bound
        ));
    }
    text
}

fn comparison_text(comparison: &Comparison) -> String {
    let mut text = format!(
        "\n  {} callers{:<14} {:>9} {:>8} {:>8}   CPU s per 1,000 requests\n",
        comparison.callers, "", "req/s", "p50 ms", "p99 ms"
    );
    for (who, windows) in &comparison.windows {
        let median = |value: &dyn Fn(&Window) -> f64| Spread::of(windows.iter().map(value)).median;
        text.push_str(&format!(
            "  {:<24} {:>9.0} {:>8.2} {:>8.2}  ",
            who.name(),
            median(&|one| one.requests_per_second),
            median(&|one| one.p50_ms),
            median(&|one| one.p99_ms),
        ));
        let names = windows.first().map(|one| one.cpu_per_1000.keys());
        for name in names.into_iter().flatten() {
            let used = median(&|one| one.cpu_per_1000.get(name).copied().unwrap_or_default());
            text.push_str(&format!(" {name} {used:.3}"));
        }
        let cores = median(&|one| one.generator_cores);
        text.push_str(&format!(" ({GENERATOR}: {cores:.2} cores)\n"));
    }
    let ratio = &comparison.ratio;
    let spread = |spread: Spread| {
        format!(
            "{:.2} ({:.2} to {:.2})",
            spread.median, spread.least, spread.most
        )
    };
    text.push_str(&format!(
        "  adapter beside {}: requests/s × {}, p99 + {} ms, CPU × {}\n  \
         adapter beside {}: requests/s × {}\n",
        Who::StaticLimit.name(),
        spread(ratio.rate),
        spread(ratio.p99_beyond_ms),
        spread(ratio.cpu),
        Who::StaticListener.name(),
        spread(ratio.rate_of_listener),
    ));
    text
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_up_to_itself() {
        assert!(Bound::at_most("", 1.5, 1.5).is_met);
        assert!(!Bound::at_most("", 1.6, 1.5).is_met);
        assert!(Bound::at_least("", 0.7, 0.7).is_met);
        assert!(!Bound::at_least("", 0.69, 0.7).is_met);
    }
}
