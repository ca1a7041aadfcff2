//! Flags that are well-formed and cannot be used.

use std::time::Duration;

use clap::error::ErrorKind;

use super::flags;

/// Why a combination of flags cannot be used. Names the flags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Series would vanish between two relists.
    #[error(
        "--metrics-max-age {max_age:?} must not be less than --metrics-relist-interval \
         {interval:?}"
    )]
    MaxAge {
        /// `--metrics-max-age`.
        max_age: Duration,
        /// `--metrics-relist-interval`.
        interval: Duration,
    },
    /// A duration that makes no sense as zero.
    #[error("{0} must be more than 0")]
    Zero(&'static str),
    /// A time between two requests that would be a load.
    #[error("{0} must be 1s or more")]
    TooShort(&'static str),
    /// A flag that means nothing without another one.
    #[error("{given} needs {missing}")]
    Alone {
        /// The flag that was given.
        given: &'static str,
        /// The one that was not.
        missing: &'static str,
    },
    /// Two flags that contradict each other.
    #[error("{0} and {1} cannot be used together")]
    Conflict(&'static str, &'static str),
    /// Something that prometheus-adapter does and we do not, or a name that nobody knows.
    #[error("{flag}: {reason}")]
    Unsupported {
        /// The flag.
        flag: String,
        /// Why not.
        reason: String,
    },
}

impl UsageError {
    /// The error as clap would report it.
    pub(super) fn refuse(&self) -> clap::Error {
        flags::command().error(ErrorKind::ValueValidation, self)
    }

    pub(super) fn unsupported(flag: &str, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            flag: flag.to_owned(),
            reason: reason.into(),
        }
    }
}
