//! The cluster's count in Redis, by `INCR`.
//!
//! One multiplexed connection serves all requests; a [`Keeper`] makes it, asks it once a second
//! whether Redis would count, and makes another when it would not. Law: a request waits for an
//! answer of Redis for [`Config::timeout`] at most, and for a connection not at all; nothing is ever
//! sent twice. There is a connection exactly as long as Redis is believed to count: one over which
//! it refuses (`READONLY` after a failover, `LOADING`, `OOM`) is of no use, unless the fault is the
//! key's, which no other connection would mend. Redis has no persistence: after its restart the cluster's count starts from 1 again, and
//! the numbers say so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Counter, Error};

/// Between two looks whether Redis would count.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Between two attempts to connect again: soon enough that nobody waits for it, long enough that
/// many instances do not burden a Redis that is starting.
const PAUSE: Duration = Duration::from_millis(250);

/// Where the count is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The key of the count.
    pub key: String,
    /// How long connecting may take, and how long an answer.
    pub timeout: Duration,
    /// Between two attempts at the start.
    pub retry_pause: Duration,
    /// Attempts at the start after the first one.
    pub max_retry: u32,
}

/// Redis did not answer at the start.
#[derive(Debug, thiserror::Error)]
#[error("--redis-host: {host}:{port} did not answer {attempts} attempts")]
pub struct Unreachable {
    host: String,
    port: u16,
    attempts: u64,
    #[source]
    source: RedisError,
}

/// The connection, for whoever is interested whether there is one; clones share it.
#[derive(Clone, Debug)]
pub struct Link {
    live: Arc<watch::Sender<Option<Live>>>,
    latest: Arc<Mutex<Told>>,
}

/// A count that Redis told, and over which connection; the later one is the greater one, since a
/// Redis that counts anew is connected to anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    generation: u64,
    count: u64,
}

/// One connection, and which one it is.
#[derive(Clone, Debug)]
struct Live {
    generation: u64,
    connection: MultiplexedConnection,
}

/// Counts in Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    link: Link,
    key: Arc<str>,
}

/// Makes the connections.
#[derive(Debug)]
pub struct Keeper {
    client: Client,
    link: Link,
    config: Config,
    generation: u64,
}

/// A counter without a connection, and who makes them.
///
/// # Errors
///
/// If Redis' address is none.
pub fn open(config: Config) -> Result<(Redis, Keeper), RedisError> {
    let client = Client::open((config.host.as_str(), config.port))?;
    let link = Link {
        live: Arc::new(watch::Sender::new(None)),
        latest: Arc::default(),
    };
    let counter = Redis {
        link: link.clone(),
        key: config.key.as_str().into(),
    };
    let keeper = Keeper {
        client,
        link,
        config,
        generation: 0,
    };
    Ok((counter, keeper))
}

impl Link {
    /// Whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.live.borrow().is_some()
    }

    /// The cluster's count as Redis told it last, whatever the order in which answers were read; 0
    /// before the first one.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.told().count
    }

    fn tell(&self, told: Told) {
        let mut latest = self.told();
        *latest = told.max(*latest);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // A poisoned lock holds a count that is whole.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection away that turned out to be of no use, unless there is another one
    /// already.
    fn lose(&self, generation: u64, error: &Error) {
        let lost = self.live.send_if_modified(|live| {
            let same = live
                .as_ref()
                .is_some_and(|live| live.generation == generation);
            if same {
                *live = None;
            }
            same
        });
        if lost {
            tracing::warn!(%error, "lost the connection to Redis, connecting again");
        }
    }

    /// Waits until there is no connection.
    async fn lost(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.live.subscribe().wait_for(Option::is_none).await;
    }
}

