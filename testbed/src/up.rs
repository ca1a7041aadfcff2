//! Brings the cluster up. Law: every step waits for the condition that the next one needs, and
//! fails at once when the component that is to bring it about ends.

use std::{fs, path::Path, time::Duration};

use crate::{
    binaries, cgroup,
    cluster::{self, Cluster, Component, wait_until},
    command,
    component::{self, Options},
    config, down,
    error::{Error, Result},
    images,
    layout::{APISERVER_CLUSTER_IP, Layout, NODE_NAME, RUN_DIR, containerd_socket, namespace, run},
    machine, network, pki,
    process::{Record, died},
    progress::{now, say, step},
    setup,
};

/// Enough for every single condition even when other work keeps both cores busy; measured on two
/// idle cores, the slowest takes 5 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// Brings the cluster up, unless it is up. What is left of an earlier one is removed first.
///
/// # Errors
/// When something is missing on this machine, or a component does not come up.
pub fn up(options: &Options) -> Result<Cluster> {
    let layout = Layout::find()?;
    setup::check()?;
    binaries::check(&layout)?;
    let _lock = down::lock()?;

    let running = Cluster::at(layout.clone(), cluster::saved_options());
    if is_up(&running) {
        layout.kubernetes().check()?;
        if *options == cluster::saved_options() {
            say("the testbed is up already");
            return Ok(running);
        }
        let cluster = Cluster::at(layout, options.clone());
        step("restarting Kubernetes with other feature gates", || {
            switch(&cluster, options)
        })?;
        return Ok(cluster);
    }
    let begun = now();
    if down::anything_left() {
        step("removing what is left of an earlier one", || {
            down::remove(&layout)
        })?;
    }
    let cluster = Cluster::at(layout, options.clone());
    start(&cluster, options)?;
    say(&format!(
        "the testbed is up after {:.1} s; `testbed shell` enters it",
        begun.elapsed().as_secs_f64()
    ));
    Ok(cluster)
}

/// What is given feature gates, in the order in which it starts.
fn concerned() -> impl DoubleEndedIterator<Item = Component> {
    Component::ALL.into_iter().filter(|it| it.is_kubernetes())
}

/// The same, in the order in which it ends: kube-proxy before kube-apiserver, which takes itself out
/// of its Service. kube-proxy of 1.34 would empty the chain of that endpoint, and a new one trusts
/// every chain that it finds: the Service would lead nowhere (kubernetes/kubernetes#130119).
fn ending() -> impl Iterator<Item = Component> {
    concerned().rev()
}

/// Restarts what is given feature gates. Pods, objects and images stay.
fn switch(cluster: &Cluster, options: &Options) -> Result<()> {
    for component in ending() {
        cluster.stop(component)?;
    }
    cluster::save_options(options)?;
    // The first of them, without which the others end.
    cluster.restart(Component::Apiserver)?;
    for component in concerned() {
        cluster.start(component)?;
    }
    cluster.wait_for(Component::Kubelet, "node ready", PATIENCE, || {
        node_ready(cluster)
    })?;
    wait_for_service(cluster)?;
    match cluster.first_missing() {
        Some(component) => Err(died(
            component.name(),
            &cluster.layout().log(component.name()),
        )),
        None => Ok(()),
    }
}

/// Whether everything runs and answers.
fn is_up(cluster: &Cluster) -> bool {
    namespace().exists() && cluster.first_missing().is_none() && node_ready(cluster).is_ok()
}

fn start(cluster: &Cluster, options: &Options) -> Result<()> {
    let layout = cluster.layout();
    step("network namespace, certificates, configuration", || {
        prepare(cluster, options)
    })?;
    step("etcd, containerd", || {
        cluster.start(Component::Etcd)?;
        cluster.start(Component::Containerd)?;
        cluster.wait_for(Component::Etcd, "etcd's port 2379 open", PATIENCE, || {
            let record = Record::load(Component::Etcd.name());
            let open = record.is_some_and(|record| component::listens(record.pid, 2379));
            if open {
                Ok(())
            } else {
                Err("closed".to_owned())
            }
        })
    })?;
    step("kube-apiserver; sandbox image", || {
        cluster.start(Component::Apiserver)?;
        cluster.wait_for(
            Component::Containerd,
            "containerd answering",
            PATIENCE,
            || containerd_answers().map_err(|error| error.to_string()),
        )?;
        down::remove_containers()?;
        images::import_pause(layout)?;
        cluster.wait_for(
            Component::Apiserver,
            "kube-apiserver ready",
            PATIENCE,
            || succeeds(cluster, &["get", "--raw", "/readyz"]),
        )
    })?;
    step("controllers, scheduler, kubelet, proxy, DNS", || {
        let rest = &Component::ALL[3..];
        for component in rest
            .iter()
            .filter(|component| **component != Component::CoreDns)
        {
            cluster.start(*component)?;
        }
        // The default roles are there only when the kube-apiserver is ready; CoreDNS's is ours.
        let rbac = layout.config().join("coredns-rbac.json");
        let rbac = rbac.display().to_string();
        cluster
            .kubectl(["create", "--validate=false", "-f", &rbac])?
            .checked()?;
        cluster.start(Component::CoreDns)
    })?;
    step("node ready", || {
        cluster.wait_for(Component::Kubelet, "node ready", PATIENCE, || {
            node_ready(cluster)
        })
    })?;
    step("service addresses", || wait_for_service(cluster))?;
    step("names", || {
        cluster.wait_for(Component::CoreDns, "the API's name", PATIENCE, || {
            name_resolves(cluster)
        })
    })?;
    // Without it, the admission of the very first pods fails.
    step("service accounts", || {
        cluster.wait_for(
            Component::ControllerManager,
            "service accounts",
            PATIENCE,
            || succeeds(cluster, &["get", "serviceaccount", "default"]),
        )
    })?;
    match cluster.first_missing() {
        Some(component) => Err(died(component.name(), &layout.log(component.name()))),
        None => Ok(()),
    }
}

