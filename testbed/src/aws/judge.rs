//! The verdict and its report. Law: pure; no figure is said that was not measured.

use std::fmt::Write as _;

use super::{
    plan::{self, POLICY},
    tracking::LOW_SHARE,
    watch::Seen,
};
use crate::report::{Pool, Reached};

/// What is to be said.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) pool: Pool,
    checks: Vec<(String, bool)>,
}

/// Judges what was seen.
pub(super) fn judge(seen: Seen) -> Verdict {
    let percent = |value: Option<f64>| {
        value.map_or("unknown".to_owned(), |value| {
            format!("{:.0} %", value * 100.0)
        })
    };
    let sizes: Vec<u32> = seen.orders.iter().map(|it| it.size).collect();
    let out = seen.orders.first().filter(|it| it.size == POLICY.max);
    let back = seen.orders.get(1).filter(|it| it.size == POLICY.min);
    // The points before the order all lie within the load.
    let waited = out.map(|it| it.t - seen.load_begin);
    let points = |count: usize| plan::PERIOD.as_secs_f64() * count as f64;
    let checks = vec![
        (
            out.map_or_else(
                || "no order to grow".to_owned(),
                |order| {
                    format!(
                        "one instance had {} and became {} after {:.0} s of load",
                        percent(Some(order.cpu)),
                        order.size,
                        order.t - seen.load_begin
                    )
                },
            ),
            // Two whole periods lie between the first and the third of three data points.
            out.is_some_and(|it| it.cpu > POLICY.target)
                && waited >= Some(points(POLICY.high_points - 1)),
        ),
        (
            format!(
                "both together had {} under the same load",
                percent(seen.steady)
            ),
            seen.grown && seen.steady.is_some_and(|it| it < POLICY.target),
        ),
        (
            format!("{} of {} requests failed", seen.failed, seen.requests),
            seen.requests > 0 && seen.failed * 100 <= seen.requests,
        ),
        (
            back.map_or_else(
                || "no order to shrink".to_owned(),
                |order| {
                    format!(
                        "without load, at {}, they became {} after {:.0} s",
                        percent(Some(order.cpu)),
                        order.size,
                        order.t - seen.load_end
                    )
                },
            ),
            seen.shrunk && back.is_some(),
        ),
        (
            format!("sizes ordered: {sizes:?}"),
            sizes == [POLICY.max, POLICY.min],
        ),
    ];
    let held = checks.iter().all(|(_, good)| *good);
    let headline = format!(
        "{}: {} instances under load, {} after it, in {:.0} s",
        if held {
            "as it should be"
        } else {
            "NOT as it should be"
        },
        sizes.iter().max().copied().unwrap_or(POLICY.min),
        seen.moments.last().map_or(0, |it| it.size),
        seen.shrunk_at
    );
    Verdict {
        pool: Pool {
            title: format!(
                "Target tracking at {:.0} % CPU, {} times as fast as on AWS",
                POLICY.target * 100.0,
                plan::FACTOR
            ),
            reached: Reached::Healthy,
            headline,
            held,
            high: POLICY.target,
            low: POLICY.low(),
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
         had, divided by\nthat, at most 100 %. A request burns {} ms; {} of them a second: \
         {:.0} % with one, {:.0} % with two.\nThe alarms: {} data points above {:.0} %, {} below {:.0} %; the size: \
         instances x CPU / {:.0} %, rounded up,\n{} to {}. Time is compressed {} times: a data point every \
         {:.0} s (60 s on AWS), warm after {:.0} s (180 s).\n\
         That the lower alarm is at {:.0} % of the target is an assumption: AWS chooses the share.",
        plan::CAPACITY,
        plan::BURN.as_millis(),
        plan::RATE,
        plan::expected(1) * 100.0,
        plan::expected(2) * 100.0,
        POLICY.high_points,
        POLICY.target * 100.0,
        POLICY.low_points,
        POLICY.low() * 100.0,
        POLICY.target * 100.0,
        POLICY.min,
        POLICY.max,
        plan::FACTOR,
        plan::PERIOD.as_secs_f64(),
        plan::WARMUP.as_secs_f64(),
        LOW_SHARE * 100.0,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::watch::Order, report::Moment};

    fn mk_seen() -> Seen {
        let order = |t, size, cpu| Order { t, size, cpu };
        let moment = |t, size| Moment {
            t,
            size,
            ..Moment::default()
        };
        Seen {
            moments: vec![moment(0.0, 1), moment(40.0, 2), moment(120.0, 1)],
            load_begin: 10.0,
            load_end: 60.0,
            shrunk_at: 120.0,
            grown: true,
            shrunk: true,
            steady: Some(0.37),
            orders: vec![order(22.0, 2, 0.74), order(108.0, 1, 0.0)],
            requests: 180,
            failed: 0,
        }
    }

    #[test]
    fn out_and_in_is_good() {
        let verdict = judge(mk_seen());
        let text = text(&verdict);
        assert!(verdict.pool.held, "{text}");
        assert!(text.contains("had 74 % and became 2 after 12 s"), "{text}");
        assert!(text.contains("66 % with one, 33 % with two"), "{text}");
        assert!(
            text.contains("at 90 % of the target is an assumption"),
            "{text}"
        );
    }

    #[test]
    fn anything_else_is_not() {
        let bad = |change: fn(&mut Seen)| {
            let mut seen = mk_seen();
            change(&mut seen);
            !judge(seen).pool.held
        };
        assert!(bad(|seen| seen.grown = false));
        assert!(bad(|seen| seen.shrunk = false));
        assert!(bad(|seen| seen.steady = Some(0.41)));
        assert!(bad(|seen| seen.steady = None));
        assert!(bad(|seen| seen.orders[0].t = 12.0));
        assert!(bad(|seen| seen.orders.truncate(1)));
        assert!(bad(|seen| seen.orders.clear()));
        assert!(bad(|seen| seen.failed = 10));
        assert!(bad(|seen| seen.requests = 0));
        assert!(!judge(Seen::default()).pool.held);
    }
}
