//! The network namespace and the node's address in it. Law: no interface of it reaches outside,
//! so nothing in the cluster can, and removing the namespace removes every interface, route and
//! packet filter rule of the testbed.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use rustix::mount::{UnmountFlags, unmount};

use crate::{
    command::{self, run},
    error::Result,
    layout::{NAME, NODE_ADDRESS, namespace},
};

/// The node's interface: a bridge without ports, because not every kernel has dummy devices.
const NODE_INTERFACE: &str = "node0";

/// Makes the namespace with the node's address in it.
pub(crate) fn create() -> Result<()> {
    run("ip", &["netns", "add", NAME])?;
    let address = format!("{NODE_ADDRESS}/24");
    for args in [
        &["link", "set", "lo", "up"][..],
        &["link", "add", NODE_INTERFACE, "type", "bridge"],
        &["addr", "add", &address, "dev", NODE_INTERFACE],
        &["link", "set", NODE_INTERFACE, "up"],
        // Without a default route, a connection to a Service's address fails before kube-proxy's
        // rules see it.
        &[
            "route",
            "add",
            "default",
            "via",
            NODE_ADDRESS,
            "dev",
            NODE_INTERFACE,
        ],
    ] {
        run("ip", &[&["-n", NAME], args].concat())?;
    }
    command::capture(enter().args(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))?
        .checked()?;
    Ok(())
}

/// Whether the namespace exists.
pub(crate) fn exists() -> bool {
    namespace().exists()
}

/// Removes the namespace's name; the kernel removes it once nobody is in it.
pub(crate) fn remove() -> Result<()> {
    if exists() {
        run("ip", &["netns", "delete", NAME])?;
    }
    // `ip netns add` mounts the directory on itself the first time. Without any namespace nobody
    // needs that, and both calls fail when there is one.
    let dir = Path::new("/run/netns");
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none()) {
        let _ = unmount(dir, UnmountFlags::empty());
        let _ = fs::remove_dir(dir);
    }
    Ok(())
}

/// A command whose arguments are a command line that will run inside. nsenter becomes that program,
/// keeping its process id; `ip netns exec` would hide the cgroups by mounting /sys anew.
pub(crate) fn enter() -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", namespace().display()))
        .arg("--");
    command
}

/// Whether this very process is inside.
pub(crate) fn inside() -> bool {
    identity(Path::new("/proc/self/ns/net")).is_some()
        && identity(Path::new("/proc/self/ns/net")) == identity(&namespace())
}

/// What two paths to one namespace have in common, and no other has.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
