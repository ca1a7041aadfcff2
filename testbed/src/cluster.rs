//! The handle on a running cluster, which the demo and the end-to-end tests hold. Law: it changes
//! nothing that lives outside the cluster; bringing it up and down is `up`'s and `down`'s.

use std::{ffi::OsStr, fs, path::Path, process::Command, time::Duration};

use rustix::process::Signal;

use crate::{
    command::{self, Output},
    component::{self, Options, client_environment},
    error::{Error, Result},
    layout::{Layout, run},
    network,
    process::{self, Record},
    progress,
};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How long the API may take to come back; measured, it takes 3 s.
const RETURN: Duration = Duration::from_secs(60);

/// One long-running program of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The store behind the kube-apiserver.
    Etcd,
    /// The container runtime.
    Containerd,
    /// The API, with the aggregator.
    Apiserver,
    /// All controllers, the HorizontalPodAutoscaler among them.
    ControllerManager,
    /// Assigns pods to the node.
    Scheduler,
    /// Runs the node's pods.
    Kubelet,
    /// Makes Services' addresses work.
    KubeProxy,
    /// Makes Services' names work.
    CoreDns,
}

impl Component {
    /// All, in the order in which they start.
    pub const ALL: [Self; 8] = [
        Self::Etcd,
        Self::Containerd,
        Self::Apiserver,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::CoreDns,
    ];

    /// The program's name; also of its log and its record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Containerd => "containerd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::CoreDns => "coredns",
        }
    }

    pub(crate) const fn is_kubernetes(self) -> bool {
        !matches!(self, Self::Etcd | Self::Containerd | Self::CoreDns)
    }
}

/// A component that was halted with SIGSTOP; it goes on when this is dropped.
#[must_use]
pub(crate) struct Paused(Record);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// A running cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    layout: Layout,
    options: Options,
}

impl Cluster {
    /// The cluster that is up on this machine.
    ///
    /// # Errors
    /// When it is not up, or not wholly, or runs another Kubernetes than is asked for.
    pub fn connect() -> Result<Self> {
        let cluster = Self::at(Layout::find()?, saved_options());
        cluster.layout.kubernetes().check()?;
        if let Some(component) = cluster.first_missing() {
            return Err(Error::Missing(format!(
                "the testbed is not up: {} does not run; run `testbed up`",
                component.name()
            )));
        }
        Ok(cluster)
    }

    pub(crate) fn at(layout: Layout, options: Options) -> Self {
        Self { layout, options }
    }

