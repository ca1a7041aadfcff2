//! Every path, address and name of the testbed. Law: nobody else spells one.
//!
//! Bulk (binaries, logs, certificates, etcd's data, containerd's images) lives under the
//! workspace's `target/testbed`. Sockets, process records and the kubelet's directory live under
//! [`RUN_DIR`]: a socket's path may have 107 bytes, and a checkout may lie deep. There is one
//! testbed per machine, whatever checkout it was started from.

use std::path::{Path, PathBuf};

use crate::{
    cli,
    error::{Error, Result},
    kubernetes::{self, Kubernetes},
};

/// The network namespace, the cgroup and the CNI network are all called so.
pub const NAME: &str = "metrics-adapter-testbed";
/// Sockets, process records, and the kubelet's directory.
pub const RUN_DIR: &str = "/run/metrics-adapter-testbed";
/// The only node's name.
pub const NODE_NAME: &str = "node0";
/// The only node's address; the components listen here, and CoreDNS on port 53.
pub const NODE_ADDRESS: &str = "10.200.0.1";
/// Addresses of pods.
pub const POD_CIDR: &str = "10.244.0.0/16";
/// Addresses of Services.
pub const SERVICE_CIDR: &str = "10.96.0.0/16";
/// The kube-apiserver's address for everything but pods.
pub const APISERVER: &str = "https://10.200.0.1:6443";
/// The first address of [`SERVICE_CIDR`], which pods use for the kube-apiserver.
pub const APISERVER_CLUSTER_IP: &str = "10.96.0.1";
/// The suffix of every Service's name.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// The sandbox image, by the name that the kubelet expects.
pub const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10";

/// Where things are on this machine.
#[derive(Debug, Clone)]
pub struct Layout {
    workspace: PathBuf,
    kubernetes: &'static Kubernetes,
}

impl Layout {
    /// The layout of the workspace that this crate was built in, for the Kubernetes that the
    /// environment chooses.
    ///
    /// # Errors
    /// When that directory is gone, or there is no such Kubernetes.
    pub fn find() -> Result<Self> {
        let kubernetes = Kubernetes::chosen(cli::variable(kubernetes::VARIABLE).as_deref())?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        manifest
            .parent()
            .and_then(|path| path.canonicalize().ok())
            .map(|workspace| Self {
                workspace,
                kubernetes,
            })
            .ok_or_else(|| {
                Error::Missing(format!(
                    "the workspace this program was built in ({}) is gone; build it again",
                    manifest.display()
                ))
            })
    }

    /// The root of the checkout.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Everything big: `target/testbed`.
    pub fn state(&self) -> PathBuf {
        self.workspace.join("target/testbed")
    }

    /// Which Kubernetes it is for.
    pub fn kubernetes(&self) -> &'static Kubernetes {
        self.kubernetes
    }

    /// kubectl, helm and all the components.
    pub fn bin(&self) -> PathBuf {
        self.state().join(self.kubernetes.bin)
    }

    /// What is the same whatever the Kubernetes; [`Self::bin`] links to it.
    pub(crate) fn shared_bin(&self) -> PathBuf {
        self.state().join(kubernetes::RELEASES[0].bin)
    }

    /// Certificates, keys and kubeconfigs; readable by root only.
    pub fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    /// Rendered configuration of the components.
    pub fn config(&self) -> PathBuf {
        self.state().join("config")
    }

    /// One log file per component.
    pub fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    /// A component's log.
    pub fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }

    /// The logs of all containers, by pod, as the kubelet writes them.
    pub fn pod_logs(&self) -> PathBuf {
        self.logs().join("pods")
    }

    /// etcd's data; new with every cluster.
    pub fn etcd(&self) -> PathBuf {
        self.state().join("etcd")
    }

    /// containerd's images and snapshots; kept from one cluster to the next.
    pub fn containerd(&self) -> PathBuf {
        self.state().join("containerd")
    }

    /// Image archives.
    pub fn images(&self) -> PathBuf {
        self.state().join("images")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki().join("admin.kubeconfig")
    }

    /// The resolver configuration that commands inside the namespace see.
    pub fn resolv_conf(&self) -> PathBuf {
        self.config().join("resolv.conf")
    }
}

/// The network namespace as a file that can be entered.
pub fn namespace() -> PathBuf {
    Path::new("/run/netns").join(NAME)
}

/// A file or directory of the running cluster.
pub fn run(name: &str) -> PathBuf {
    Path::new(RUN_DIR).join(name)
}

/// containerd's socket.
pub fn containerd_socket() -> PathBuf {
    run("containerd.sock")
}

/// Held by whoever changes the cluster; outside [`RUN_DIR`], which comes and goes.
pub fn lock_file() -> PathBuf {
    PathBuf::from("/run/metrics-adapter-testbed.lock")
}
