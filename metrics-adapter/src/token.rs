//! A bearer token in a file, which somebody else replaces: the kubelet, an agent, a person.
//!
//! Law: the file is read again for every request; while there is no token in it the last good one
//! goes on, for only whom it is shown to can judge a token. For the same reason half a token, of a
//! file that is being written in place, is sent like any other: the request is refused, and the next
//! one reads again. To wait for a second look would keep a token in use that may not count any more.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use telemetry::reload::Source;

/// A token file and its last good token.
pub(crate) struct TokenFile {
    /// How errors name it: a flag, as a rule.
    name: &'static str,
    /// Whom the token is for.
    peer: &'static str,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// The last good header.
    header: Option<HeaderValue>,
    source: Source,
}

impl TokenFile {
    /// Reads the file, which must be there; a token may come later.
    pub(crate) fn open(
        name: &'static str,
        path: PathBuf,
        peer: &'static str,
        source: Source,
    ) -> std::io::Result<Self> {
        let bytes = std::fs::read(&path)?;
        let header = header(&String::from_utf8_lossy(&bytes)).ok();
        Ok(Self {
            name,
            peer,
            path,
            state: Mutex::new(State { header, source }),
        })
    }

    /// The `Authorization` header of the next request, or why there is none yet. Does not wait for
    /// long: the file is small, and in memory wherever the kubelet has put it.
    pub(crate) fn header(&self) -> Result<HeaderValue, String> {
        // Nothing under this lock leaves the state half changed. The file is read under it, so that of
        // two requests at once the one that has read the older token does not have the last word.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::fs::read_to_string(&self.path).map_err(|error| error.to_string());
        let found = text.and_then(|text| header(&text));
        let peer = self.peer;
        match found {
            Ok(header) if state.header.as_ref() == Some(&header) => {
                if state.source.restored() {
                    tracing::info!("the token file for {peer} is good again");
                }
                Ok(header)
            }
            Ok(header) => {
                state.source.replaced();
                tracing::info!("the token for {peer} has changed");
                state.header = Some(header.clone());
                Ok(header)
            }
            Err(reason) => {
                let error = format!("{} {}: {reason}", self.name, self.path.display());
                let is_new = state.source.broken(&error);
                let Some(last) = &state.header else {
                    return Err(error);
                };
                if is_new {
                    tracing::error!(%error, "keeping the last good token for {peer}");
                }
                Ok(last.clone())
            }
        }
    }
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
    use telemetry::reload::Reloads;

    use super::*;

    #[test]
    fn the_last_good_token_goes_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = Reloads::default().source();
        let path = file.path().to_owned();
        let token = TokenFile::open("--token-file", path, "somebody", source).unwrap();
        let is_broken = || token.state.lock().unwrap().source.problem().is_some();
        // There was none yet.
        let error = token.header().unwrap_err();
        assert!(error.starts_with("--token-file /"), "{error}");
        assert!(error.ends_with(": holds no token"), "{error}");
        for (text, sent, broken) in [
            ("one\n", "Bearer one", false),
            ("", "Bearer one", true),
            ("t\u{1}wo", "Bearer one", true),
            ("one", "Bearer one", false),
            (" \n", "Bearer one", true),
            ("two", "Bearer two", false),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let header = token.header().unwrap();
            assert!(header.is_sensitive());
            assert_eq!(
                (header.to_str().unwrap(), is_broken()),
                (sent, broken),
                "{text:?}"
            );
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(token.header().unwrap(), "Bearer two");
        assert!(is_broken());
    }
}