    /// Where its files are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A command for a program that runs inside the network namespace, with the cluster's
    /// kubeconfig and programs in its environment, and the cluster's names resolving.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // The mount namespace is the command's own, so the resolver's file needs no cleaning up.
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--", "nsenter"])
            .arg(format!("--net={}", crate::layout::namespace().display()))
            .args(["--", "sh", "-c"])
            .arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
            .arg(self.layout.resolv_conf())
            .arg(program);
        client_environment(&self.layout, &mut command);
        command
    }

    /// Runs kubectl to its end, whatever its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn kubectl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.client("kubectl", args)
    }

    /// Runs a kubectl command that must succeed, with `-o json`, and parses what it prints.
    ///
    /// # Errors
    /// When it fails, or does not print JSON.
    pub fn kubectl_json<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<serde_json::Value> {
        let mut command = self.client_command("kubectl");
        command::capture(command.args(args).args(["-o", "json"]))?.json()
    }

    /// `kubectl get --raw PATH`, parsed. Note that a failure's text holds the Status' message.
    ///
    /// # Errors
    /// When it fails, or the answer is not JSON.
    pub fn get_raw(&self, path: &str) -> Result<serde_json::Value> {
        self.kubectl(["get", "--raw", path])?.json()
    }

    /// Applies a manifest, as `kubectl apply -f -` does.
    ///
    /// # Errors
    /// When kubectl refuses it.
    pub fn apply(&self, manifest: &serde_json::Value) -> Result<()> {
        let file = self.layout.config().join("applied.json");
        fs::write(&file, manifest.to_string()).map_err(Error::file("write", &file))?;
        self.kubectl([OsStr::new("apply"), OsStr::new("-f"), file.as_os_str()])?
            .checked()?;
        Ok(())
    }

    /// Runs Helm to its end, whatever its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn helm<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.client("helm", args)
    }

    /// The address of a Service inside the cluster.
    ///
    /// # Errors
    /// When there is no such Service, or it is headless.
    pub fn service_ip(&self, namespace: &str, service: &str) -> Result<std::net::IpAddr> {
        let found = self.kubectl_json(["get", "service", service, "-n", namespace])?;
        let text = found["spec"]["clusterIP"].as_str().unwrap_or_default();
        text.parse().map_err(|_| {
            Error::Missing(format!(
                "service {namespace}/{service} has no address: {text:?}"
            ))
        })
    }

    /// The log of a pod's containers (`kubectl logs`); `pod` may also be `deployment/NAME`.
    ///
    /// # Errors
    /// When there is no such pod, or it has not started.
    pub fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let args = ["logs", pod, "-n", namespace, "--all-containers", "--prefix"];
        Ok(self.kubectl(args)?.checked()?.stdout)
    }

    /// The end of a component's own log.
    pub fn component_log(&self, component: Component, lines: usize) -> String {
        process::tail(&self.layout.log(component.name()), lines)
    }

    /// Whether a component runs.
    pub fn runs(&self, component: Component) -> bool {
        Record::load(component.name()).is_some_and(|record| record.alive())
    }

    /// Ends a component, as a test of what the rest does without it.
    ///
    /// # Errors
    /// When it will not end.
    pub fn stop(&self, component: Component) -> Result<()> {
        Record::load(component.name()).map_or(Ok(()), |record| record.stop())
    }

    /// Halts a component where it stands, connections and all, until what is returned is dropped.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn pause(&self, component: Component) -> Result<Paused> {
        let record = Record::load(component.name()).filter(Record::alive);
        let record =
            record.ok_or_else(|| Error::Missing(format!("{} does not run", component.name())))?;
        record.signal(Signal::STOP);
        Ok(Paused(record))
    }

    /// Starts a component; does nothing when it runs. Does not wait until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, component: Component) -> Result<()> {
        if self.runs(component) {
            return Ok(());
        }
        let command = component::command(component, &self.layout, &self.options);
        process::start(
            component.name(),
            &command,
            &self.layout.log(component.name()),
        )
        .map(drop)
    }

    /// Stops and starts a component, and waits until the API answers: the kube-controller-manager
    /// ends when it starts while the API does not.
    ///
    /// # Errors
    /// As of [`Self::stop`] and [`Self::start`]; when the API does not come back.
    pub fn restart(&self, component: Component) -> Result<()> {
        self.stop(component)?;
        self.start(component)?;
        self.wait_for(component, "the API", RETURN, || {
            self.kubectl(["get", "--raw", "/readyz"])
                .and_then(Output::checked)
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    /// Waits for a condition that a component is to bring about, and fails at once when the
    /// component ends.
    pub(crate) fn wait_for(
        &self,
        component: Component,
        what: &str,
        within: Duration,
        mut probe: impl FnMut() -> std::result::Result<(), String>,
    ) -> Result<()> {
        let mut ended = false;
        let result = wait_until(what, within, || {
            ended = !self.runs(component);
            if ended { Ok(()) } else { probe() }
        });
        if ended {
            let name = component.name();
            return Err(process::died(name, &self.layout.log(name)));
        }
        result
    }

    /// The first component that does not run.
    pub(crate) fn first_missing(&self) -> Option<Component> {
        Component::ALL
            .into_iter()
            .find(|component| !self.runs(*component))
    }

    fn client<S: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Output> {
        command::capture(self.client_command(program).args(args))
    }

    /// kubectl and helm need no names of the cluster, so the namespace is enough.
    fn client_command(&self, program: &str) -> Command {
        let mut command = if network::inside() {
            Command::new("env")
        } else {
            network::enter()
        };
        command.arg(self.layout.bin().join(program));
        client_environment(&self.layout, &mut command);
        command
    }
}

/// Polls a condition until it holds; `Err` of the probe says what is seen instead.
///
/// # Errors
/// [`Error::Timeout`] with the last thing seen.
pub fn wait_until<T>(
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let started = progress::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(last) if started.elapsed() > within => {
                return Err(Error::Timeout {
                    what: what.to_owned(),
                    within,
                    last,
                });
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

/// Remembers the options, so that a component restarts as it was.
pub(crate) fn save_options(options: &Options) -> Result<()> {
    let file = run("feature-gates");
    fs::write(&file, options.feature_gates.as_deref().unwrap_or_default())
        .map_err(Error::file("write", file))
}

/// The options that the running cluster was started with.
pub(crate) fn saved_options() -> Options {
    Options {
        feature_gates: read(&run("feature-gates")).filter(|gates| !gates.is_empty()),
    }
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_condition_or_says_what_was_seen() {
        let mut left = 2;
        let value = wait_until("it", Duration::from_secs(9), || {
            left -= 1;
            if left == 0 {
                Ok(7)
            } else {
                Err("not yet".to_owned())
            }
        });
        assert_eq!(value.expect("comes true"), 7);
        let error = wait_until::<()>("the node", Duration::ZERO, || Err("NotReady".to_owned()))
            .expect_err("never comes true");
        assert_eq!(
            error.to_string(),
            "the node did not happen within 0 s; last seen: NotReady"
        );
    }
}
