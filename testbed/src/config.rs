//! The components' configuration files. Law: as for the command lines: stock defaults, and a
//! reason for everything else.

use std::fs;

use serde_json::json;

use crate::{
    error::{Error, Result},
    layout::{
        CLUSTER_DOMAIN, Layout, NAME, NODE_ADDRESS, NODE_NAME, PAUSE_IMAGE, POD_CIDR, RUN_DIR,
        containerd_socket, run,
    },
};

/// Where Debian's package containernetworking-plugins puts them.
pub(crate) const CNI_BIN: &str = "/usr/lib/cni";

/// Writes every configuration file afresh.
pub(crate) fn write(layout: &Layout) -> Result<()> {
    let dir = layout.config();
    fs::create_dir_all(dir.join("cni")).map_err(Error::file("create", &dir))?;
    let pretty = |value: serde_json::Value| format!("{value:#}\n");
    for (file, content) in [
        ("containerd.toml", containerd(layout)),
        ("cni/10-testbed.conflist", pretty(cni())),
        ("kubelet.json", pretty(kubelet(layout))),
        ("kube-proxy.json", pretty(kube_proxy(layout))),
        ("Corefile", corefile(layout)),
        ("coredns-rbac.json", pretty(coredns_rbac())),
        ("resolv.conf", resolv_conf()),
        // Pods have the cluster's names only: there is nobody to ask for others.
        ("node-resolv.conf", String::new()),
    ] {
        let path = dir.join(file);
        fs::write(&path, content).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

fn containerd(layout: &Layout) -> String {
    format!(
        r#"version = 2
root = "{root}"
state = "{RUN_DIR}/containerd"
oom_score = 0

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE nobody can lower a process's score, and runc would fail trying.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_BIN}"
  conf_dir = "{config}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "{RUN_DIR}/runc"
  SystemdCgroup = false
"#,
        root = layout.containerd().display(),
        socket = containerd_socket().display(),
        config = layout.config().display(),
    )
}

/// One veth pair per pod, routed. A bridge would let two pods of a Service talk past the node's
/// packet filter, and the answers would then come from the wrong address.
fn cni() -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0",
        "name": NAME,
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": POD_CIDR }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dataDir": run("ipam"),
            },
        }],
    })
}

fn kubelet(layout: &Layout) -> serde_json::Value {
    let pki = |file: &str| layout.pki().join(file);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": { "x509": { "clientCAFile": pki("ca.crt") } },
        "tlsCertFile": pki("kubelet-serving.crt"),
        "tlsPrivateKeyFile": pki("kubelet-serving.key"),
        "containerRuntimeEndpoint": format!("unix://{}", containerd_socket().display()),
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": layout.config().join("node-resolv.conf"),
        "podLogsDir": layout.pod_logs(),
        "volumePluginDir": run("kubelet/volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{NAME}"),
        // Version 1 is still what some machines mount.
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        // The machine is shared: how full its disk and memory are is not the cluster's business.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
    })
}

fn kube_proxy(layout: &Layout) -> serde_json::Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": layout.pki().join("kube-proxy.kubeconfig") },
        "mode": "nftables",
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": NODE_NAME,
        // These limits belong to the machine; leave them as they are.
        "conntrack": {
            "maxPerCore": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    })
}

/// The ttl is the plugin's default: how long a client of a headless Service may not know a new
/// pod.
fn corefile(layout: &Layout) -> String {
    format!(
        "{CLUSTER_DOMAIN}:53 in-addr.arpa:53 {{
    errors
    ready {NODE_ADDRESS}:8181
    cache 5
    loadbalance
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {}
        ttl 5
    }}
}}
",
        layout.pki().join("coredns.kubeconfig").display()
    )
}

fn coredns_rbac() -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": { "name": "system:coredns" },
                "rules": [
                    {
                        "apiGroups": [""],
                        "resources": ["services", "pods", "namespaces"],
                        "verbs": ["list", "watch"],
                    },
                    {
                        "apiGroups": ["discovery.k8s.io"],
                        "resources": ["endpointslices"],
                        "verbs": ["list", "watch"],
                    },
                ],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": { "name": "system:coredns" },
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "system:coredns",
                },
                "subjects": [{
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "system:coredns",
                }],
            },
        ],
    })
}

/// What commands inside the namespace use: names as a pod of namespace `default` writes them.
fn resolv_conf() -> String {
    format!(
        "nameserver {NODE_ADDRESS}
search default.svc.{CLUSTER_DOMAIN} svc.{CLUSTER_DOMAIN} {CLUSTER_DOMAIN}
options ndots:5 timeout:1 attempts:2
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_eviction_threshold_is_not_the_default_one() {
        let layout = Layout::find().expect("the workspace");
        assert_eq!(kubelet(&layout)["evictionHard"], json!({}));
    }
}
