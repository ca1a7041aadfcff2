//! How much memory this process uses.

use std::fs;

use peak_alloc::PeakAlloc;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// Memory of the process, in whole MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What the program has allocated, if its global allocator counts: see `main`.
    pub allocated: u64,
    /// What the operating system has given, the program itself included: the resident set. The
    /// address space would be more, most of which is only reserved.
    pub resident: u64,
}

impl Usage {
    /// As it is now; what cannot be read is 0.
    #[must_use]
    pub fn now() -> Self {
        let allocated = u64::try_from(PeakAlloc.current_usage()).unwrap_or(u64::MAX);
        let pages = fs::read_to_string("/proc/self/statm")
            .ok()
            .and_then(|statm| resident_pages(&statm));
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
        Self {
            allocated: allocated / MIB,
            resident: pages.unwrap_or_default().saturating_mul(page) / MIB,
        }
    }
}

/// The second number of `/proc/self/statm`, see proc(5).
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_the_second_number() {
        let statm = "5678 1234 900 200 0 400 0\n";
        assert_eq!(resident_pages(statm), Some(1234));
        assert_eq!(resident_pages(""), None);
        assert!(Usage::now().resident > 0);
    }
}
