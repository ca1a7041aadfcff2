//! What a process uses, as the kernel tells it in `/proc`.

use std::{fs, time::Duration};

use super::error::{Error, Result};

/// Ticks per second of the times in `/proc`: USER_HZ is 100 on every Linux.
const USER_HZ: u64 = 100;

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    /// Since the process began, or since [`forget_peak`].
    pub(crate) peak: u64,
}

/// Processor time of all its threads, in user and kernel mode.
///
/// # Errors
/// When there is no such process any more.
pub(crate) fn processor_time(id: u32) -> Result<Duration> {
    let text = read(id, "stat")?;
    parse_stat(&text).ok_or_else(|| Error::failed(format!("/proc/{id}/stat"), text))
}

/// Its memory.
///
/// # Errors
/// As of [`processor_time`].
pub(crate) fn memory(id: u32) -> Result<Memory> {
    let text = read(id, "status")?;
    parse_status(&text).ok_or_else(|| Error::failed(format!("/proc/{id}/status"), "no VmRSS"))
}

/// Lets its peak begin anew.
///
/// # Errors
/// When the kernel forbids it.
pub(crate) fn forget_peak(id: u32) -> Result<()> {
    let file = format!("/proc/{id}/clear_refs");
    fs::write(&file, "5").map_err(|cause| Error::failed(file, cause))
}

fn read(id: u32, name: &str) -> Result<String> {
    let file = format!("/proc/{id}/{name}");
    fs::read_to_string(&file).map_err(|cause| Error::failed(file, cause))
}

fn parse_stat(text: &str) -> Option<Duration> {
    // The name in parentheses may hold anything; utime and stime are fields 14 and 15 of 1.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(1000 / USER_HZ * ticks))
}

fn parse_status(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes = line.trim().strip_suffix(" kB")?;
        kibibytes.parse::<u64>().ok().map(|number| number << 10)
    };
    Some(Memory {
        now: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_hold_anything() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100 1 2";
        assert_eq!(parse_stat(text), Some(Duration::from_secs(3)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let memory = Memory {
            now: 1 << 20,
            peak: 2 << 20,
        };
        assert_eq!(parse_status(text), Some(memory));
        assert_eq!(parse_status("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let memory = memory(std::process::id()).expect("of this process");
        assert!(memory.now > 0 && memory.peak >= memory.now, "{memory:?}");
        processor_time(std::process::id()).expect("of this process");
    }
}
