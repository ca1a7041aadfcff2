//! Which Kubernetes the testbed runs: the newest that is built here, or an older minor, chosen by
//! the environment variable `TESTBED_KUBERNETES`. Law: every minor has its own pins and its own
//! directory of programs, so that going back and forth builds nothing anew.

use std::{ffi::OsStr, fs};

use crate::{
    error::{Error, Result},
    layout::run,
};

/// The variable that chooses, as a minor: `1.34`.
pub(crate) const VARIABLE: &str = "TESTBED_KUBERNETES";

/// A Kubernetes that can be built and run.
#[derive(Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// As people say it: `1.36`.
    pub minor: &'static str,
    /// The release of its Go module, without the v.
    pub release: &'static str,
    /// What pins it and all that it needs, in `testbed/kubernetes`.
    pub(crate) modfile: &'static str,
    /// Where its programs are, below `target/testbed`.
    pub(crate) bin: &'static str,
}

/// All of them; the first is the one that is used when nothing is chosen.
pub const RELEASES: [Kubernetes; 2] = [
    Kubernetes {
        minor: "1.36",
        release: "1.36.3",
        modfile: "go.mod",
        bin: "bin",
    },
    Kubernetes {
        minor: "1.34",
        release: "1.34.4",
        modfile: "go-1.34.mod",
        bin: "bin-1.34",
    },
];

impl Kubernetes {
    /// The one that the variable's value names, the first without a value.
    ///
    /// # Errors
    /// When there is no such minor; says which there are.
    pub(crate) fn chosen(value: Option<&OsStr>) -> Result<&'static Self> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Ok(&RELEASES[0]);
        };
        let found = RELEASES.iter().find(|it| value == it.minor);
        found.ok_or_else(|| {
            let minors: Vec<&str> = RELEASES.iter().map(|it| it.minor).collect();
            Error::Missing(format!(
                "{VARIABLE}={}: there is no such Kubernetes here, only {}",
                value.display(),
                minors.join(" and ")
            ))
        })
    }

    /// The minor's number: 36 of `1.36`.
    pub(crate) fn number(&self) -> u32 {
        let number = self.minor.split_once('.').map(|(_, number)| number.parse());
        number.and_then(std::result::Result::ok).unwrap_or_default()
    }

    /// Remembers which one the cluster runs.
    pub(crate) fn save(&self) -> Result<()> {
        let file = run("kubernetes");
        fs::write(&file, self.minor).map_err(Error::file("write", file))
    }

    /// Fails when the cluster was started with another one: half of each would be neither.
    pub(crate) fn check(&self) -> Result<()> {
        match fs::read_to_string(run("kubernetes")) {
            Ok(runs) if runs != self.minor => Err(Error::Missing(format!(
                "the testbed runs Kubernetes {runs}, and {} was asked for: take it down by `testbed \
                 down`, or set {VARIABLE}={runs}",
                self.minor
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_chosen_unless_another_is_named() {
        let chosen = |value: Option<&str>| Kubernetes::chosen(value.map(OsStr::new));
        assert_eq!(chosen(None).unwrap().minor, "1.36");
        assert_eq!(RELEASES.map(|it| it.number()), [36, 34]);
        assert_eq!(chosen(Some("")).unwrap().minor, "1.36");
        assert_eq!(chosen(Some("1.34")).unwrap().bin, "bin-1.34");
        assert_eq!(
            chosen(Some("1.3")).unwrap_err().to_string(),
            "TESTBED_KUBERNETES=1.3: there is no such Kubernetes here, only 1.36 and 1.34"
        );
    }
}
