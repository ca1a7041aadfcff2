//! The rules file: prometheus-adapter's YAML, read strictly.
//!
//! This module owns the shape of the file and nothing of its meaning: whether a regular
//! expression or a template is valid is decided where it is compiled ([`crate::rules`]).
//! Unknown and duplicate keys are errors with their position. What Go's YAML would read
//! differently than YAML 1.2 is read as Go reads it, or refused.

mod document;
pub mod duration;
mod extension;
mod file;
mod merge;

use std::path::{Path, PathBuf};

pub use duration::{DurationError, PrometheusDuration, parse_duration};
pub use extension::{Replacement, SelectorValues};
pub use file::{
    DiscoveryRule, GroupResourceName, NameMapping, ResourceMapping, ResourceRule, ResourceRules,
    RuleFile, SeriesFilter,
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
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::of(path, &bytes)
    }

    /// Parses what was read from a rules file.
    ///
    /// # Errors
    /// [`ConfigError::Parse`].
    pub fn of(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::parse_bytes(bytes).map_err(|message| ConfigError::Parse {
            path: path.to_owned(),
            message,
        })
    }

    /// Parses the bytes of a rules file: UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    /// As [`RuleFile::parse`], and when the bytes are not text.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, String> {
        Self::parse(&document::decode(bytes)?)
    }

    /// Parses the text of a rules file: its first document. An empty text is an empty file.
    ///
    /// # Errors
    /// `line L, column C: cause`, followed by lines that show the place, or the field and what
    /// is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = document::first(text)?;
        let parsed: Result<Option<Self>, _> = serde_saphyr::from_str(text);
        let file = parsed.map_err(|error| describe(&error))?;
        merge::check(text)?;
        Ok(file.unwrap_or_default())
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
