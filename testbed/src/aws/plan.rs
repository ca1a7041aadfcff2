//! Load, times and limits.
//!
//! The arithmetic: an instance counts as [`CAPACITY`] of one of this machine's CPUs. The load asks
//! for `/load`, which burns for [`BURN`] by the clock; requests to `/` burn a fixed number of calls
//! of the kernel, which is another share of an instance on every machine. [`RATE`] of them are
//! 0.66 of an instance: above the target with one, half of that, below the target, with two. All
//! of it together is a sixth of a CPU, whatever the size, so that the machine is not the
//! bottleneck; where others want the CPUs too, waiting for them counts as usage, as stolen time
//! does in a virtual machine.

use std::time::Duration;

use super::tracking::Policy;

/// How many times as fast as on AWS everything is.
pub(super) const FACTOR: u32 = 20;

/// AWS' times, compressed.
const fn compressed(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 1_000 / FACTOR as u64)
}

/// From data point to data point: a minute, with detailed monitoring.
pub(super) const PERIOD: Duration = compressed(60);
/// From the order of an instance until it listens.
pub(super) const BOOT: Duration = compressed(80);
/// As `warmup` of `terraform/aws`, after the start.
pub(super) const WARMUP: Duration = compressed(180);
/// Between two health checks of the load balancer: 10 s there, not compressed that far, since
/// each costs CPU.
pub(super) const HEALTH: Duration = Duration::from_secs(1);

/// As `terraform/aws` has it, and CloudWatch's alarms.
pub(super) const POLICY: Policy = Policy {
    target: 0.4,
    high_points: 3,
    low_points: 15,
    min: 1,
    max: 2,
};

/// How many of this machine's CPUs an instance has.
pub(super) const CAPACITY: f64 = 0.25;
/// What a request burns.
pub(super) const BURN: Duration = Duration::from_millis(100);
/// Requests per second: five within a data point, so that one more or less is no step over the target.
pub(super) const RATE: f64 = 1.65;
/// Requests in flight at most.
pub(super) const THREADS: u32 = 8;

/// Data points with two instances before the load ends.
pub(super) const STEADY: usize = 5;
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// For one question of a look.
pub(super) const DEADLINE: Duration = Duration::from_millis(2_500);

/// How long the first instance may take to be healthy.
pub(super) const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the two data points without load may take: an instance is warm after three.
pub(super) const IDLE_LIMIT: Duration = compressed(480);
/// How long growing, and the load, may take.
pub(super) const GROW_LIMIT: Duration = Duration::from_secs(80);
/// How long shrinking may take.
pub(super) const SHRINK_LIMIT: Duration = Duration::from_secs(90);

/// What the load makes of a group of this size, if nothing else were busy.
pub(super) fn expected(size: u32) -> f64 {
    RATE * BURN.as_secs_f64() / CAPACITY / f64::from(size.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child;

    #[test]
    fn the_load_is_too_much_for_one_and_not_for_two() {
        assert!(expected(1) > POLICY.target * 1.5 && expected(1) < 0.8);
        assert!(expected(2) < POLICY.low());
    }

    #[test]
    fn the_whole_demo_is_bounded() {
        // Where it is, what each instance used, and an order: the look at a phase's end.
        let look = LOOK + DEADLINE * (2 + POLICY.max);
        let phases = [IDLE_LIMIT, GROW_LIMIT, SHRINK_LIMIT].map(|limit| limit + look);
        // The fake cloud starts and ends, the load ends.
        let programs = child::START + child::GRACE * 2;
        let all = START_LIMIT + DEADLINE + phases.iter().sum::<Duration>() + programs;
        assert!(all <= Duration::from_secs(5 * 60), "{all:?}");
        assert!(IDLE_LIMIT > WARMUP + PERIOD * 3);
        assert!(SHRINK_LIMIT > PERIOD * 20);
    }
}
