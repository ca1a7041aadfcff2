//! What a process offers; each role brings its own listener.

use std::str::FromStr;

/// A role of the one binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The gRPC service `Operations`, with health checking and reflection.
    Grpc,
    /// The web application that is slow on purpose: `/load`, `/health`, and the flaky
    /// `/status`.
    Web,
    /// The request counter, whose cluster's count is in Redis.
    Counter,
}

/// Not a role of this binary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown role {0:?}, expected grpc, web or counter")]
pub struct Unknown(String);

impl FromStr for Role {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "web" => Ok(Self::Web),
            "counter" => Ok(Self::Counter),
            other => Err(Unknown(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_roles() {
        assert_eq!("grpc".parse(), Ok(Role::Grpc));
        assert_eq!("web".parse(), Ok(Role::Web));
        assert_eq!("counter".parse(), Ok(Role::Counter));
        assert_eq!("Grpc".parse::<Role>(), Err(Unknown("Grpc".to_owned())));
        let message = "http".parse::<Role>().unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown role \"http\", expected grpc, web or counter"
        );
    }
}
