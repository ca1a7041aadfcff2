//! Why a bench cannot be finished. A bound that is not met is none of it: the report says so.

use std::fmt::Display;

/// The result of a part of the bench.
pub type Result<T> = std::result::Result<T, Error>;

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process, a file, or something that this machine lacks.
    #[error(transparent)]
    Testbed(#[from] crate::Error),
    /// Something did not do what it must.
    #[error("{what}: {problem}")]
    Failed {
        /// What it was.
        what: String,
        /// What it did.
        problem: String,
    },
    /// Somebody pressed ^C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn failed(what: impl Into<String>, problem: impl Display) -> Self {
        Self::Failed {
            what: what.into(),
            problem: problem.to_string(),
        }
    }
}
