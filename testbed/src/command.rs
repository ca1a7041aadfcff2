//! Runs other programs to their end. Law: whoever runs one gets its output, and an error that
//! carries the command line and what the program said.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use crate::error::{Error, Result};

/// What a program printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Whether it exited with 0.
    pub success: bool,
    /// The exit status in words.
    pub status: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// The output when the program succeeded.
    ///
    /// # Errors
    /// [`Error::Failed`] when it did not.
    pub fn checked(self) -> Result<Self> {
        if self.success {
            return Ok(self);
        }
        let said = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        Err(Error::Failed {
            command: self.command,
            status: self.status,
            stderr: said.trim().to_owned(),
        })
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// [`Error::Failed`] or [`Error::Json`].
    pub fn json(self) -> Result<serde_json::Value> {
        let output = self.checked()?;
        serde_json::from_str(&output.stdout).map_err(|cause| Error::Json {
            command: output.command,
            cause,
        })
    }
}

/// Runs a prepared command to its end, whatever its exit status, with no standard input.
pub(crate) fn capture(command: &mut Command) -> Result<Output> {
    let line = display(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| spawn(command, cause))?;
    Ok(Output {
        command: line,
        success: output.status.success(),
        status: output.status.to_string(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a program that must succeed.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<Output> {
    capture(Command::new(program).args(args))?.checked()
}

/// [`Error::Spawn`] for a command.
pub(crate) fn spawn(command: &Command, cause: std::io::Error) -> Error {
    Error::Spawn {
        program: command.get_program().to_string_lossy().into_owned(),
        cause,
    }
}

/// The command line, short enough for a message.
fn display(command: &Command) -> String {
    let program = command.get_program();
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_an_error_with_its_own_words() {
        let error = run("sh", &["-c", "echo no such pod >&2; exit 3"]).expect_err("exit 3");
        assert_eq!(
            error.to_string(),
            "`sh -c echo no such pod >&2; exit 3` failed with exit status: 3: no such pod"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run("no-such-program-here", &[]).expect_err("not installed");
        assert!(
            error
                .to_string()
                .starts_with("cannot run no-such-program-here: "),
            "{error}"
        );
    }
}
