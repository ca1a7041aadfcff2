//! The rules file: prometheus-adapter's YAML, read strictly.
//!
//! This module owns the shape of the file and nothing of its meaning: whether a regular
//! expression or a template is valid is decided where it is compiled ([`crate::rules`]).
//! Unknown and duplicate keys are errors with their position.

pub mod duration;
mod file;

use std::path::{Path, PathBuf};

pub use duration::{DurationError, parse_duration};
pub use file::{
    DiscoveryRule, GroupResourceName, NameMapping, ResourceMapping, RuleFile, SeriesFilter,
};

/// Why a rules file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("--config {}: cannot read the rules file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The content is not a rules file.
    #[error("--config {}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// One line with position and cause, then a snippet.
        message: String,
    },
}

impl RuleFile {
    /// Reads and parses a rules file.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file, and the line and column of what is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|message| ConfigError::Parse {
            path: path.to_owned(),
            message,
        })
    }

    /// Parses the text of a rules file. An empty text is an empty file.
    ///
    /// # Errors
    /// `line L, column C: cause`, followed by lines that show the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed: Result<Option<Self>, _> = serde_saphyr::from_str(text);
        match parsed {
            Ok(file) => Ok(file.unwrap_or_default()),
            Err(error) => Err(describe(&error)),
        }
    }
}

/// `line L, column C: cause` on the first line, then the snippet that the parser renders.
fn describe(error: &serde_saphyr::Error) -> String {
    let cause = error.without_snippet().to_string();
    let cause = cause.lines().next().unwrap_or_default();
    let rendered = error.to_string();
    let snippet: Vec<&str> = rendered
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .collect();
    if snippet.is_empty() {
        cause.to_owned()
    } else {
        format!("{cause}\n{}", snippet.join("\n"))
    }
}

#[cfg(test)]
mod tests;
