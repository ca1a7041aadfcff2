//! The `Authorization` header of each request.
//!
//! Law: a token file is read again for every request; while there is no token in it the last good
//! one goes on, for Prometheus alone judges tokens.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderValue;
use telemetry::reload::Source;

use super::{Authorization, ClientError, Material, Metrics, PrometheusError};

/// How requests log in.
pub(super) enum Login {
    Anonymous,
    Header(HeaderValue),
    File(TokenFile),
}

/// A file with a bearer token.
pub(super) struct TokenFile {
    flag: &'static str,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// The last good header.
    header: Option<HeaderValue>,
    source: Source,
}

impl Login {
    /// Makes sure that a token file is there at the start.
    pub(super) fn new(
        authorization: Option<&Authorization>,
        metrics: &Metrics,
    ) -> Result<Self, ClientError> {
        match authorization {
            None => Ok(Self::Anonymous),
            Some(Authorization::Header(value)) => Ok(Self::Header(value.clone())),
            Some(Authorization::TokenFile { flag, path }) => {
                let bytes = Material::file(flag, path.clone()).read()?;
                let state = State {
                    header: header(&String::from_utf8_lossy(&bytes)).ok(),
                    source: metrics.token.source(),
                };
                Ok(Self::File(TokenFile {
                    flag,
                    path: path.clone(),
                    state: Mutex::new(state),
                }))
            }
        }
    }

    /// The header of the next request.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, PrometheusError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Header(value) => Ok(Some(value.clone())),
            Self::File(file) => file.header().await.map(Some),
        }
    }
}

impl TokenFile {
    async fn header(&self) -> Result<HeaderValue, PrometheusError> {
        let found = read(&self.path).await;
        // Nothing under this lock leaves the state half changed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(header) if state.header.as_ref() == Some(&header) => {
                if state.source.restored() {
                    tracing::info!("the token file for Prometheus is good again");
                }
                Ok(header)
            }
            Ok(header) => {
                state.source.replaced();
                tracing::info!("the token for Prometheus has changed");
                state.header = Some(header.clone());
                Ok(header)
            }
            Err(reason) => {
                let error = format!("{} {}: {reason}", self.flag, self.path.display());
                let is_new = state.source.broken(&error);
                let Some(last) = &state.header else {
                    return Err(PrometheusError::Token(error));
                };
                if is_new {
                    tracing::error!(%error, "keeping the last good token for Prometheus");
                }
                Ok(last.clone())
            }
        }
    }
}

async fn read(path: &Path) -> Result<HeaderValue, String> {
    let text = tokio::fs::read_to_string(path).await;
    header(&text.map_err(|error| error.to_string())?)
}

fn header(text: &str) -> Result<HeaderValue, String> {
    let token = text.trim();
    if token.is_empty() {
        // As between truncation and the first byte of a file that is written in place.
        return Err("holds no token".to_owned());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "not usable as a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn the_last_good_token_goes_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let authorization = Authorization::TokenFile {
            flag: "--prometheus-token-file",
            path: file.path().to_owned(),
        };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let login = Login::new(Some(&authorization), &metrics).unwrap();
        let told = || {
            let text = telemetry::text::encode(&registry);
            let prefix = "prometheus_token_reload_failing ";
            let line = text.lines().find_map(|line| line.strip_prefix(prefix));
            line.unwrap().to_owned()
        };
        // There was none yet.
        let error = login.header().await.unwrap_err().to_string();
        assert!(error.contains("--prometheus-token-file /"), "{error}");
        for (text, sent, failing) in [
            ("one\n", "Bearer one", "0"),
            ("", "Bearer one", "1"),
            ("t\u{1}wo", "Bearer one", "1"),
            ("one", "Bearer one", "0"),
            (" \n", "Bearer one", "1"),
            ("two", "Bearer two", "0"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let header = login.header().await.unwrap().unwrap();
            assert!(header.is_sensitive());
            assert_eq!(header, sent, "{text:?}");
            assert_eq!(told(), failing, "{text:?}");
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(login.header().await.unwrap().unwrap(), "Bearer two");
        assert_eq!(told(), "1");
    }
}
