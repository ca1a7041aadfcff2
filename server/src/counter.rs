//! The role counter: how many requests this instance has answered, and all of them together.
//!
//! Here is the counting, which knows nothing of Redis or HTTP; [`memory`] and [`redis`] keep the
//! counts, [`http`] asks for them. Law: a request is counted in the cluster first, and here only
//! if that succeeded. The rest holds as long as one Redis lives, which counts from 1 again after a
//! restart, while instances count on: no number of the cluster is given to two requests; one whose
//! answer from Redis was lost is given to nobody; and the requests that all instances counted, those
//! that have ended included, are the cluster's count less the answers that were lost.

pub mod cli;
pub mod http;
pub mod memory;
pub mod metric;
pub mod redis;
pub mod role;

use std::fmt;

use self::memory::Memory;

/// Something that counts; shared by all requests.
pub trait Counter: Send + Sync + 'static {
    /// Counts one more; returns the new count, the first one is 1.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not certain that it was counted.
    fn increment(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// Why a request could not be counted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// There is no connection to whoever counts.
    #[error("the cluster's counter is not connected")]
    Away,
    /// Nothing was heard for too long.
    #[error("the cluster's counter did not answer in time")]
    Timeout,
    /// The connection ended, or what came over it makes no sense.
    #[error("the cluster's counter gave no usable answer")]
    Broken,
    /// It answered that it will not count, with this code.
    #[error("the cluster's counter refused to count: {0}")]
    Refused(String),
}

/// The two numbers of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Its number among those of this instance.
    pub instance: u64,
    /// Its number among those of the cluster.
    pub cluster: u64,
}

/// Counts requests: in the cluster, then here.
#[derive(Debug)]
pub struct Requests<C> {
    cluster: C,
    instance: Memory,
}

/// What is told of a request: two lines, and who tells it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The instance, `host:port`.
    pub instance: &'a str,
    /// The request's numbers.
    pub numbers: Numbers,
}

impl<C: Counter> Requests<C> {
    /// Nothing counted here yet.
    #[must_use]
    pub fn new(cluster: C) -> Self {
        let instance = Memory::default();
        Self { cluster, instance }
    }

    /// Counts one request. To be run to its end: who drops it halfway may have counted it in the
    /// cluster only.
    ///
    /// # Errors
    ///
    /// The cluster's; nothing is counted here then.
    pub async fn count(&self) -> Result<Numbers, Error> {
        let cluster = self.cluster.increment().await?;
        let instance = self.instance.increment().await?;
        Ok(Numbers { instance, cluster })
    }

    /// Requests counted here so far.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.instance.get()
    }
}

impl Error {
    /// Its metric label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numbers {
            instance: here,
            cluster: all,
        } = self.numbers;
        writeln!(f, "You are talking to instance {}.", self.instance)?;
        writeln!(
            f,
            "This is request {here} to this instance and request {all} to the cluster."
        )
    }
}

#[cfg(test)]
mod tests;
