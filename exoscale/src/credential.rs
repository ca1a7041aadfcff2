//! Key and secret of the API. Law: neither is ever shown, not even by `Debug`.

use std::fmt;
use std::path::Path;

/// Largest file that is read as a key or secret, in bytes: theirs have about 50.
const MAX_FILE: u64 = 4_096;

/// A text that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What requests are signed with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The API key, `EXO…`; it goes over the wire.
    pub key: Secret,
    /// The API secret; it does not.
    pub secret: Secret,
}

/// Not usable as a key or secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Neither key nor secret has anything else.
    #[error("holds characters other than printable ASCII")]
    Characters,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    File(std::io::Error),
    /// Not the file of a secret.
    #[error("is larger than {MAX_FILE} bytes")]
    Large,
}

impl Secret {
    /// Accepts printable ASCII, without the white space around it.
    ///
    /// # Errors
    /// If nothing is left, or something else is in it. The text is not in the error.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// If there is no such file, or it holds no secret.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if std::fs::metadata(path).map_err(Error::File)?.len() > MAX_FILE {
            return Err(Error::Large);
        }
        Self::new(&std::fs::read_to_string(path).map_err(Error::File)?)
    }

    /// The text itself, for signing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let secret = Secret::new(" hush\n").unwrap();
        assert_eq!(secret.expose(), "hush");
        assert_eq!(format!("{secret:?}"), "<redacted>");
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for wrong in ["", " \n", "two words", "line\nline", "ümlaut"] {
            let message = Secret::new(wrong).unwrap_err().to_string();
            assert!(
                wrong.trim().is_empty() || !message.contains(wrong),
                "{message}"
            );
        }
    }
}
