//! The part of the command line that is about requests to `/`.

use std::num::NonZeroU16;
use std::time::Duration;

use super::hit;
use crate::background::Limits;

/// What the user typed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Role web, requests to /")]
#[group(skip)]
pub struct Args {
    /// How many unbuffered writes of 4 bytes to /dev/null a request to / makes in the background.
    #[arg(
        long,
        env = "HIT_WRITES",
        value_name = "HIT_WRITES",
        default_value = "1000000"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(..=1_000_000_000))]
    hit_writes: u32,

    /// How many threads make them; by default one per CPU.
    #[arg(long, env = "HIT_THREADS", value_name = "HIT_THREADS")]
    hit_threads: Option<NonZeroU16>,

    /// How many requests to / may wait for such a thread; beyond them nothing is burned, and the
    /// answer is the same.
    #[arg(
        long,
        env = "HIT_QUEUE",
        value_name = "HIT_QUEUE",
        default_value = "100"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    hit_queue: u32,

    /// MiB of memory that a request to / fills and holds for a time, once at a time; 0 for none.
    #[arg(
        long,
        env = "HIT_MEMORY_MIB",
        value_name = "HIT_MEMORY_MIB",
        default_value = "0"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(..=16_384))]
    hit_memory_mib: u16,

    /// How long that memory is held, in milliseconds, at most an hour.
    #[arg(
        long,
        env = "HIT_MEMORY_HOLD_MS",
        value_name = "HIT_MEMORY_HOLD_MS",
        default_value = "4000"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    hit_memory_hold_ms: u64,
}

impl Args {
    /// What hits burn; `cpus` threads unless told otherwise.
    pub(crate) fn into_config(self, cpus: NonZeroU16) -> hit::Config {
        let hold = Duration::from_millis(self.hit_memory_hold_ms);
        let mib = self.hit_memory_mib;
        hit::Config {
            writes: self.hit_writes,
            limits: Limits {
                threads: self.hit_threads.unwrap_or(cpus),
                queue: self.hit_queue,
            },
            memory: (mib > 0).then_some(hit::Memory { mib, hold }),
        }
    }
}
