//! Load, times and limits.
//!
//! The arithmetic: an instance counts as [`CAPACITY`] of one of this machine's CPUs, so a request
//! to `/load`, which burns for [`BURN`], is 0.4 s of such an instance. One request every
//! [`REQUEST_EVERY`] is the work of 2.1 instances: one is at its limit, two are at 105 % and so at
//! theirs, three are at 70 %, between the alerts' 80 % and 20 %. All of it together is 0.53 of a
//! CPU, whatever the size of the pool, so a machine of two is not the bottleneck; where others want
//! the CPUs too, waiting for them counts as usage, as it does in a virtual machine.

use std::time::Duration;

/// How many of this machine's CPUs an instance has.
pub(super) const CAPACITY: f64 = 0.25;
/// What a request burns.
pub(super) const BURN: Duration = Duration::from_millis(100);
/// From request to request.
pub(super) const REQUEST_EVERY: Duration = Duration::from_millis(190);

/// What the load makes of a pool of this size, if nothing else were busy.
pub(super) fn expected(size: u32) -> f64 {
    BURN.as_secs_f64() / REQUEST_EVERY.as_secs_f64() / CAPACITY / f64::from(size.max(1))
}

/// The alerts' thresholds, which are the course's.
pub(super) const HIGH: f64 = 0.8;
pub(super) const LOW: f64 = 0.2;
/// The size at which the load fits.
pub(super) const ENOUGH: u32 = 3;

/// How long an instance boots.
pub(super) const BOOT: Duration = Duration::from_secs(4);
/// From step to step of the autoscaler: 60 s in real life.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// How long the load must have fitted before it ends.
pub(super) const STEADY: Duration = Duration::from_secs(10);
/// How long growing may take.
pub(super) const GROW_LIMIT: Duration = Duration::from_secs(120);
/// How long shrinking may take.
pub(super) const SHRINK_LIMIT: Duration = Duration::from_secs(110);
/// How long it may take until destroyed instances are replaced, healthy and scraped.
pub(super) const HEAL_LIMIT: Duration = Duration::from_secs(30);

/// Changes of a file: what is replaced by what.
pub(super) type Changes<'a> = [(&'a str, &'a str)];

/// Prometheus' own times; addresses are the stage's.
pub(super) const PROMETHEUS: &Changes<'_> = &[
    ("scrape_interval: 15s", "scrape_interval: 2s"),
    ("evaluation_interval: 15s", "evaluation_interval: 2s"),
    ("refresh_interval: 10s", "refresh_interval: 2s"),
];
/// The rules' times; thresholds and expressions stay.
pub(super) const RULES: &Changes<'_> = &[("[1m]", "[10s]"), ("for: 1m", "for: 10s")];
/// Alertmanager's times.
pub(super) const ALERTMANAGER: &Changes<'_> = &[
    ("group_interval: 1m", "group_interval: 5s"),
    ("repeat_interval: 5m", "repeat_interval: 30s"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_needs_three_instances_and_keeps_them() {
        assert!(expected(ENOUGH - 1) > HIGH * 1.3);
        assert!(expected(ENOUGH) < HIGH && expected(ENOUGH + 1) > LOW);
    }
}
