//! The verdict and its report. Law: pure; no figure is said that was not measured.

use std::fmt::Write as _;

use super::{
    plan::{self, ENOUGH, HIGH, LOW},
    watch::Seen,
};
use crate::{
    child::End,
    report::{Moment, Pool, Reached},
};

/// How many programs of ours must end well when they are asked to.
const OURS: [&str; 2] = ["exoscale-sd", "exoscale-autoscaler"];

/// What is to be said.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) pool: Pool,
    checks: Vec<(String, bool)>,
}

/// Judges what was seen, and how the programs ended.
pub(super) fn judge(seen: Seen, ends: &[End]) -> Verdict {
    let moments = &seen.moments;
    let most = moments.iter().map(|it| it.size).max().unwrap_or_default();
    let last = moments.last().copied().unwrap_or_default();
    let cpu = |moments: &mut dyn Iterator<Item = &Moment>| {
        moments.filter_map(|it| it.cpu).reduce(f64::max)
    };
    let loaded: Vec<&Moment> = moments.iter().filter(|it| it.t < seen.load_end).collect();
    let peak = cpu(&mut loaded.iter().copied());
    let steady = loaded.last().and_then(|it| it.cpu);
    let percent = |value: Option<f64>| {
        value.map_or("unknown".to_owned(), |value| {
            format!("{:.0} %", value * 100.0)
        })
    };
    let sizes: Vec<u32> = std::iter::once(1).chain(seen.orders.clone()).collect();
    let single = sizes.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 1);
    let ended = ends
        .iter()
        .filter(|end| OURS.contains(&end.name) && end.code == Some(0))
        .count();
    let slowest = ends.iter().map(|end| end.seconds).fold(0.0, f64::max);
    let checks = vec![
        (
            format!("one instance was not enough: CPU up to {}", percent(peak)),
            peak.is_some_and(|peak| peak > HIGH),
        ),
        (
            format!(
                "the pool grew to {most} instances within {:.0} s",
                seen.load_end
            ),
            seen.grown && most >= ENOUGH,
        ),
        (
            format!("then the load fitted: CPU {}", percent(steady)),
            steady.is_some_and(|cpu| cpu < HIGH && cpu > LOW),
        ),
        (
            format!(
                "{} of {} requests failed",
                seen.failed,
                seen.requests + seen.failed
            ),
            seen.requests > 0 && seen.failed * 100 <= seen.requests,
        ),
        (
            format!(
                "without load it shrank to {} within {:.0} s",
                last.size,
                seen.shrunk_at - seen.load_end
            ),
            seen.shrunk,
        ),
        (
            seen.healed.map_or_else(
                || "all instances destroyed: nobody took their place in time".to_owned(),
                |seconds| {
                    format!(
                        "all instances destroyed: others healthy and scraped within {seconds:.0} s"
                    )
                },
            ),
            seen.healed.is_some(),
        ),
        (format!("sizes ordered, one step each: {sizes:?}"), single),
        (
            format!("both programs ended with 0 on TERM, the slowest of all in {slowest:.1} s"),
            ended == OURS.len(),
        ),
    ];
    let held = checks.iter().all(|(_, good)| *good);
    let headline = format!(
        "{}: {most} instances under load, {} after it, in {:.0} s",
        if held {
            "as it should be"
        } else {
            "NOT as it should be"
        },
        last.size,
        last.t
    );
    Verdict {
        pool: Pool {
            title: "Alerts scale an instance pool by its average CPU usage".to_owned(),
            reached: Reached::Scraped,
            headline,
            held,
            high: HIGH,
            low: LOW,
            load_end: seen.load_end,
            moments: seen.moments,
        },
        checks,
    }
}

/// The report.
pub(super) fn text(verdict: &Verdict) -> String {
    let mut text = format!("{}\n\n", verdict.pool.headline);
    for (what, good) in &verdict.checks {
        let mark = if *good { "ok " } else { "NOT" };
        let _ = writeln!(text, "  {mark}  {what}");
    }
    let _ = writeln!(
        text,
        "\nHow to read it: an instance counts as {} of one of this machine's CPUs. Its CPU usage is \
         the CPU\ntime that its process really used, and the time that it waited for a CPU that others \
         had (a virtual\nmachine's steal), divided by that, at most 100 %. A request burns {} ms, and \
         one comes every {} ms:\nthe work of {:.1} instances. Expected: {}.\n\
         Times are shortened: scrapes 2 s (15 s in real life), rate over 10 s (1 min), alerts pending \
         for\n10 s (1 min), repeated after 30 s (5 min), steps every {} s (60 s). Thresholds, rules and \
         routes are\nthose of exoscale/monitoring.",
        plan::CAPACITY,
        plan::BURN.as_millis(),
        plan::REQUEST_EVERY.as_millis(),
        plan::expected(1),
        (1..=4)
            .map(|size| format!("{:.0} % with {size}", plan::expected(size) * 100.0))
            .collect::<Vec<_>>()
            .join(", "),
        plan::STEP.as_secs(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_seen() -> Seen {
        let moment = |t: f64, cpu: f64, size: u32| Moment {
            t,
            cpu: Some(cpu),
            size,
            running: size,
            targets: Some(size),
        };
        Seen {
            moments: vec![
                moment(0.0, 0.0, 1),
                moment(20.0, 1.0, 1),
                moment(60.0, 0.74, 3),
                moment(120.0, 0.0, 1),
            ],
            load_end: 61.0,
            grown: true,
            shrunk: true,
            shrunk_at: 120.0,
            healed: Some(9.0),
            orders: vec![2, 3, 2, 1],
            requests: 500,
            failed: 0,
        }
    }

    fn mk_ends(code: i32) -> Vec<End> {
        let end = |name| End {
            name,
            code: Some(code),
            seconds: 0.1,
        };
        OURS.into_iter().map(end).collect()
    }

    #[test]
    fn growing_and_shrinking_in_single_steps_is_good() {
        let verdict = judge(mk_seen(), &mk_ends(0));
        assert!(verdict.pool.held, "{}", text(&verdict));
        assert!(text(&verdict).contains("211 % with 1, 105 % with 2, 70 % with 3"));
    }

    #[test]
    fn anything_else_is_not() {
        let bad = |change: fn(&mut Seen)| {
            let mut seen = mk_seen();
            change(&mut seen);
            !judge(seen, &mk_ends(0)).pool.held
        };
        assert!(bad(|seen| seen.grown = false));
        assert!(bad(|seen| seen.shrunk = false));
        assert!(bad(|seen| seen.healed = None));
        assert!(bad(|seen| seen.orders = vec![3, 1]));
        assert!(bad(|seen| seen.failed = 50));
        assert!(bad(|seen| seen.requests = 0));
        assert!(bad(|seen| seen.moments[1].cpu = Some(0.7)));
        assert!(!judge(mk_seen(), &mk_ends(1)).pool.held);
        assert!(!judge(Seen::default(), &[]).pool.held);
    }
}
