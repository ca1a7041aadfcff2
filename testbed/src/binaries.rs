//! Builds Kubernetes and the other Go programs into `target/testbed/bin`. Law: Go decides what is
//! out of date; without a change this takes seconds, on a fresh machine some 6 minutes.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    command,
    error::{Error, Result},
    kubernetes::Kubernetes,
    layout::Layout,
    progress::step,
    setup,
};

/// One Go program, and the names under which it is several.
struct Binary {
    name: &'static str,
    module: &'static str,
    package: &'static str,
    /// Build tags, comma-separated.
    tags: &'static str,
    /// What it should say when asked for its version: the version in the module's go.mod.
    /// Kubernetes' is chosen.
    versions: &'static [&'static str],
    links: &'static [&'static str],
}

/// The one of which there are several versions.
const KUBERNETES: &str = "kubernetes";

const BINARIES: [Binary; 7] = [
    Binary {
        name: KUBERNETES,
        module: KUBERNETES,
        package: ".",
        tags: "",
        versions: &["k8s.io/component-base/version.gitTreeState=clean"],
        links: &[
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        ],
    },
    Binary {
        name: "tools",
        module: "tools",
        package: ".",
        tags: "",
        versions: &["helm.sh/helm/v4/internal/version.version=v4.3.1"],
        links: &["coredns", "etcd", "helm"],
    },
    Binary {
        name: "pause",
        module: "tools",
        package: "./pause",
        tags: "",
        versions: &[],
        links: &[],
    },
    Binary {
        name: "clients",
        module: "clients",
        package: ".",
        tags: "",
        versions: &[],
        links: &[],
    },
    Binary {
        name: "collector",
        module: "collector",
        package: ".",
        tags: "",
        versions: &["main.version=0.158.0"],
        links: &[],
    },
    Binary {
        name: "prometheus",
        module: "prometheus",
        package: "github.com/prometheus/prometheus/cmd/prometheus",
        tags: PROMETHEUS_TAGS,
        versions: &["github.com/prometheus/common/version.Version=3.13.5"],
        links: &[],
    },
    Binary {
        name: "promtool",
        module: "prometheus",
        package: "github.com/prometheus/prometheus/cmd/promtool",
        tags: PROMETHEUS_TAGS,
        versions: &["github.com/prometheus/common/version.Version=3.13.5"],
        links: &[],
    },
];

/// Of all service discoveries only Kubernetes': the others bring every cloud's client library.
const PROMETHEUS_TAGS: &str = "netgo,remove_all_sd,enable_kubernetes_sd";

/// Builds everything that is out of date.
///
/// # Errors
/// When Go is missing or a build fails.
pub fn build() -> Result<()> {
    setup::check_go()?;
    let layout = Layout::find()?;
    let bin = layout.bin();
    for dir in [&bin, &layout.shared_bin()] {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    }
    for binary in &BINARIES {
        step(&format!("go build {}", binary.name), || {
            compile(&layout, binary)
        })?;
        let shared = directory(&layout, binary);
        if shared != bin {
            link(&shared.join(binary.name), &bin.join(binary.name))?;
        }
        for name in binary.links {
            link(Path::new(binary.name), &bin.join(name))?;
        }
    }
    Ok(())
}

/// Makes a symbolic link, in the place of whatever was there.
fn link(target: &Path, path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::file("remove", path)(error));
        }
        _ => {}
    }
    symlink(target, path).map_err(Error::file("link", path))
}

/// Where a program is built.
fn directory(layout: &Layout, binary: &Binary) -> PathBuf {
    if binary.name == KUBERNETES {
        layout.bin()
    } else {
        layout.shared_bin()
    }
}

/// What the linker is to write into a program: the versions that it tells.
fn versions(binary: &Binary, kubernetes: &Kubernetes) -> Vec<String> {
    let mut versions: Vec<String> = binary.versions.iter().map(ToString::to_string).collect();
    if binary.name == KUBERNETES {
        let (major, minor) = kubernetes.minor.split_once('.').unwrap_or_default();
        let told = [
            ("gitVersion", format!("v{}", kubernetes.release)),
            ("gitMajor", major.to_owned()),
            ("gitMinor", minor.to_owned()),
        ];
        versions.extend(
            told.map(|(name, value)| format!("k8s.io/component-base/version.{name}={value}")),
        );
    }
    versions
}

