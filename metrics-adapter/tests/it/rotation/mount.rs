//! A mounted Secret or ConfigMap.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory whose files change all at once, as the kubelet does it: they are symlinks through
/// `..data`, which is a symlink to the directory of a version.
pub(crate) struct Mount {
    directory: PathBuf,
    version: AtomicU32,
}

impl Mount {
    pub(crate) fn new(directory: &Path, files: &[(&str, &str)]) -> Self {
        fs::create_dir(directory).unwrap();
        let mount = Self {
            directory: directory.to_owned(),
            version: AtomicU32::new(0),
        };
        mount.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), directory.join(name)).unwrap();
        }
        mount
    }

    /// Puts a new version in the place of the last one.
    pub(crate) fn swap(&self, files: &[(&str, &str)]) {
        let path = |name: &str| self.directory.join(name);
        let version = format!("..{}", self.version.fetch_add(1, Ordering::SeqCst));
        let last = fs::read_link(path("..data"));
        fs::create_dir(path(&version)).unwrap();
        for (name, text) in files {
            fs::write(path(&version).join(name), text).unwrap();
        }
        symlink(&version, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        if let Ok(last) = last {
            fs::remove_dir_all(self.directory.join(last)).unwrap();
        }
    }

    /// A file's path, for a flag.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}
