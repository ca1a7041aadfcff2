//! The cgroup that all pods are under, in every hierarchy (version 1) or in the one (version 2).
//! Law: whatever runs in it is ours to end, and a kubelet that somebody else runs on this machine
//! never meets it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    layout::NAME,
};

const MOUNT: &str = "/sys/fs/cgroup";

/// Makes the cgroup everywhere; the kubelet refuses a `cgroupRoot` that is not there.
pub(crate) fn create() -> Result<()> {
    for hierarchy in hierarchies() {
        let ours = hierarchy.join(NAME);
        fs::create_dir_all(&ours).map_err(Error::file("create", &ours))?;
        if hierarchy.join("cpuset.cpus").exists() {
            // Version 1 starts a new cpuset empty, and nothing can run in an empty one.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let all = fs::read_to_string(hierarchy.join(file))
                    .map_err(Error::file("read", hierarchy.join(file)))?;
                fs::write(ours.join(file), all.trim())
                    .map_err(Error::file("write", ours.join(file)))?;
            }
        }
        delegate(&hierarchy)?;
        delegate(&ours)?;
    }
    Ok(())
}

/// Version 2: lets the children of a cgroup have every controller that it has itself.
fn delegate(cgroup: &Path) -> Result<()> {
    let Ok(controllers) = fs::read_to_string(cgroup.join("cgroup.controllers")) else {
        return Ok(());
    };
    let all: Vec<String> = controllers
        .split_whitespace()
        .map(|name| format!("+{name}"))
        .collect();
    let file = cgroup.join("cgroup.subtree_control");
    fs::write(&file, all.join(" ")).map_err(Error::file("write", &file))
}

/// The process ids in our cgroup, all the way down.
pub(crate) fn processes() -> Vec<u32> {
    let mut pids: Vec<u32> = ours()
        .iter()
        .flat_map(|cgroup| tree(cgroup))
        .filter_map(|cgroup| fs::read_to_string(cgroup.join("cgroup.procs")).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Our cgroups that exist.
pub(crate) fn ours() -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .map(|path| path.join(NAME))
        .filter(|path| path.exists())
        .collect()
}

/// Removes our cgroups from the leaves up; `false` while something still runs in one.
pub(crate) fn remove() -> bool {
    let mut gone = true;
    for cgroup in ours()
        .iter()
        .flat_map(|cgroup| tree(cgroup).into_iter().rev())
    {
        match fs::remove_dir(&cgroup) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => gone = false,
            _ => {}
        }
    }
    gone
}

/// A cgroup and all below it, parents first.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let children = fs::read_dir(root).into_iter().flatten().flatten();
    for child in children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.extend(tree(&child.path()));
    }
    found
}

/// The root of every mounted hierarchy: the mount itself (version 2), or its children (version 1
/// and hybrid).
fn hierarchies() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").exists() {
        return vec![mount.to_owned()];
    }
    let mut found: Vec<PathBuf> = fs::read_dir(mount)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    found.sort();
    found
}
