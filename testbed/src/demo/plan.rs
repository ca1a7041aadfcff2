//! The course of the demo and its limits. Law: the numbers are here, each with its reason.

use std::time::Duration;

use crate::{
    report::{Goal, Target},
    stack::{Release, Settings},
};

/// What has to be held, and for how long.
pub(super) const GOAL: Goal = Goal {
    min_rps: 150.0,
    max_mean_ms: 100.0,
};
/// The length of the window in which the goal must be held.
pub(super) const HOLD: Duration = Duration::from_secs(60);
/// The window of every rate and mean: that of the HPA's recording rules, and of `loadclient verify`.
pub(super) const WINDOW: Duration = Duration::from_secs(30);

/// What the HPA aims at: 70 % of a pod's capacity of 50 requests/s (2 workers, 40 ms each); a mean
/// below the goal's; 5 pods for the goal, and as many to spare.
pub(super) const TARGET: Target = Target {
    rps_per_pod: 35.0,
    mean_ms: 90.0,
    max_replicas: 10,
};

/// Requests/s of one client: the chart's `waitTimeBetweenRequests` is 100 ms.
pub(super) const RPS_PER_CLIENT: f64 = 10.0;

/// The metric of a settled step may be so much above its target: the noise of its measurement.
pub(super) const TOLERANCE: f64 = 0.02;
/// Handled requests may differ so much from the offered ones in a settled step.
pub(super) const OFFER_TOLERANCE: f64 = 0.05;
/// A step has settled when everything was as it should be for so many seconds: one scrape.
pub(super) const STEADY: f64 = 5.0;

/// A step lasts at least so many seconds, or nobody would see it.
pub(super) const STEP_LEAST: f64 = 15.0;

/// Promised: the whole demo when nothing has to be built.
pub(super) const TOTAL_LIMIT: f64 = 360.0;
/// Promised: from a step to the pods it adds being Ready. Two looks of the HPA, 15 s each, and the
/// pods' start.
pub(super) const READY_LIMIT: f64 = 45.0;
/// Promised: from a step to a mean latency below the goal's again.
pub(super) const RECOVERY_LIMIT: f64 = 60.0;

/// A step that has not settled by then is given up, in seconds; the next one follows.
pub(super) const STEP_DEADLINE: f64 = 120.0;
/// The goal must have been held by then, from the beginning of the wait for it.
pub(super) const HOLD_DEADLINE: f64 = 180.0;
/// The HPA must be back at one pod by then.
pub(super) const STOP_DEADLINE: f64 = 180.0;
/// Between two judgements, in seconds.
pub(super) const JUDGE_AGAIN: f64 = 5.0;

/// How long the HPA remembers a larger wish in the demo, so that nobody waits for the end.
const SCALE_DOWN_STABILISATION: Duration = Duration::from_secs(15);
/// The HPA adds pods in the demo as soon as the metric is above its target. The metric is a rate over
/// 30 s, so a step shows in full only then; with Kubernetes' tolerance of 10 % the HPA would wait
/// another 15 s for the last pod.
const SCALE_UP_TOLERANCE: &str = "autoscaling.behavior.scaleUp.tolerance=0";
/// How often the adapter lists the series in the demo, so that a new cluster is soon ready.
const RELIST: &str = "metricsRelistInterval=10s";

/// How the stack is installed: without load at first.
pub(super) fn settings() -> Settings {
    Settings {
        clients: 0,
        requests_per_second: Some(35),
        mean_latency: Some(Duration::from_millis(90)),
        max_replicas: Some(TARGET.max_replicas),
        scale_down_stabilisation: Some(SCALE_DOWN_STABILISATION),
        set: vec![
            (Release::MetricsAdapter, RELIST.to_owned()),
            (Release::Server, SCALE_UP_TOLERANCE.to_owned()),
        ],
        ..Settings::default()
    }
}

/// What differs from the charts' defaults, in words.
pub(super) fn differences() -> Vec<(&'static str, String)> {
    vec![
        (
            "HPA, scale-down stabilisation",
            format!(
                "{} s instead of the chart's 120 s, so that the way back to one pod can be watched",
                SCALE_DOWN_STABILISATION.as_secs()
            ),
        ),
        (
            "HPA, scale-up tolerance",
            "0 instead of Kubernetes' 10 %, so that the last pod of a step comes one look (15 s) sooner"
                .to_owned(),
        ),
        (
            "adapter, metrics relist interval",
            "10 s instead of 1 min, so that a new cluster is soon ready".to_owned(),
        ),
    ]
}

/// Offered requests/s of so many clients.
pub(super) fn offered(clients: u32) -> f64 {
    f64::from(clients) * RPS_PER_CLIENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_what_is_reported() {
        let settings = settings();
        assert_eq!(settings.clients, 0, "no load before somebody watches it");
        assert_eq!(
            settings.requests_per_second.map(f64::from),
            Some(TARGET.rps_per_pod)
        );
        let mean = settings.mean_latency.map(|it| it.as_secs_f64() * 1e3);
        assert_eq!(mean, Some(TARGET.mean_ms));
    }
}
