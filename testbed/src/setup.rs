//! What must be on the machine before anything else, and how to get it. Law: what is missing is
//! said in one line, all of it at once; services that packages bring are never left running.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    command,
    config::CNI_BIN,
    error::{Error, Result},
    progress::{say, step},
};

/// A program that must be there, and Debian's package that has it.
struct Need {
    program: &'static str,
    package: &'static str,
}

const NEEDS: [Need; 18] = [
    Need {
        program: "containerd",
        package: "containerd",
    },
    Need {
        program: "ctr",
        package: "containerd",
    },
    Need {
        program: "runc",
        package: "runc",
    },
    Need {
        program: "ptp",
        package: "containernetworking-plugins",
    },
    Need {
        program: "host-local",
        package: "containernetworking-plugins",
    },
    Need {
        program: "nft",
        package: "nftables",
    },
    Need {
        program: "ip",
        package: "iproute2",
    },
    Need {
        program: "nsenter",
        package: "util-linux",
    },
    Need {
        program: "unshare",
        package: "util-linux",
    },
    Need {
        program: "getent",
        package: "libc-bin",
    },
    // The roots that the adapter's image has.
    Need {
        program: "update-ca-certificates",
        package: "ca-certificates",
    },
    Need {
        program: "prometheus",
        package: "prometheus",
    },
    Need {
        program: "promtool",
        package: "prometheus",
    },
    // The request counter's, in an image of its own.
    Need {
        program: "redis-server",
        package: "redis-server",
    },
    Need {
        program: "redis-cli",
        package: "redis-tools",
    },
    // The Exoscale demo's webhooks, and the check of their routes.
    Need {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
    },
    Need {
        program: "amtool",
        package: "prometheus-alertmanager",
    },
    // The request counter's load balancer, whose configuration is checked.
    Need {
        program: "nginx",
        package: "nginx-light",
    },
];

/// What the Exoscale demo needs, which has no cluster.
const EXOSCALE_NEEDS: [Need; 4] = [
    Need {
        program: "prometheus",
        package: "prometheus",
    },
    Need {
        program: "promtool",
        package: "prometheus",
    },
    Need {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
    },
    Need {
        program: "setpriv",
        package: "util-linux",
    },
];

/// What the AWS demo needs.
const AWS_NEEDS: [Need; 1] = [Need {
    program: "setpriv",
    package: "util-linux",
}];

/// Services that those packages enable.
const SERVICES: [(&str, &str); 5] = [
    ("containerd", "containerd.service"),
    ("prometheus", "prometheus.service"),
    ("redis-server", "redis-server.service"),
    ("prometheus-alertmanager", "prometheus-alertmanager.service"),
    ("nginx-light", "nginx.service"),
];

/// What Debian asks before it starts a service; a file of this name may forbid it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing, as root on Debian; elsewhere says what is missing.
///
/// # Errors
/// When something is missing and cannot be installed here.
pub fn setup() -> Result<()> {
    check_go()?;
    let packages = missing_packages(&NEEDS);
    if packages.is_empty() {
        check_root()?;
        say("everything that the testbed needs is installed");
        return Ok(());
    }
    if check_root().is_err() || !Path::new("/usr/bin/apt-get").exists() {
        return check();
    }
    install(&packages)?;
    check()
}

/// Installs what the Exoscale demo lacks, as root on Debian; elsewhere says what it lacks. Once
/// everything is there, nobody needs to be root.
///
/// # Errors
/// When something is missing and cannot be installed here.
pub fn exoscale() -> Result<()> {
    provide(&EXOSCALE_NEEDS)
}

/// Likewise for the AWS demo.
///
/// # Errors
/// As of [`exoscale`].
pub fn aws() -> Result<()> {
    provide(&AWS_NEEDS)
}

fn provide(needs: &[Need]) -> Result<()> {
    let packages = missing_packages(needs);
    if !packages.is_empty() && check_root().is_ok() && Path::new("/usr/bin/apt-get").exists() {
        install(&packages)?;
    }
    let missing = missing_packages(needs);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Missing(format!(
        "the demo needs the Debian packages {}; run it as root once on Debian, or install them",
        missing.join(" ")
    )))
}

/// Fails with everything that is missing, in one line.
///
/// # Errors
/// [`Error::Missing`].
pub fn check() -> Result<()> {
    let mut missing = Vec::new();
    if check_root().is_err() {
        missing.push("root".to_owned());
    }
    let packages = missing_packages(&NEEDS);
    if !packages.is_empty() {
        missing.push(format!("the Debian packages {}", packages.join(" ")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Missing(format!(
        "the testbed needs {}; run `testbed setup` as root on Debian, or install them",
        missing.join(" and ")
    )))
}

/// Fails unless this is root: namespaces, cgroups and mounts need it.
///
/// # Errors
/// [`Error::Missing`].
pub fn check_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::Missing(
        "the testbed needs root: run it with sudo, or in a container".to_owned(),
    ))
}

/// Kubernetes is built from its Go module.
pub(crate) fn check_go() -> Result<()> {
    match find("go") {
        Some(_) => Ok(()),
        None => Err(Error::Missing(
            "the testbed needs Go 1.26 or newer in PATH, to build Kubernetes: see go.dev/dl"
                .to_owned(),
        )),
    }
}

fn missing_packages(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = needs
        .iter()
        .filter(|need| find(need.program).is_none())
        .map(|need| need.package)
        .collect();
    packages.dedup();
    packages
}

/// Where a program is, also when it is in a directory that only root has in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = crate::cli::variable("PATH").unwrap_or_default();
    let fixed = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", CNI_BIN].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(fixed)
        .map(|dir| dir.join(program))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command::capture(&mut command)?.checked()
    };
    step("package lists", || apt(&["update", "--quiet"]))?;
    let policy = Policy::forbid_starting()?;
    let args = [
        &["install", "--yes", "--quiet", "--no-install-recommends"],
        packages,
    ]
    .concat();
    let installed = step(&format!("packages {}", packages.join(" ")), || apt(&args));
    drop(policy);
    installed?;
    for (_, service) in SERVICES
        .iter()
        .filter(|(package, _)| packages.contains(package))
    {
        // Without systemd there is nobody to start it, and nothing to disable.
        if find("systemctl").is_some() {
            command::capture(Command::new("systemctl").args(["disable", "--quiet", service]))?;
        }
    }
    Ok(())
}

/// Forbids that packages start their services, for as long as it lives.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid_starting() -> Result<Self> {
        // Somebody else's policy is theirs; those that exist (in containers) forbid as well.
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(Error::file("write", POLICY))?;
        let policy = Self { ours: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
            .map_err(Error::file("change", POLICY))?;
        Ok(policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours && fs::remove_file(POLICY).is_err() {
            say(&format!(
                "cannot remove {POLICY}: remove it, it keeps services from starting"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_only_when_executable() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
    }
}
