//! Ends the cluster. Law: afterwards no process, mount, namespace, interface or cgroup of ours is
//! left, and the machine's settings are what they were. Containers are found by our cgroup, shims
//! by our socket in their command line, everything else by its record.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::Signal,
};

use crate::{
    cgroup,
    cluster::{Component, wait_until},
    command::run as run_program,
    error::{Error, Result},
    layout::{Layout, RUN_DIR, containerd_socket, lock_file, namespace},
    machine, network,
    process::Record,
    progress::{now, say, step},
    setup, up,
};

/// How long the kernel may take to let go of what has been killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes the cluster down, unless it is down.
///
/// # Errors
/// When something of it is left, naming each.
pub fn down() -> Result<()> {
    setup::check_root()?;
    let layout = Layout::find()?;
    let _lock = lock()?;
    if !anything_left() {
        say("the testbed is down already");
        return Ok(());
    }
    let begun = now();
    step("ending pods and components", || remove(&layout))?;
    say(&format!(
        "the testbed is down after {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Keeps a second `testbed` from changing the cluster at the same time; the file goes with it.
#[derive(Debug)]
pub(crate) struct Lock(fs::File);

/// Takes the lock, waiting for whoever has it.
pub(crate) fn lock() -> Result<Lock> {
    let path = lock_file();
    loop {
        let file = fs::File::create(&path).map_err(Error::file("create", &path))?;
        if file.try_lock().is_err() {
            say("waiting for another testbed command to finish");
            file.lock().map_err(Error::file("lock", &path))?;
        }
        let locked = file.metadata().map_err(Error::file("read", &path))?.ino();
        // Whoever had it may have removed the file meanwhile: then this lock guards nothing.
        if fs::metadata(&path).is_ok_and(|current| current.ino() == locked) {
            return Ok(Lock(file));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(lock_file());
        let _ = self.0.unlock();
    }
}

/// Whether there is any trace of a cluster, running or half-dead.
pub(crate) fn anything_left() -> bool {
    Path::new(RUN_DIR).exists() || network::exists() || !cgroup::ours().is_empty()
}

/// Ends and removes everything, and checks that it is gone.
pub(crate) fn remove(layout: &Layout) -> Result<()> {
    let identity = network::identity(&namespace());
    // The kubelet and the controllers first, or they would replace what is ended below.
    let (containerd, others): (Vec<Record>, Vec<Record>) = Record::all()
        .into_iter()
        .partition(|one| one.name == Component::Containerd.name());
    for record in &others {
        // These two would wait for each other's clients, and what they hold is thrown away.
        let store = [Component::Etcd.name(), Component::Apiserver.name()];
        let signal = if store.contains(&&*record.name) {
            Signal::KILL
        } else {
            Signal::TERM
        };
        record.signal(signal);
    }
    for record in &others {
        record.stop()?;
    }
    kill_containers()?;
    if containerd.iter().any(Record::alive) && up::containerd_answers().is_ok() {
        remove_containers()?;
    }
    for record in &containerd {
        record.stop()?;
    }
    for shim in shims() {
        shim.signal(Signal::KILL);
    }
    wait_until("the end of all shims", PATIENCE, || {
        if shims().is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", shims()))
        }
    })?;
    unmount_all(layout);
    let mounted = mounts(layout);
    if !mounted.is_empty() {
        // Removing directories below would otherwise reach through them.
        return Err(Error::Leftovers(
            mounted
                .iter()
                .map(|path| format!("mount {}", path.display()))
                .collect(),
        ));
    }
    wait_until("removal of the cgroups", PATIENCE, || {
        if cgroup::remove() {
            Ok(())
        } else {
            Err(format!("processes {:?}", cgroup::processes()))
        }
    })?;
    network::remove()?;
    machine::restore(layout)?;
    remove_files()?;

    let left = leftovers(layout, identity);
    if left.is_empty() {
        Ok(())
    } else {
        Err(Error::Leftovers(left))
    }
}

/// Kills every process of every container.
fn kill_containers() -> Result<()> {
    wait_until("the end of all containers", PATIENCE, || {
        let pids = cgroup::processes();
        for pid in &pids {
            if let Some(record) = Record::of("container", *pid) {
                record.signal(Signal::KILL);
            }
        }
        if pids.is_empty() {
            Ok(())
        } else {
            Err(format!("processes {pids:?}"))
        }
    })
}

/// Makes containerd forget all containers; images stay. The kubelet must not run.
pub(crate) fn remove_containers() -> Result<()> {
    let socket = containerd_socket().display().to_string();
    let ctr = |args: &[&str]| {
        let all = [&["--address", &socket, "--namespace", "k8s.io"], args].concat();
        run_program("ctr", &all).map_err(|error| error.to_string())
    };
    let remove = |kind: &str, delete: &[&str]| {
        let listed = ctr(&[kind, "list", "--quiet"])?.stdout;
        let ids: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
        if ids.is_empty() {
            Ok(())
        } else {
            ctr(&[&[kind], delete, &ids].concat()).map(drop)
        }
    };
    // containerd notices by itself that tasks have ended, so that one may be gone between the
    // list and the deletion: look again.
    wait_until("removal of all containers", PATIENCE, || {
        remove("tasks", &["delete", "--force"])?;
        remove("containers", &["delete"])
    })
}

/// The shims that serve our containerd.
fn shims() -> Vec<Record> {
    let socket = containerd_socket().display().to_string();
    processes()
        .filter(|(pid, _)| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split('\0');
            words
                .next()
                .is_some_and(|program| program.contains("containerd-shim"))
                && words.any(|word| word == socket)
        })
        .filter_map(|(pid, _)| Record::of("shim", pid))
        .filter(Record::alive)
        .collect()
}

/// Every process of the machine, with its directory in /proc.
fn processes() -> impl Iterator<Item = (u32, PathBuf)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, entry.path()))
        })
}

