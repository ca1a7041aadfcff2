//! The components' command lines, and their clients' environment. Law: stock defaults wherever they
//! can work on one node without a route out; every flag beyond that has its reason here.

use std::{fs, path::Path, process::Command};

use crate::{
    cluster::Component,
    layout::{CLUSTER_DOMAIN, Layout, NODE_ADDRESS, NODE_NAME, RUN_DIR, SERVICE_CIDR},
    network,
};

/// The address of etcd, on the namespace's loopback: nothing but the kube-apiserver needs it.
const ETCD: &str = "http://127.0.0.1:2379";

/// What a user may choose about the components.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// As of `--feature-gates`, given to every Kubernetes component.
    pub feature_gates: Option<String>,
}

/// The command that becomes the component, inside the namespace.
pub(crate) fn command(component: Component, layout: &Layout, options: &Options) -> Command {
    let mut command = network::enter();
    if component == Component::Containerd {
        command.arg("containerd");
    } else {
        command.arg(layout.bin().join(component.name()));
    }
    command.args(arguments(component, layout));
    if let Some(gates) = &options.feature_gates
        && component.is_kubernetes()
    {
        command.arg(format!("--feature-gates={gates}"));
    }
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command
}

/// Whom kube-apiserver is and trusts, as kubeadm sets it up: its certificate, the clients', service
/// accounts', and the front proxy's, by the files of [`crate::pki`].
pub(crate) fn apiserver_identities(pki: &Path) -> Vec<String> {
    let pki = |file: &str| pki.join(file).display().to_string();
    vec![
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        format!("--proxy-client-cert-file={}", pki("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", pki("front-proxy-client.key")),
        format!(
            "--requestheader-client-ca-file={}",
            pki("front-proxy-ca.crt")
        ),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
    ]
}

fn arguments(component: Component, layout: &Layout) -> Vec<String> {
    let pki = |file: &str| layout.pki().join(file).display().to_string();
    let config = |file: &str| layout.config().join(file).display().to_string();
    match component {
        Component::Etcd => vec![
            format!("--data-dir={}", layout.etcd().display()),
            format!("--listen-client-urls={ETCD}"),
            format!("--advertise-client-urls={ETCD}"),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--log-level=warn".to_owned(),
            // The data does not outlive the cluster, so it need not outlive a power cut.
            "--unsafe-no-fsync".to_owned(),
        ],
        Component::Apiserver => [
            vec![
                format!("--advertise-address={NODE_ADDRESS}"),
                format!("--etcd-servers={ETCD}"),
                format!("--service-cluster-ip-range={SERVICE_CIDR}"),
                "--allow-privileged=true".to_owned(),
                "--authorization-mode=Node,RBAC".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
                format!("--kubelet-certificate-authority={}", pki("ca.crt")),
                format!(
                    "--kubelet-client-certificate={}",
                    pki("apiserver-kubelet-client.crt")
                ),
                format!(
                    "--kubelet-client-key={}",
                    pki("apiserver-kubelet-client.key")
                ),
                // Otherwise it asks a resolver for the node's name, and there is none outside.
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
                format!("--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}"),
                // Not as kubeadm sets it up: requests go to the pods of an aggregated API directly.
                "--enable-aggregator-routing=true".to_owned(),
            ],
            apiserver_identities(&layout.pki()),
        ]
        .concat(),
        Component::ControllerManager => vec![
            format!("--kubeconfig={}", pki("kube-controller-manager.kubeconfig")),
            format!(
                "--authentication-kubeconfig={}",
                pki("kube-controller-manager.kubeconfig")
            ),
            format!(
                "--authorization-kubeconfig={}",
                pki("kube-controller-manager.kubeconfig")
            ),
            // Otherwise it signs one of its own, that nobody can verify, to serve its metrics with.
            format!(
                "--tls-cert-file={}",
                pki("kube-controller-manager-serving.crt")
            ),
            format!(
                "--tls-private-key-file={}",
                pki("kube-controller-manager-serving.key")
            ),
            "--use-service-account-credentials=true".to_owned(),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--service-account-private-key-file={}", pki("sa.key")),
            format!("--cluster-signing-cert-file={}", pki("ca.crt")),
            format!("--cluster-signing-key-file={}", pki("ca.key")),
            // The default directory is outside our own, and would be created.
            format!("--flex-volume-plugin-dir={RUN_DIR}/kubelet/volume-plugins"),
            // There is no second one to elect.
            "--leader-elect=false".to_owned(),
        ],
        Component::Scheduler => vec![
            format!("--kubeconfig={}", pki("kube-scheduler.kubeconfig")),
            format!(
                "--authentication-kubeconfig={}",
                pki("kube-scheduler.kubeconfig")
            ),
            format!(
                "--authorization-kubeconfig={}",
                pki("kube-scheduler.kubeconfig")
            ),
            "--leader-elect=false".to_owned(),
        ],
        Component::Containerd => vec![format!("--config={}", config("containerd.toml"))],
        Component::Kubelet => vec![
            format!("--config={}", config("kubelet.json")),
            format!("--kubeconfig={}", pki("kubelet.kubeconfig")),
            format!("--root-dir={RUN_DIR}/kubelet"),
            format!("--cert-dir={RUN_DIR}/kubelet/pki"),
            format!("--hostname-override={NODE_NAME}"),
            format!("--node-ip={NODE_ADDRESS}"),
        ],
        Component::KubeProxy => vec![format!("--config={}", config("kube-proxy.json"))],
        Component::CoreDns => vec!["-conf".to_owned(), config("Corefile")],
    }
}

/// The environment in which kubectl and helm find the cluster, and leave nothing in the user's
/// home.
pub(crate) fn client_environment(layout: &Layout, command: &mut Command) {
    let state = layout.state();
    let mut path = std::ffi::OsString::from(layout.bin());
    for dir in [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ] {
        path.push(":");
        path.push(dir);
    }
    if let Some(inherited) = crate::cli::variable("PATH") {
        path.push(":");
        path.push(inherited);
    }
    command
        .env("PATH", path)
        .env("KUBECONFIG", layout.kubeconfig())
        .env("KUBECACHEDIR", state.join("kubectl-cache"))
        .env("HELM_CACHE_HOME", state.join("helm/cache"))
        .env("HELM_CONFIG_HOME", state.join("helm/config"))
        .env("HELM_DATA_HOME", state.join("helm/data"));
}

/// Whether a process in the given network namespace listens on a TCP port; read from the kernel's
/// own table, so that nothing needs to connect.
pub(crate) fn listens(pid: u32, port: u16) -> bool {
    ["tcp", "tcp6"].iter().any(|table| {
        fs::read_to_string(
            Path::new("/proc")
                .join(pid.to_string())
                .join("net")
                .join(table),
        )
        .is_ok_and(|text| has_listener(&text, port))
    })
}

fn has_listener(table: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(&suffix))
            && fields.get(3) == Some(&LISTEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(component: Component, options: &Options) -> String {
        let layout = Layout::find().expect("the workspace");
        format!("{:?}", command(component, &layout, options))
    }

    #[test]
    fn feature_gates_go_to_kubernetes_components_only() {
        let options = Options {
            feature_gates: Some("HPAScaleToZero=true".to_owned()),
        };
        for component in Component::ALL {
            let given = line(component, &options).contains("--feature-gates=HPAScaleToZero=true");
            assert_eq!(given, component.is_kubernetes(), "{}", component.name());
        }
    }

    #[test]
    fn the_autoscaler_keeps_its_stock_period() {
        let line = line(Component::ControllerManager, &Options::default());
        assert!(!line.contains("horizontal-pod-autoscaler"), "{line}");
    }

    #[test]
    fn listeners_are_found_and_connections_are_not() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
                     \x20  0: 0100007F:094B 00000000:0000 0A 00000000:00000000\n\
                     \x20  1: 0100007F:1F90 0100007F:C350 01 00000000:00000000\n";
        assert!(has_listener(table, 2379));
        assert!(!has_listener(table, 8080));
        assert!(!has_listener(table, 50000));
    }
}