fn compile(layout: &Layout, binary: &Binary) -> Result<()> {
    let kubernetes = layout.kubernetes();
    let versions: String = versions(binary, kubernetes)
        .iter()
        .map(|version| format!(" -X {version}"))
        .collect();
    let mut go = Command::new("go");
    go.current_dir(layout.workspace().join("testbed").join(binary.module))
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(format!("-s -w{versions}"))
        .args(["-tags", binary.tags])
        .arg("-o")
        .arg(directory(layout, binary).join(binary.name));
    if binary.name == KUBERNETES {
        go.arg(format!("-modfile={}", kubernetes.modfile));
    }
    go.arg(binary.package);
    command::capture(&mut go)?.checked().map(drop)
}

/// Fails when something is not built yet.
pub(crate) fn check(layout: &Layout) -> Result<()> {
    let all = BINARIES
        .iter()
        .flat_map(|binary| binary.links.iter().chain([&binary.name]));
    match all
        .into_iter()
        .find(|name| !layout.bin().join(name).exists())
    {
        None => Ok(()),
        Some(name) => Err(Error::Missing(format!(
            "{name} is not built yet; run `testbed build` first"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::RELEASES;

    /// The versions given to the linker are spelled here; those built are in go.mod.
    #[test]
    fn versions_are_those_of_go_mod() {
        let layout = Layout::find().expect("the workspace");
        for (module, line) in [
            ("tools", "helm.sh/helm/v4 v4.3.1"),
            (
                "collector",
                "go.opentelemetry.io/collector/otelcol v0.158.0",
            ),
            // Prometheus 3.13.5 is v0.313.5 as a module.
            ("prometheus", "github.com/prometheus/prometheus v0.313.5"),
        ] {
            let file = layout
                .workspace()
                .join("testbed")
                .join(module)
                .join("go.mod");
            let text = fs::read_to_string(&file).expect("go.mod");
            assert!(
                text.lines()
                    .any(|have| have.trim().trim_start_matches("require ") == line),
                "{line} in {module}/go.mod"
            );
            let version = line.split_once(" v").expect("has a version").1;
            let version = version.replace("0.313.", "3.13.");
            assert!(
                BINARIES.iter().any(|binary| binary.module == module
                    && binary
                        .versions
                        .iter()
                        .any(|given| given.ends_with(&version))),
                "{version}"
            );
        }
    }

    /// Each Kubernetes has a file of pins; the staging modules of v1.36.3 are v0.36.3.
    #[test]
    fn every_kubernetes_is_the_one_that_its_modfile_pins() {
        let layout = Layout::find().expect("the workspace");
        for kubernetes in &RELEASES {
            let file = layout.workspace().join("testbed/kubernetes");
            let text = fs::read_to_string(file.join(kubernetes.modfile)).expect("a modfile");
            let release = kubernetes.release;
            assert!(release.starts_with(&format!("{}.", kubernetes.minor)));
            assert!(text.contains(&format!("\tk8s.io/kubernetes v{release}\n")));
            let staging = format!(" v0{}", release.trim_start_matches('1'));
            let replaced: Vec<&str> = text.lines().filter(|line| line.contains(" => ")).collect();
            assert!(replaced.len() > 25, "{}", kubernetes.modfile);
            assert!(
                replaced.iter().all(|line| line.ends_with(&staging)),
                "{replaced:?}"
            );
            let told = versions(&BINARIES[0], kubernetes);
            assert!(told.contains(&format!(
                "k8s.io/component-base/version.gitVersion=v{release}"
            )));
            assert!(told.iter().any(|it| it.ends_with(&format!(
                "gitMinor={}",
                kubernetes.minor.trim_start_matches("1.")
            ))));
        }
    }

    /// The stock clients are those of the Kubernetes that they are tried on: v1.36.3 is v0.36.3 there.
    #[test]
    fn clients_are_as_new_as_the_cluster() {
        let layout = Layout::find().expect("the workspace");
        let version = |module: &str, of: &str| {
            let file = layout.workspace().join("testbed").join(module);
            let text = fs::read_to_string(file.join("go.mod")).expect("go.mod");
            let found = text.lines().find_map(|line| {
                let line = line.trim().trim_start_matches("require ");
                line.strip_prefix(of)?.strip_prefix(" v")?.get(2..)
            });
            found.expect("is required").to_owned()
        };
        let cluster = version("kubernetes", "k8s.io/kubernetes");
        for module in ["k8s.io/metrics", "k8s.io/client-go", "k8s.io/apimachinery"] {
            assert_eq!(version("clients", module), cluster, "{module}");
        }
    }
}
