//! What can go wrong, said in one clear line: what failed, and how to mend it where we know.

use std::{io, path::PathBuf, time::Duration};

/// The result of everything the testbed does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a step of the testbed failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine lacks something that must be there first.
    #[error("{0}")]
    Missing(String),
    /// A file or directory could not be read or written.
    #[error("cannot {action} {path}: {cause}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A program could not be started at all.
    #[error("cannot run {program}: {cause}; is it installed? (`testbed setup` says)")]
    Spawn {
        /// The program's name or path.
        program: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed with {status}: {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it said on standard error.
        stderr: String,
    },
    /// A component ended although nobody asked it to.
    #[error("{component} ended; the last lines of its log {log}:\n{tail}")]
    Died {
        /// The component's name.
        component: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// A condition did not come true in time.
    #[error("{what} did not happen within {} s; last seen: {last}", within.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        within: Duration,
        /// The last answer that was not yet the wanted one.
        last: String,
    },
    /// A program's output was not what its documentation promises.
    #[error("`{command}` did not print JSON: {cause}")]
    Json {
        /// The command line.
        command: String,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// After `down`, something of ours is still there.
    #[error("still left after `testbed down`:\n{}", .0.join("\n"))]
    Leftovers(Vec<String>),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File {
            action,
            path,
            cause,
        }
    }
}
