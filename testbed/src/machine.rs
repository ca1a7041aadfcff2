//! The machine's own settings and directories that stock parts change whatever they are told.
//! Law: they are written down before the first part starts, and set back after the last has ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    layout::{Layout, NAME, run},
};

/// Settings of the whole machine that a stock kubelet changes when it starts.
const MACHINE_SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins";
const CNI_RESULTS: &str = "/var/lib/cni/results";

/// Directories that containerd, the CNI library and the kubelet use whatever they are told.
const FIXED_DIRS: [&str; 11] = [
    DEVICE_PLUGINS,
    "/var/lib/kubelet",
    "/var/log/containers",
    CNI_RESULTS,
    "/var/lib/cni",
    "/run/containerd/fifo",
    "/run/containerd/s",
    "/run/containerd",
    "/opt/cni/bin",
    "/opt/cni",
    "/opt/containerd",
];

/// Writes down what a kubelet will change on this machine.
pub(crate) fn remember() -> Result<()> {
    let mut lines = String::new();
    for setting in MACHINE_SETTINGS {
        if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(setting)) {
            lines.push_str(&format!("{setting}={}\n", value.trim()));
        }
    }
    for dir in FIXED_DIRS.iter().filter(|dir| !Path::new(dir).exists()) {
        lines.push_str(&format!("absent={dir}\n"));
    }
    let file = run("machine");
    fs::write(&file, lines).map_err(Error::file("write", file))
}

/// Sets back what was written down.
pub(crate) fn restore(layout: &Layout) -> Result<()> {
    remove_traces(layout)?;
    let Ok(text) = fs::read_to_string(run("machine")) else {
        return Ok(());
    };
    for (setting, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if setting == "absent" {
            // Only when empty: somebody else may use it by now.
            let _ = fs::remove_dir(value);
            continue;
        }
        let file = Path::new("/proc/sys").join(setting);
        let now = fs::read_to_string(&file).unwrap_or_default();
        if now.trim() != value {
            fs::write(&file, value).map_err(Error::file("write", file))?;
        }
    }
    Ok(())
}

/// Removes the files that parts leave in the fixed directories, and no others.
fn remove_traces(layout: &Layout) -> Result<()> {
    let entries = |dir: &str| fs::read_dir(dir).into_iter().flatten().flatten();
    let machine = fs::read_to_string(run("machine")).unwrap_or_default();
    let ours_alone = |dir: &str| machine.lines().any(|line| line == format!("absent={dir}"));
    let results = entries(CNI_RESULTS)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            // Those of loopback interfaces do not say whose they are.
            name.starts_with(NAME) || (ours_alone(CNI_RESULTS) && name.starts_with("cni-loopback-"))
        });
    let links = entries("/var/log/containers")
        .map(|entry| entry.path())
        .filter(|path| {
            // The kubelet's links to the logs of its containers.
            fs::read_link(path).is_ok_and(|target| target.starts_with(layout.pod_logs()))
        });
    let kubelet = ["kubelet.sock", "kubelet_internal_checkpoint"]
        .map(|file| Path::new(DEVICE_PLUGINS).join(file))
        .into_iter()
        .filter(|_| ours_alone(DEVICE_PLUGINS));
    for path in results.chain(links).chain(kubelet).chain(shim_sockets()) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The sockets of shims that were killed, which lie in a directory of the whole machine: each
/// container's own directory says where.
fn shim_sockets() -> Vec<PathBuf> {
    fs::read_dir(run("containerd/io.containerd.runtime.v2.task/k8s.io"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|bundle| fs::read_to_string(bundle.path().join("address")).ok())
        .filter_map(|address| address.trim().strip_prefix("unix://").map(PathBuf::from))
        .collect()
}
