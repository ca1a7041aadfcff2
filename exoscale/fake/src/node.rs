//! The CPU of an instance as a node exporter tells it, from the CPU time of its processes.
//!
//! An instance is a fraction of one CPU of this machine: its `capacity`. CPU time that its process
//! really used counts as busy, divided by the capacity; so does the time that it waited for a CPU
//! because others had them all, which a virtual machine sees as `steal`. What an instance could not
//! have had is not counted, so busy and idle always add up to the time that has passed.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// CPU time of a process so far, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
    /// Ready to run, but not running.
    pub steal: f64,
}

/// What is told so far, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    user: f64,
    system: f64,
    steal: f64,
    idle: f64,
}

/// One instance's meter.
#[derive(Debug)]
pub struct Meter {
    /// The process; none for a machine without one.
    process: Option<u32>,
    capacity: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Instant,
    used: Used,
    told: Told,
}

impl Meter {
    /// The meter of a process on a machine of so many CPUs.
    #[must_use]
    pub fn new(process: Option<u32>, capacity: f64) -> Self {
        let state = State {
            at: Instant::now(),
            used: process.and_then(used).unwrap_or_default(),
            told: Told::default(),
        };
        Self {
            process,
            capacity,
            state: Mutex::new(state),
        }
    }

    /// The text of `/metrics`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, used) = (
            Instant::now(),
            self.process.and_then(used).unwrap_or(state.used),
        );
        let passed = (now - state.at).as_secs_f64();
        state.told = advance(state.told, state.used, used, passed, self.capacity);
        (state.at, state.used) = (now, used);
        text(state.told)
    }
}

/// What is told after `passed` seconds in which the process came from `before` to `after`.
fn advance(told: Told, before: Used, after: Used, passed: f64, capacity: f64) -> Told {
    let more = |before: f64, after: f64| (after - before).max(0.0) / capacity;
    let user = more(before.user, after.user);
    let system = more(before.system, after.system);
    let steal = more(before.steal, after.steal);
    let wanted = user + system + steal;
    let busy = wanted.min(passed);
    // What is cut is cut from all alike.
    let part = if busy > 0.0 { busy / wanted } else { 0.0 };
    Told {
        user: told.user + user * part,
        system: told.system + system * part,
        steal: told.steal + steal * part,
        // In this order: rounding must not take a counter back, which would look like a restart.
        idle: told.idle + (passed - busy),
    }
}

fn text(told: Told) -> String {
    let mut text = "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n\
         # TYPE node_cpu_seconds_total counter\n"
        .to_owned();
    for (mode, seconds) in [
        ("idle", told.idle),
        ("steal", told.steal),
        ("system", told.system),
        ("user", told.user),
    ] {
        let _ = writeln!(
            text,
            "node_cpu_seconds_total{{cpu=\"0\",mode=\"{mode}\"}} {seconds}"
        );
    }
    text
}

/// What a process has used so far, all its threads together.
fn used(process: u32) -> Option<Used> {
    let used = parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
    let steal = waited(process).unwrap_or_default();
    Some(Used { steal, ..used })
}

/// How long its threads have waited for a CPU, in seconds; nothing where the kernel does not count.
fn waited(process: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let waited = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        parse_wait(&text)
    });
    Some(waited.sum())
}

/// Nanoseconds that a thread ran, and waited; the number of its turns.
fn parse_wait(schedstat: &str) -> Option<f64> {
    let nanoseconds: f64 = schedstat.split_whitespace().nth(1)?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// The program's name, the second field, may itself hold spaces and parentheses: count from the
/// last one.
fn parse(stat: &str) -> Option<Used> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    let mut seconds = || {
        let ticks: u32 = fields.next()?.parse().ok()?;
        Some(f64::from(ticks) / f64::from(per_second))
    };
    Some(Used {
        user: seconds()?,
        system: seconds()?,
        steal: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_a_cpu_is_all_of_the_machine() {
        let (before, after) = (
            Used::default(),
            Used {
                user: 0.15,
                system: 0.05,
                steal: 0.05,
            },
        );
        let told = advance(Told::default(), before, after, 2.0, 0.25);
        assert_eq!(
            told,
            Told {
                user: 0.6,
                system: 0.2,
                steal: 0.2,
                idle: 1.0
            }
        );
    }

    #[test]
    fn no_machine_is_busier_than_the_time_that_passes() {
        let after = Used {
            user: 3.0,
            system: 1.0,
            steal: 0.0,
        };
        let told = advance(Told::default(), Used::default(), after, 2.0, 0.25);
        assert_eq!(
            told,
            Told {
                user: 1.5,
                system: 0.5,
                steal: 0.0,
                idle: 0.0
            }
        );
        assert_eq!(advance(told, after, after, 0.0, 0.25), told, "asked twice");
    }

    #[test]
    fn no_counter_ever_goes_back() {
        let (mut told, mut used) = (Told::default(), Used::default());
        for step in 1..2_000 {
            let before = (told, used);
            used.user += 0.1 * f64::from(step % 7);
            used.steal += 0.013 * f64::from(step % 3);
            told = advance(told, before.1, used, 2.0 + 1.0 / f64::from(step), 0.25);
            assert!(
                told.idle >= before.0.idle && told.user >= before.0.user,
                "{step}"
            );
            assert!(told.steal >= before.0.steal, "{step}");
        }
    }

    #[test]
    fn the_kernels_numbers_are_read_behind_any_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 5 0 987654 1 2";
        let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap();
        let seconds = |ticks: u32| f64::from(ticks) / f64::from(per_second);
        let expected = Used {
            user: seconds(250),
            system: seconds(50),
            steal: 0.0,
        };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse_wait("700 1500000000 3\n"), Some(1.5));
        assert_eq!(parse_wait(""), None);
        assert!(used(std::process::id()).is_some());
    }
}
