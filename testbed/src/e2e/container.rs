//! The processes behind containers, as the kernel sees them.

use std::{collections::BTreeMap, fs, path::Path};

use super::Failure;
use crate::process::Record;

/// One process of a container.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
}

impl Process {
    /// All processes whose cgroup is the container's.
    pub(super) fn of(container_id: &str) -> Result<Vec<Self>, Failure> {
        let entries =
            fs::read_dir("/proc").map_err(|error| Failure::new(format!("/proc: {error}")))?;
        let found: Vec<Self> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                fs::read_to_string(format!("/proc/{pid}/cgroup"))
                    .is_ok_and(|text| text.contains(container_id))
            })
            .map(|pid| Self { pid })
            .collect();
        if found.is_empty() {
            return Err(Failure::new(format!(
                "no process of container {container_id}"
            )));
        }
        Ok(found)
    }

    /// Ends it with SIGKILL.
    pub(super) fn kill(&self) -> Result<(), Failure> {
        let record = Record::of("container", self.pid)
            .ok_or_else(|| Failure::new(format!("process {} is gone already", self.pid)))?;
        record.signal(rustix::process::Signal::KILL);
        Ok(())
    }

    /// What is wrong with its confinement: it must be nobody special, unable to become so, and
    /// unable to write to its image.
    pub(super) fn looseness(&self) -> Result<Vec<String>, Failure> {
        let read = |file: &str| {
            let path = Path::new("/proc").join(self.pid.to_string()).join(file);
            fs::read_to_string(&path)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        };
        Ok(judge(&read("status")?, &read("mountinfo")?))
    }
}

fn judge(status: &str, mountinfo: &str) -> Vec<String> {
    let fields: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or("missing");
    let mut wrong = Vec::new();
    if ["Uid", "Gid"]
        .iter()
        .any(|name| field(name).split_whitespace().any(|id| id == "0"))
    {
        wrong.push(format!("runs as uid {} gid {}", field("Uid"), field("Gid")));
    }
    if field("CapEff").bytes().any(|digit| digit != b'0') {
        wrong.push(format!("has capabilities {}", field("CapEff")));
    }
    if field("NoNewPrivs") != "1" {
        wrong.push("may gain privileges".to_owned());
    }
    if field("Seccomp") != "2" {
        wrong.push(format!("has no seccomp filter ({})", field("Seccomp")));
    }
    // Fields 5 and 6 of a line: the mount point and its options. The last mount on a point counts.
    let root = mountinfo.lines().rev().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(4) == Some(&"/")).then(|| fields.get(5).copied().unwrap_or_default())
    });
    if !root.is_some_and(|options| options.split(',').any(|option| option == "ro")) {
        wrong.push(format!("can write to its root: {root:?}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tserver\nUid:\t65532\t65532\t65532\t65532\nGid:\t65532\t65532\n\
        CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
    const MOUNTS: &str = "600 500 0:50 / / ro,relatime - overlay overlay rw,lowerdir=x\n\
        601 600 0:51 / /proc rw,nosuid - proc proc rw\n";

    #[test]
    fn a_confined_process_passes_and_each_looseness_is_named() {
        assert!(judge(STATUS, MOUNTS).is_empty());
        for (from, to) in [
            ("65532\t65532\t65532\t65532", "0\t0\t0\t0"),
            ("CapEff:\t0000000000000000", "CapEff:\t00000000a80425fb"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
        ] {
            assert_eq!(judge(&STATUS.replace(from, to), MOUNTS).len(), 1, "{to}");
        }
        let writable = MOUNTS.replace("ro,relatime", "rw,relatime");
        assert_eq!(judge(STATUS, &writable).len(), 1);
    }
}