/// Unmounts what pods had, the last mounted first.
fn unmount_all(layout: &Layout) {
    for path in mounts(layout).iter().rev() {
        // What will not go is found again by `leftovers`.
        let _ = unmount(path, UnmountFlags::DETACH);
    }
}

/// What is mounted below our directories.
fn mounts(layout: &Layout) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts_below(&table, &[Path::new(RUN_DIR), &layout.state()])
}

fn mounts_below(mountinfo: &str, roots: &[&Path]) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split_whitespace().nth(4))
        .map(|field| PathBuf::from(field.replace("\\040", " ")))
        .filter(|path| roots.iter().any(|root| path.starts_with(root)))
        .collect()
}

fn remove_files() -> Result<()> {
    match fs::remove_dir_all(RUN_DIR) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", RUN_DIR)(error))
        }
        _ => Ok(()),
    }
}

/// Looks at the machine itself, not at our records, for anything of ours.
fn leftovers(layout: &Layout, identity: Option<(u64, u64)>) -> Vec<String> {
    let mut left = Vec::new();
    for (pid, dir) in processes() {
        if identity.is_some() && network::identity(&dir.join("ns/net")) == identity {
            let name = fs::read_to_string(dir.join("comm")).unwrap_or_default();
            left.push(format!(
                "process {pid} ({}) inside the network namespace",
                name.trim()
            ));
        }
    }
    left.extend(
        shims()
            .iter()
            .map(|shim| format!("process {} (shim)", shim.pid)),
    );
    left.extend(
        cgroup::processes()
            .iter()
            .map(|pid| format!("process {pid} (container)")),
    );
    left.extend(
        mounts(layout)
            .iter()
            .map(|path| format!("mount {}", path.display())),
    );
    left.extend(
        cgroup::ours()
            .iter()
            .map(|path| format!("cgroup {}", path.display())),
    );
    if network::exists() {
        left.push(format!("network namespace {}", namespace().display()));
    }
    if Path::new("/sys/class/net/node0").exists() {
        left.push("interface node0 outside the network namespace".to_owned());
    }
    if Path::new(RUN_DIR).exists() {
        left.push(format!("directory {RUN_DIR}"));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_our_directories_are_ours() {
        let table = "22 1 0:20 / /proc rw - proc proc rw\n\
            36 22 0:31 / /run/metrics-adapter-testbed/kubelet/pods/a\\040b rw - tmpfs tmpfs rw\n\
            37 22 0:32 / /run/metrics-adapter-testbed-other rw - tmpfs tmpfs rw\n\
            38 22 0:33 / /src/target/testbed/containerd/x rw - overlay overlay rw\n";
        let found = mounts_below(
            table,
            &[
                Path::new("/run/metrics-adapter-testbed"),
                Path::new("/src/target/testbed"),
            ],
        );
        assert_eq!(
            found,
            [
                Path::new("/run/metrics-adapter-testbed/kubelet/pods/a b"),
                Path::new("/src/target/testbed/containerd/x"),
            ]
        );
    }
}
