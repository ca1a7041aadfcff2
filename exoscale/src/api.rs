//! Exoscale's API v2, as far as an instance pool needs it (read in exoscale/egoscale v3 and its
//! public reference).
//!
//! Law: every call has a deadline, a bounded answer and a metric; reading is tried again, changing
//! is not: whether a change that got no answer has happened is for the caller to find out.

mod client;
mod metric;
mod retry;
mod signature;

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub use client::{Client, ClientError, Options};
pub use metric::Metrics;
pub use retry::Retry;

/// The ID of an instance pool, safe in a URL's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolId(String);

/// Not an ID.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not the id of an instance pool, expected a uuid")]
pub struct NotAnId(String);

/// An instance pool.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct InstancePool {
    /// Its name, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// How many members it is to have.
    pub size: u32,
    /// What it is doing.
    pub state: PoolState,
    /// Its members, by ID only.
    #[serde(default, deserialize_with = "or_default")]
    pub instances: Vec<Member>,
}

/// A member as a pool names it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Member {
    /// The instance's ID.
    pub id: String,
}

/// What an instance pool is doing.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PoolState {
    /// Not there yet.
    Creating,
    /// Nothing: it may be scaled.
    Running,
    /// Adding members.
    ScalingUp,
    /// Removing members.
    ScalingDown,
    /// Changing otherwise.
    Updating,
    /// Switched off by Exoscale.
    Suspended,
    /// Going away.
    Destroying,
    /// A state that this program does not know.
    #[serde(other)]
    Unknown,
}

/// An instance.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Instance {
    /// Its ID.
    pub id: String,
    /// Its public IPv4 address, if it has one.
    #[serde(rename = "public-ip", default, deserialize_with = "address_or_nothing")]
    pub public_ip: Option<Ipv4Addr>,
    /// What it is doing; empty if the API does not say.
    #[serde(default, deserialize_with = "or_default")]
    pub state: String,
    /// Who created it.
    #[serde(default)]
    pub manager: Option<Manager>,
}

/// Who created an instance.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Manager {
    /// Its ID, here a pool's.
    pub id: String,
}

/// A change under way.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Operation {
    /// Its ID.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// `pending`, `success`, `failure` or `timeout`.
    pub state: String,
    /// Why it failed.
    #[serde(default, deserialize_with = "or_default")]
    pub reason: String,
}

/// Why a call did not get what it asked for. Texts of the API are cut and hold no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke.
    #[error("{call}: {reason}")]
    Transport {
        /// The call, such as `GET instance-pool`.
        call: &'static str,
        /// The innermost cause.
        reason: String,
    },
    /// No answer in time.
    #[error("{call}: no answer within {} s", after.as_secs_f64())]
    Timeout {
        /// The call.
        call: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// An answer that is not 2xx.
    #[error("{call}: status {status}: {message}")]
    Status {
        /// The call.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// The API's explanation.
        message: String,
        /// How long to wait, if the API says so.
        retry_after: Option<Duration>,
    },
    /// An answer that is not the API's.
    #[error("{call}: answer not understood: {reason}")]
    Garbled {
        /// The call.
        call: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl PoolState {
    /// Whether the pool takes orders; the API answers 409 otherwise.
    #[must_use]
    pub fn is_running(self) -> bool {
        self == Self::Running
    }

    /// The API's own word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Running => "running",
            Self::ScalingUp => "scaling-up",
            Self::ScalingDown => "scaling-down",
            Self::Updating => "updating",
            Self::Suspended => "suspended",
            Self::Destroying => "destroying",
            Self::Unknown => "unknown",
        }
    }
}

impl Error {
    /// One word for a metric's label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transport { .. } => "transport",
            Self::Timeout { .. } => "timeout",
            Self::Status { status: 429, .. } => "limited",
            Self::Status { status: 409, .. } => "busy",
            Self::Status {
                status: 500..=599, ..
            } => "server_error",
            Self::Status { .. } => "refused",
            Self::Garbled { .. } => "garbled",
        }
    }
}

impl FromStr for PoolId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let valid = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if text.len() == 36 && text.bytes().all(valid) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotAnId(text.to_owned()))
        }
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An explicit null is as good as nothing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One odd address must not hide the other members.
fn address_or_nothing<'de, D>(deserializer: D) -> Result<Option<Ipv4Addr>, D::Error>
where
    D: Deserializer<'de>,
{
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_ids() {
        let id = "4DA1B188-dcd6-4ff5-b7fd-bde984055548";
        assert_eq!(
            id.parse::<PoolId>().unwrap().to_string(),
            id.to_ascii_lowercase()
        );
        for wrong in ["", "pool", "../../zone", &"a".repeat(37)] {
            assert!(wrong.parse::<PoolId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pool_of_a_later_api_is_still_read() {
        let text =
            r#"{"id":"1","name":null,"size":2,"state":"levitating","instances":null,"new":1}"#;
        let pool: InstancePool = serde_json::from_str(text).unwrap();
        assert_eq!(pool.state, PoolState::Unknown);
        assert_eq!((pool.size, pool.instances), (2, Vec::new()));
        assert!(serde_json::from_str::<InstancePool>(r#"{"size":-1,"state":"running"}"#).is_err());
    }

    #[test]
    fn an_odd_address_is_none() {
        for ip in ["null", r#""""#, r#""::1""#, r#""nonsense""#] {
            let text = format!(r#"{{"id":"1","state":"running","public-ip":{ip}}}"#);
            let instance: Instance = serde_json::from_str(&text).unwrap();
            assert_eq!(instance.public_ip, None, "{ip}");
        }
    }
}
