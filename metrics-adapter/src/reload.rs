//! The rules file: read at the start, looked at ever after, and compiled anew when it has changed.
//!
//! [`RulesFile::watch`] alone says which rules are wanted, to everybody who has subscribed. The
//! relist loop alone brings them into force, together with the metrics that they make
//! ([`crate::discovery::Catalog::rules`]), so that nobody sees new rules without their metrics.
//!
//! Law: what is told is always the last good version of the file, whole. A broken one, or none,
//! changes nothing but three metrics and a line in the log; readiness has no part in it.

mod metrics;

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use metrics::Metrics;

use crate::cli::{self, UsageError};
use crate::config::{ConfigError, RuleFile};
use crate::discovery;
use crate::rules::{self, RuleError, RuleSet};

/// Why a version of the rules file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read, or is no rules file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// It is no file that could be read twice.
    #[error("--config {}: not a regular file", .0.display())]
    Irregular(PathBuf),
    /// A rule in it means nothing.
    #[error("--config {}: {rule}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// The place in it, and what is wrong.
        rule: RuleError,
    },
    /// It does not go with the flags.
    #[error(transparent)]
    Flags(#[from] UsageError),
}

/// Which version of the rules file is in use, and what is wrong with a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// `--config`.
    pub path: PathBuf,
    /// SHA-256 of the version in use, hexadecimal, as `sha256sum` prints it.
    pub sha256: String,
    /// When that version was read.
    pub read: Timestamp,
    /// When a later version was refused, and why.
    pub refused: Option<(Timestamp, String)>,
}

/// The rules file, and the rules that its last good version has.
#[derive(Debug)]
pub struct RulesFile {
    path: PathBuf,
    relist: discovery::Options,
    /// What the current rules were made of.
    content: Vec<u8>,
    rules: watch::Sender<Arc<RuleSet>>,
    state: watch::Sender<FileState>,
    metrics: Metrics,
}

/// What was found at one look: the content, or why there is none.
type Look = Result<Vec<u8>, String>;

impl RulesFile {
    /// Reads the file; at the start there is no version of before to fall back on.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub fn load(
        path: PathBuf,
        relist: discovery::Options,
        metrics: Metrics,
    ) -> Result<Self, ReloadError> {
        let content = std::fs::read(&path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        let rules = compile(&path, &relist, &content)?;
        let sha256 = sha256(&content);
        metrics.loaded();
        metrics.uses(&sha256);
        Ok(Self {
            state: watch::Sender::new(FileState {
                path: path.clone(),
                sha256,
                read: Timestamp::now(),
                refused: None,
            }),
            path,
            relist,
            content,
            rules: watch::Sender::new(Arc::new(rules)),
            metrics,
        })
    }

    /// The rules that are wanted now, and word of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.rules.subscribe()
    }

    /// Which version is in use.
    pub fn state(&self) -> watch::Receiver<FileState> {
        self.state.subscribe()
    }

    /// Looks at the file every `interval` until cancelled. What two looks in a row have found the
    /// same is judged: a file that is being written in place may be seen empty or half.
    ///
    /// Polling by content sees every kind of replacement: a rename, a symlink swap of a mounted
    /// ConfigMap, a write in place. A pipe can be read once only, and is not looked at.
    pub async fn watch(mut self, interval: Duration, token: &CancellationToken) {
        let is_read_once = regular(&self.path).await;
        if let Err(error) = &is_read_once {
            info!("the rules are not read again: {error}");
        }
        let mut judged: Look = Ok(self.content.clone());
        let mut last = judged.clone();
        while token
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            if is_read_once.is_err() {
                continue;
            }
            let look = look(&self.path).await.map_err(|error| told(&error));
            if look == last && look != judged {
                self.judge(&look);
                judged.clone_from(&look);
            }
            last = look;
        }
    }

    fn judge(&mut self, look: &Look) {
        let judged = match look {
            Ok(content) if *content == self.content => {
                info!("the rules file is again what it was");
                Ok(())
            }
            Ok(content) => self.replace(content),
            Err(error) => Err(error.clone()),
        };
        self.metrics.reloaded(judged.is_ok());
        let refused = judged.as_ref().err().cloned();
        self.state.send_modify(|state| {
            state.refused = refused.map(|error| (Timestamp::now(), error));
        });
        if let Err(error) = judged {
            error!(%error, "keeping the rules of before: {error}");
        }
    }

    fn replace(&mut self, content: &[u8]) -> Result<(), String> {
        let rules = compile(&self.path, &self.relist, content).map_err(|error| told(&error))?;
        info!(
            rules = rules.custom.len(),
            external_rules = rules.external.len(),
            resource_rules = rules.resource.is_some(),
            "the rules file has changed"
        );
        content.clone_into(&mut self.content);
        let sha256 = sha256(content);
        self.metrics.uses(&sha256);
        self.state.send_modify(|state| {
            state.sha256 = sha256;
            state.read = Timestamp::now();
        });
        self.rules.send_replace(Arc::new(rules));
        Ok(())
    }
}

fn compile(
    path: &Path,
    relist: &discovery::Options,
    content: &[u8],
) -> Result<RuleSet, ReloadError> {
    let file = RuleFile::of(path, content)?;
    let rules = rules::compile(&file).map_err(|rule| ReloadError::Rule {
        path: path.to_owned(),
        rule,
    })?;
    if !rules.custom.is_empty() {
        cli::check_max_age(relist)?;
    }
    Ok(rules)
}

async fn look(path: &Path) -> Result<Vec<u8>, ReloadError> {
    regular(path).await?;
    let read = tokio::fs::read(path).await;
    read.map_err(|source| unreadable(path, source))
}

/// Opening a pipe would wait for whoever writes.
async fn regular(path: &Path) -> Result<(), ReloadError> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(ReloadError::Irregular(path.to_owned())),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> ReloadError {
    let path = path.to_owned();
    ConfigError::Read { path, source }.into()
}

fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// The error with its cause.
fn told(error: &ReloadError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
