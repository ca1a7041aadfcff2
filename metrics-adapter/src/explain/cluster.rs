//! What `explain` asks kube-apiserver, and nobody else: documents, by their paths.

use std::future::Future;

use serde::de::DeserializeOwned;

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The document of a good answer.
    ///
    /// # Errors
    /// What was answered instead, in a sentence.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        if self.status != 200 {
            return Err(self.message());
        }
        serde_json::from_str(&self.body).map_err(|error| format!("cannot be read: {error}"))
    }

    /// The message of a `Status`, or else the first line of the text.
    pub fn message(&self) -> String {
        let status: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        let message = status
            .as_ref()
            .and_then(|status| status["message"].as_str());
        let message = message.unwrap_or_else(|| self.body.lines().next().unwrap_or_default());
        format!("{message} (status {})", self.status)
    }
}

/// kube-apiserver, as the user sees it.
pub trait Cluster: Sync {
    /// The answer to a GET of a path, with its query.
    ///
    /// # Errors
    /// Why there is none.
    fn get(&self, path: &str) -> impl Future<Output = Result<Answer, String>> + Send;
}

/// Percent-encodes whatever stands between slashes, or behind `=`.
pub(super) fn encode(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SET: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'*');
    utf8_percent_encode(text, SET).to_string()
}

#[cfg(test)]
pub(super) mod tests;