/// Everything that no component needs to run for.
fn prepare(cluster: &Cluster, options: &Options) -> Result<()> {
    let layout = cluster.layout();
    if layout.etcd().exists() {
        fs::remove_dir_all(layout.etcd()).map_err(Error::file("remove", layout.etcd()))?;
    }
    for dir in [
        layout.logs(),
        layout.pod_logs(),
        layout.containerd(),
        Path::new(RUN_DIR).into(),
    ] {
        fs::create_dir_all(&dir).map_err(Error::file("create", dir))?;
    }
    cluster::save_options(options)?;
    layout.kubernetes().save()?;
    machine::remember()?;
    pki::create(layout)?;
    config::write(layout)?;
    cgroup::create()?;
    network::create()
}

/// Whether containerd takes calls.
pub(crate) fn containerd_answers() -> Result<()> {
    let socket = containerd_socket().display().to_string();
    command::run("ctr", &["--address", &socket, "--timeout", "2s", "version"]).map(drop)
}

/// Waits until the API answers where pods ask it.
fn wait_for_service(cluster: &Cluster) -> Result<()> {
    let server = format!("https://{APISERVER_CLUSTER_IP}");
    let args = [
        "--server",
        &server,
        "--request-timeout=1s",
        "get",
        "--raw",
        "/readyz",
    ];
    cluster.wait_for(
        Component::KubeProxy,
        "the API at its Service",
        PATIENCE,
        || succeeds(cluster, &args),
    )
}

/// `Err` says what the node is instead of ready.
pub(crate) fn node_ready(cluster: &Cluster) -> std::result::Result<(), String> {
    let node = cluster
        .kubectl_json(["get", "node", NODE_NAME])
        .map_err(|e| e.to_string())?;
    let conditions = node["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ready = conditions
        .iter()
        .find(|condition| condition["type"] == "Ready");
    match ready {
        Some(condition) if condition["status"] == "True" => Ok(()),
        Some(condition) => Err(condition["message"].to_string()),
        None => Err("no condition Ready yet".to_owned()),
    }
}

fn name_resolves(cluster: &Cluster) -> std::result::Result<(), String> {
    let mut command = cluster.command("getent");
    command.args(["ahostsv4", "kubernetes.default.svc.cluster.local"]);
    let output = command::capture(&mut command).map_err(|error| error.to_string())?;
    if output.stdout.contains(APISERVER_CLUSTER_IP) {
        Ok(())
    } else {
        Err(format!("{} {}", output.status, output.stderr.trim()))
    }
}

fn succeeds(cluster: &Cluster, args: &[&str]) -> std::result::Result<(), String> {
    cluster
        .kubectl(args)
        .and_then(command::Output::checked)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Says what runs: the components, the node and the pods.
///
/// # Errors
/// When the cluster is not up.
pub fn status() -> Result<()> {
    let cluster = Cluster::at(Layout::find()?, cluster::saved_options());
    for component in Component::ALL {
        let state = Record::load(component.name())
            .filter(Record::alive)
            .map_or_else(
                || "not running".to_owned(),
                |record| format!("process {}", record.pid),
            );
        say(&format!("  {:<26} {state}", component.name()));
    }
    if run("pids").exists() && cluster.runs(Component::Apiserver) {
        for args in [
            &["get", "nodes", "-o", "wide"][..],
            &["get", "pods", "-A", "-o", "wide"],
        ] {
            let output = cluster.kubectl(args)?.checked()?;
            say(output.stdout.trim_end());
            if !output.stderr.is_empty() {
                say(output.stderr.trim_end());
            }
        }
    }
    Cluster::connect()?;
    wait_until("node ready", Duration::ZERO, || node_ready(&cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_never_sees_the_api_leave_its_service() {
        let order: Vec<Component> = ending().collect();
        let place = |component| order.iter().position(|it| *it == component);
        assert!(place(Component::KubeProxy) < place(Component::Apiserver));
        assert!(place(Component::KubeProxy).is_some());
        assert!(!order.contains(&Component::Etcd));
    }
}