impl Counter for Redis {
    async fn increment(&self) -> Result<u64, Error> {
        let live = self.link.live.borrow().clone();
        let Some(Live {
            generation,
            mut connection,
        }) = live
        else {
            return Err(Error::Away);
        };
        let mut command = redis::cmd("INCR");
        command.arg(&*self.key);
        let answer: Result<i64, _> = command.query_async(&mut connection).await;
        let of_the_key = answer.as_ref().is_err_and(is_of_the_key);
        let count = match answer {
            Ok(count) => u64::try_from(count).map_err(|_| Error::Broken),
            Err(error) => Err(Error::from(&error)),
        };
        match &count {
            Ok(count) => {
                let count = *count;
                self.link.tell(Told { generation, count });
            }
            Err(_) if of_the_key => {}
            Err(error) => self.link.lose(generation, error),
        }
        count
    }
}

impl Keeper {
    /// The connection as others see it.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Makes the first connection, in so many attempts.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] after the last one.
    pub async fn start(&mut self) -> Result<(), Unreachable> {
        let mut retries = 0;
        loop {
            let Err(source) = self.connect().await else {
                tracing::info!("connected to Redis");
                return Ok(());
            };
            let Config {
                host,
                port,
                retry_pause,
                max_retry,
                ..
            } = &self.config;
            if retries == *max_retry {
                return Err(Unreachable {
                    host: host.clone(),
                    port: *port,
                    attempts: u64::from(retries) + 1,
                    source,
                });
            }
            retries += 1;
            tracing::warn!(error = %source, retries, max_retry, "Redis does not answer, trying on");
            sleep(*retry_pause).await;
        }
    }

    /// Keeps a connection up, for ever.
    pub async fn keep(mut self) -> std::convert::Infallible {
        loop {
            tokio::select! {
                () = self.link.lost() => {}
                () = sleep(CHECK_INTERVAL) => {
                    self.check().await;
                    continue;
                }
            }
            match self.connect().await {
                Ok(()) => tracing::info!("connected to Redis again"),
                Err(error) => {
                    tracing::debug!(%error, "Redis still does not answer");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Connects and sees that Redis would count.
    async fn connect(&mut self) -> Result<(), RedisError> {
        let timeout = Some(self.config.timeout);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(timeout)
            .set_response_timeout(timeout);
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        probe(&mut connection, &self.config.key).await?;
        self.generation += 1;
        let generation = self.generation;
        self.link.live.send_replace(Some(Live {
            generation,
            connection,
        }));
        Ok(())
    }

    /// Sees whether Redis would still count.
    async fn check(&self) {
        let live = self.link.live.borrow().clone();
        if let Some(mut live) = live
            && let Err(error) = probe(&mut live.connection, &self.config.key).await
        {
            self.link.lose(live.generation, &Error::from(&error));
        }
    }
}

/// Adds nothing to the count, which Redis refuses when it would refuse to count; `PING` it answers
/// also as a replica and when its memory is full.
async fn probe(connection: &mut MultiplexedConnection, key: &str) -> Result<(), RedisError> {
    let mut command = redis::cmd("INCRBY");
    command.arg(key).arg(0);
    let answer: Result<i64, _> = command.query_async(connection).await;
    match answer {
        Err(error) if !is_of_the_key(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether Redis would count, were it not for what the key holds.
fn is_of_the_key(error: &RedisError) -> bool {
    // Redis' code for these is the general one.
    let texts = [
        "increment or decrement would overflow",
        "value is not an integer or out of range",
    ];
    match error.code() {
        Some("WRONGTYPE") => true,
        Some("ERR") => error.detail().is_some_and(|text| texts.contains(&text)),
        _ => false,
    }
}

impl From<&RedisError> for Error {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            _ if error.is_timeout() => Self::Timeout,
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::Refused(error.code().unwrap_or("ERR").to_owned())
            }
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::metric::tests::mk_link;
    use super::*;

    #[test]
    fn the_latest_count_is_told_whatever_the_order_of_answers() {
        let link = mk_link();
        let after = |generation, count| {
            link.tell(Told { generation, count });
            link.latest()
        };
        assert_eq!(link.latest(), 0);
        assert_eq!((after(1, 7), after(1, 6), after(1, 8)), (7, 7, 8));
        // After a restart Redis counts anew; an answer from before it comes late.
        assert_eq!((after(2, 1), after(1, 9), after(2, 2)), (1, 1, 2));
    }
}
