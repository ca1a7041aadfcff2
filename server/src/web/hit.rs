//! What a request to `/` burns in the background: CPU, and memory if that is wanted.
//!
//! Law: a hit never waits. Beyond the limits its burn is dropped, and counted as dropped. Memory
//! is held at most once at a time, however many ask; what the system refuses is not held.

use std::collections::TryReserveError;
use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::num::NonZeroU16;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::background::{Background, Ending, Limits};

/// What is written to, and costs a call of the kernel each time.
const NULL: &str = "/dev/null";

/// Writes between two looks whether to stop: a millisecond or less.
const LOOK_EVERY: u32 = 4_096;

type Labels = [(&'static str, &'static str); 2];

/// What a hit burns.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Unbuffered writes of 4 bytes to `/dev/null`.
    pub writes: u32,
    /// Burns at once, and waiting ones.
    pub limits: Limits,
    /// Memory to fill and hold.
    pub memory: Option<Memory>,
}

/// Memory that a hit holds for a time.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// How much, in MiB.
    pub mib: u16,
    /// How long.
    pub hold: Duration,
}

/// The burns of hits; clones share the limits and the numbers.
#[derive(Clone, Debug)]
pub struct Hits {
    cpu: Background,
    memory: Option<Background>,
    burns: Family<Labels, Counter>,
}

/// Reads the queue's state when somebody scrapes.
#[derive(Debug)]
struct Now(Background);

impl Hits {
    /// Starts the threads and registers what is measured.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread, or `/dev/null`.
    pub fn start(config: Config, registry: &mut Registry) -> io::Result<Self> {
        drop(null()?);
        let writes = config.writes;
        let cpu = Background::start("hit", config.limits, move |ending| {
            if let Err(error) = burn(writes, ending) {
                tracing::warn!(%error, "a hit's burn failed");
            }
        })?;
        let once = Limits {
            threads: NonZeroU16::MIN,
            queue: 0,
        };
        let hog =
            |memory: Memory| Background::start("memory", once, move |ending| hold(memory, ending));
        let hits = Self {
            cpu,
            memory: config.memory.map(hog).transpose()?,
            burns: Family::default(),
        };
        // There from the start, so that a first one is an increase and not a new series.
        for kind in ["cpu", "memory"] {
            for outcome in ["accepted", "dropped"] {
                drop(hits.burns.get_or_create(&labels(kind, outcome)));
            }
        }
        let help = "Background burns of requests to /, by kind and whether there was room";
        registry.register("server_hit_burns_total", help, hits.burns.clone());
        registry.register_collector(Box::new(Now(hits.cpu.clone())));
        Ok(hits)
    }

    /// Burns in the background, if there is room.
    pub fn hit(&self) {
        let pools = [("cpu", Some(&self.cpu)), ("memory", self.memory.as_ref())];
        for (kind, pool) in pools {
            if let Some(pool) = pool {
                let accepted = pool.submit().is_ok();
                let outcome = if accepted { "accepted" } else { "dropped" };
                self.burns.get_or_create(&labels(kind, outcome)).inc();
            }
        }
    }
}

fn labels(kind: &'static str, outcome: &'static str) -> Labels {
    [("kind", kind), ("outcome", outcome)]
}

fn null() -> io::Result<File> {
    File::options().write(true).open(NULL)
}

fn burn(writes: u32, ending: Ending<'_>) -> io::Result<()> {
    let mut null = null()?;
    for number in 0..writes {
        if number % LOOK_EVERY == 0 && ending.has_come() {
            break;
        }
        null.write_all(&number.to_ne_bytes())?;
    }
    Ok(())
}

/// Holds the memory and gives it back after the time.
fn hold(memory: Memory, ending: Ending<'_>) {
    let words = usize::from(memory.mib) * (1 << 20) / size_of::<usize>();
    match fill(words) {
        Ok(held) => {
            ending.wait(memory.hold);
            drop(black_box(held));
        }
        Err(error) => tracing::warn!(%error, mib = memory.mib, "cannot hold a hit's memory"),
    }
}

/// That much memory, written to, so that it is really there.
fn fill(words: usize) -> Result<Vec<usize>, TryReserveError> {
    let mut filled = Vec::new();
    filled.try_reserve_exact(words)?;
    filled.extend((1..=words).map(|word| word.wrapping_mul(word)));
    Ok(filled)
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            (
                "server_hit_burns_waiting",
                "CPU burns of requests to / that wait for a thread.",
                self.0.waiting(),
            ),
            (
                "server_hit_burns_running",
                "CPU burns of requests to / under way.",
                self.0.running(),
            ),
        ] {
            let gauge = ConstGauge::new(i64::from(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_has_is_refused() {
        // 4 EiB: a size that may be asked for, and more than any address space.
        assert!(fill(1 << 59).is_err());
        assert_eq!(fill(3), Ok(vec![1, 4, 9]));
    }
}
