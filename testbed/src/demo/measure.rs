//! From the samples of a demo to the figures of its steps. Law: pure; what did not happen is
//! `None`, not 0.

use super::plan::{GOAL, READY_LIMIT, RECOVERY_LIMIT, TOTAL_LIMIT, offered};
use crate::report::{Check, Sample, Step};

/// A step as it was made: clients, when it began, and when it settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Made {
    pub(super) clients: u32,
    pub(super) start: f64,
    pub(super) settled: Option<f64>,
}

/// The figures of all steps; the last one lasts until the last sample.
pub(super) fn steps(made: &[Made], samples: &[Sample]) -> Vec<Step> {
    let end = samples.last().map_or(0.0, |sample| sample.t);
    let ends = made.iter().skip(1).map(|next| next.start).chain([end]);
    made.iter()
        .zip(ends)
        .map(|(made, end)| {
            // The sample between two steps belongs to both: the end of one, what the other found.
            let within: Vec<Sample> = samples
                .iter()
                .filter(|it| it.t >= made.start && it.t <= end)
                .copied()
                .collect();
            step(*made, end, &within)
        })
        .collect()
}

fn step(made: Made, end: f64, samples: &[Sample]) -> Step {
    let after = |t: f64| t - made.start;
    let pods: Vec<(f64, u32)> = samples
        .iter()
        .filter_map(|it| Some((it.t, it.ready?)))
        .collect();
    let before = pods.first().map_or(0, |(_, ready)| *ready);
    let mut most = before;
    let mut ready = None;
    for (t, count) in &pods {
        if *count > most {
            (most, ready) = (*count, Some(after(*t)));
        }
    }
    let wanted = samples.iter().find_map(|it| it.desired);
    let rescaled = samples
        .iter()
        .find(|it| it.desired.is_some() && it.desired != wanted);
    let last = |value: fn(&Sample) -> Option<f64>| samples.iter().rev().find_map(value);
    Step {
        offered: offered(made.clients),
        clients: made.clients,
        start: made.start,
        end,
        pods_before: before,
        pods_after: pods.last().map_or(0, |(_, ready)| *ready),
        rescaled: rescaled.map(|it| after(it.t)),
        ready,
        recovered: recovered(samples)
            .filter(|_| made.clients > 0)
            .map(|t| t.map_or(0.0, after)),
        settled: made.settled.map(after),
        max_mean: samples.iter().filter_map(|it| it.mean).reduce(f64::max),
        rps: last(|it| it.rps),
        mean: last(|it| it.mean),
    }
}

/// When the mean latency went below the goal's for good: `None` if it did not, `Some(None)` if it
/// never was above.
fn recovered(samples: &[Sample]) -> Option<Option<f64>> {
    let known: Vec<(f64, f64)> = samples
        .iter()
        .filter_map(|it| Some((it.t, it.mean?)))
        .collect();
    let slow = |(_, mean): &(f64, f64)| mean * 1e3 >= GOAL.max_mean_ms;
    match known.iter().rposition(slow) {
        None if known.is_empty() => None,
        None => Some(None),
        Some(last) => known.get(last + 1).map(|(t, _)| Some(*t)),
    }
}

/// The promised durations against the measured ones.
pub(super) fn checks(steps: &[Step], total: f64) -> Vec<Check> {
    let loads: Vec<&Step> = steps.iter().filter(|step| step.clients > 0).collect();
    let ready = loads.iter().filter_map(|step| step.ready).reduce(f64::max);
    // A step that never recovers must not be hidden by the others.
    let recoveries: Option<Vec<f64>> = loads.iter().map(|step| step.recovered).collect();
    let recovered = recoveries.and_then(|all| all.into_iter().reduce(f64::max));
    [
        (
            "from a step of the load to its added pods Ready",
            READY_LIMIT,
            ready,
        ),
        (
            "mean latency below the goal's again after a step",
            RECOVERY_LIMIT,
            recovered,
        ),
        (
            "the whole demo, when nothing has to be built",
            TOTAL_LIMIT,
            Some(total),
        ),
    ]
    .map(|(name, limit_seconds, seconds)| Check {
        name: name.to_owned(),
        limit_seconds,
        seconds,
        ok: seconds.is_some_and(|it| it <= limit_seconds),
    })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_sample(t: f64, mean: f64, desired: u32, ready: u32) -> Sample {
        Sample {
            t,
            rps: Some(t),
            mean: Some(mean),
            desired: Some(desired),
            ready: Some(ready),
            ..Sample::default()
        }
    }

    const MADE: [Made; 3] = [
        Made {
            clients: 1,
            start: 0.0,
            settled: Some(1.0),
        },
        Made {
            clients: 6,
            start: 10.0,
            settled: None,
        },
        Made {
            clients: 0,
            start: 60.0,
            settled: Some(90.0),
        },
    ];

    fn mk_samples() -> Vec<Sample> {
        vec![
            mk_sample(0.0, 0.04, 1, 1),
            mk_sample(10.0, 0.04, 1, 1),
            mk_sample(15.0, 0.12, 2, 1),
            mk_sample(20.0, 0.11, 2, 2),
            Sample {
                mean: None,
                ..mk_sample(22.0, 0.0, 2, 2)
            },
            mk_sample(25.0, 0.09, 3, 2),
            mk_sample(30.0, 0.05, 3, 3),
            mk_sample(60.0, 0.05, 3, 3),
            mk_sample(90.0, 0.0, 1, 1),
        ]
    }

    #[test]
    fn a_step_is_measured_from_its_beginning() {
        let steps = steps(&MADE, &mk_samples());
        let expected = Step {
            offered: 60.0,
            clients: 6,
            start: 10.0,
            end: 60.0,
            pods_before: 1,
            pods_after: 3,
            rescaled: Some(5.0),
            ready: Some(20.0),
            recovered: Some(15.0),
            settled: None,
            max_mean: Some(0.12),
            rps: Some(60.0),
            mean: Some(0.05),
        };
        assert_eq!(steps[1], expected);
        assert_eq!((steps[0].ready, steps[0].recovered), (None, Some(0.0)));
        let back = &steps[2];
        assert_eq!((back.pods_before, back.pods_after), (3, 1));
        assert_eq!((back.settled, back.recovered), (Some(30.0), None));
    }

    #[test]
    fn a_step_that_stays_slow_has_not_recovered_and_breaks_the_promise() {
        let samples = [mk_sample(0.0, 0.05, 1, 1), mk_sample(10.0, 0.2, 1, 1)];
        let steps = steps(&MADE[..1], &samples);
        assert_eq!(steps[0].recovered, None);
        let checks = checks(&steps, 100.0);
        assert!(!checks[1].ok && checks[1].seconds.is_none());
        assert!(!checks[0].ok, "no pod was added");
        assert!(checks[2].ok);
    }

    #[test]
    fn nothing_seen_is_nothing_measured() {
        assert!(steps(&[], &[]).is_empty());
        let steps = steps(&MADE[..1], &[]);
        assert_eq!(
            (steps[0].ready, steps[0].recovered, steps[0].rps),
            (None, None, None)
        );
    }
}
