//! The file of targets. Law: whoever reads it sees all of the old or all of the new.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Group;

/// Readable for Prometheus, which is another user.
const MODE: u32 = 0o644;

/// A file that Prometheus reads through `file_sd_configs`.
#[derive(Clone, Debug)]
pub struct File(PathBuf);

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--prometheus-file: cannot write {}: {cause}", path.display())]
pub struct FileError {
    path: PathBuf,
    cause: io::Error,
}

impl File {
    /// A file in a directory that exists.
    ///
    /// # Errors
    /// If the directory does not exist, or nothing can be written to it.
    pub fn new(path: PathBuf) -> Result<Self, FileError> {
        let file = Self(path);
        match file.temporary() {
            Ok(_) => Ok(file),
            Err(cause) => Err(file.error(cause)),
        }
    }

    /// Replaces the content, unless it is the same already: a reader is woken by every change.
    ///
    /// # Errors
    /// If the file cannot be written; it is as it was then.
    pub async fn write(&self, group: &Group) -> Result<(), FileError> {
        let (file, text) = (self.clone(), text(group));
        let written = tokio::task::spawn_blocking(move || file.replace(&text)).await;
        written
            .map_err(io::Error::other)
            .and_then(|result| result)
            .map_err(|cause| self.error(cause))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let path = &self.0;
        if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let mut temporary = self.temporary()?;
        temporary.write_all(text.as_bytes())?;
        temporary
            .as_file()
            .set_permissions(Permissions::from_mode(MODE))?;
        // A machine that loses power must not keep the new name with no content.
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// A file beside it, so that it can be renamed, with a name that no pattern for targets
    /// matches. It is removed when it is dropped.
    fn temporary(&self) -> io::Result<tempfile::NamedTempFile> {
        let directory = match self.0.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        tempfile::Builder::new()
            .prefix(".targets-")
            .suffix(".tmp")
            .tempfile_in(directory)
    }

    fn error(&self, cause: io::Error) -> FileError {
        FileError {
            path: self.0.clone(),
            cause,
        }
    }
}

/// The document: one group, also when it is empty.
fn text(group: &Group) -> String {
    // A struct of strings always has a JSON form.
    serde_json::to_string(&[group]).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn mk_group(last: u8) -> Group {
        Group::new(&[[127, 1, 0, last].into()], 9100)
    }

    #[test]
    fn an_empty_pool_is_an_empty_list() {
        assert_eq!(
            text(&Group::default()),
            "[{\"targets\":[],\"labels\":{}}]\n"
        );
    }

    #[tokio::test]
    async fn the_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let file = File::new(path.clone()).unwrap();
        file.write(&mk_group(1)).await.unwrap();
        let first = std::fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, MODE);
        file.write(&mk_group(1)).await.unwrap();
        let same = std::fs::metadata(&path).unwrap();
        assert_eq!(same.ino(), first.ino(), "nothing changed");
        file.write(&mk_group(2)).await.unwrap();
        let second = std::fs::metadata(&path).unwrap();
        assert_ne!(second.ino(), first.ino(), "renamed, not rewritten");
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "no temporary file stays");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = File::new("/no/such/directory/config.json".into()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("--prometheus-file: cannot write /no/such/directory/config.json: "),
            "{message}"
        );
    }
}
