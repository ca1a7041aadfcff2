//! A count in this process's memory: the instance's own, and a test's whole cluster.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Counter, Error};

/// A count from 0 up.
#[derive(Debug, Default)]
pub struct Memory(AtomicU64);

impl Memory {
    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counter for Memory {
    async fn increment(&self) -> Result<u64, Error> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
