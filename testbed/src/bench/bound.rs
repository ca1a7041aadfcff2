//! What was promised, and what was measured. Law: pure; nothing that is slow is an error.

use serde::Serialize;

use super::{
    controller::Simulation,
    limit::{Comparison, Who},
    queue::{Arrival, PERIOD},
    relist::NAMES,
    report::{Report, SizeReport, mebibytes},
    statistic::{Spread, ratio},
};

/// A bound and what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Bound {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) bound: f64,
    pub(crate) is_met: bool,
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

/// HPAs for which the controller's bounds were set.
const JUDGED_HPAS: usize = 2000;

/// Every bound that this run can tell about.
pub(crate) fn bounds(report: &Report) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for size in &report.sizes {
        bounds.extend(beside_the_limit(size));
        let judged = size.controller.iter().filter(|one| one.hpas == JUDGED_HPAS);
        bounds.extend(judged.flat_map(|one| of_the_controller(size, one)));
        bounds.extend(of_memory_and_start(size));
    }
    bounds
}

/// The most of the machine's cores that the load generator may take beside the static limit: with
/// more than half, it is the generator that is measured, and every server looks alike.
fn generator_bound() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores as f64 / 2.0
}

fn beside_the_limit(size: &SizeReport) -> Vec<Bound> {
    let judged = size
        .comparisons
        .iter()
        .filter(|one| one.callers == JUDGED_CALLERS);
    judged
        .flat_map(|one| {
            let what = |what: &str| format!("{}, {} callers: {what}", size.size, one.callers);
            [
                Bound::at_least(
                    what("requests/s, part of the limit's"),
                    one.ratio.rate.median,
                    0.7,
                ),
                Bound::at_most(
                    what("p99 beyond the limit's, ms"),
                    one.ratio.p99_beyond_ms.median,
                    2.0,
                ),
                Bound::at_most(
                    what("CPU per request, multiple of the limit's"),
                    one.ratio.cpu.median,
                    1.5,
                ),
                Bound::at_most(
                    what("load generator beside the limit, cores"),
                    generator_cores(one),
                    generator_bound(),
                ),
            ]
        })
        .collect()
}

/// In the windows of the static limit, where it works most.
fn generator_cores(comparison: &Comparison) -> f64 {
    let windows = comparison.windows.get(&Who::StaticLimit).into_iter();
    Spread::of(windows.flatten().map(|window| window.generator_cores)).median
}

/// Reviews per period and pair of namespace and metric: one whenever the adapter's decision has ended
/// (`--authorization-webhook-cache-authorized-ttl`, 10 s).
const REVIEWS_PER_KEY: f64 = PERIOD.as_secs().div_ceil(10) as f64;

/// Queries of Prometheus, in multiples of the fewest that could have served the same polls with each
/// namespace asked about alone. Only who knows of all polls before they come makes no more.
const QUERIES_TO_LEAST: f64 = 1.05;

fn of_the_controller(size: &SizeReport, one: &Simulation) -> Vec<Bound> {
    let arrival = match one.arrival {
        Arrival::Spread => "spread",
        Arrival::AtOnce => "at once",
    };
    let what = |what: &str| format!("{}, {} HPAs {arrival}: {what}", size.size, one.hpas);
    let mut bounds = vec![
        Bound::at_most(what("p99, ms"), one.p99_ms, 5.0),
        Bound::at_most(
            what("queries per period, of metrics x namespaces"),
            one.prometheus_queries,
            one.all_keys as f64,
        ),
        Bound::at_most(
            what("queries per period, of polls"),
            one.prometheus_queries,
            one.polls,
        ),
        Bound::at_most(
            what("queries per period, multiple of the least of one namespace each"),
            ratio(one.prometheus_queries, one.least_queries),
            QUERIES_TO_LEAST,
        ),
        Bound::at_most(
            what("reviews per period"),
            one.reviews,
            one.keys as f64 * REVIEWS_PER_KEY,
        ),
        Bound::at_most(
            what("other requests to kube-apiserver per period"),
            one.other_requests,
            0.0,
        ),
    ];
    // All at once, everybody but five waits for a worker, however fast the adapter is.
    if one.arrival == Arrival::Spread {
        let from_due = one.p99_from_due_ms;
        bounds.push(Bound::at_most(what("p99 from due, ms"), from_due, 5.0));
    }
    bounds
}

fn of_memory_and_start(size: &SizeReport) -> Vec<Bound> {
    let name = size.size;
    let mut bounds = Vec::new();
    // None in a run that failed before it was measured.
    if size.idle_bytes > 0 {
        bounds.push(Bound::at_most(
            format!("{name}: memory idle, MiB"),
            mebibytes(size.idle_bytes),
            name.idle_bound(),
        ));
    }
    // With many names there are documents of many metrics to be kept.
    let judged = size.relists.iter();
    for relist in judged.filter(|relist| relist.names == NAMES[0]) {
        let more = relist.peak_bytes.saturating_sub(relist.idle_bytes);
        bounds.push(Bound::at_most(
            format!("{name}: peak of {} series beyond idle, MiB", relist.series),
            mebibytes(more),
            30.0,
        ));
    }
    if !size.starts.is_empty() {
        let correct = Spread::of(size.starts.iter().map(|start| start.correct_ms));
        let refused = size.starts.iter().filter(|start| start.has_refused());
        bounds.push(Bound::at_most(
            format!("{name}: first right answer after the slowest start, ms"),
            correct.most,
            1000.0,
        ));
        bounds.push(Bound::at_most(
            format!("{name}: starts that refused or answered wrongly"),
            refused.count() as f64,
            0.0,
        ));
    }
    bounds
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
