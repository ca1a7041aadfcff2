//! The whole show case on a cluster: Prometheus, the adapter, the server with its HPA, and the
//! clients, installed by Helm from the workspace's charts. Law: everything is done through the
//! charts, any step may be repeated, and a step is over when its condition holds, not when its
//! command ended.

mod release;
mod settings;
mod wait;

pub use release::Release;
pub use settings::Settings;
pub(crate) use wait::metric_path;
pub use wait::{LATENCY_METRIC, REQUESTS_METRIC};

use crate::{
    cluster::Cluster,
    command::Output,
    error::{Error, Result},
    progress::step,
};

/// The namespace of server and clients.
pub const NAMESPACE: &str = "default";
/// The Deployment that the HPA scales.
pub const SERVER: &str = "server-default";
/// The Deployment of the clients.
pub const CLIENT: &str = "client-default";
/// The HPA.
pub const HPA: &str = "server";

/// The installed show case.
#[derive(Debug, Clone)]
pub struct Stack {
    cluster: Cluster,
}

impl Stack {
    /// The stack of a cluster, whatever of it is installed.
    pub fn on(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
        }
    }

    /// Installs what is missing, upgrades the rest, and waits until the HPA reads both metrics.
    ///
    /// # Errors
    /// When Helm refuses, or a condition does not come true in time.
    pub fn install(cluster: &Cluster, settings: &Settings) -> Result<Self> {
        let stack = Self::deploy(cluster, settings)?;
        step("metrics served for the server's pods", || {
            stack.wait_metrics()
        })?;
        step("HPA reads both metrics", || stack.wait_hpa())?;
        Ok(stack)
    }

    /// Installs what is missing, upgrades the rest, and waits until all pods run and the API is
    /// there, but not for the first metrics.
    ///
    /// # Errors
    /// As of [`Self::install`].
    pub fn deploy(cluster: &Cluster, settings: &Settings) -> Result<Self> {
        let stack = Self::on(cluster);
        for release in Release::ALL {
            step(
                &format!("helm upgrade --install {}", release.name()),
                || stack.upgrade(release, settings),
            )?;
        }
        for release in Release::ALL {
            step(&format!("{} available", release.deployment()), || {
                stack.wait_available(release)
            })?;
        }
        step("APIServices v1beta1 and v1beta2 available", || {
            stack.wait_api_services()
        })?;
        Ok(stack)
    }

    /// Installs or upgrades one release, and does not wait for its pods.
    ///
    /// # Errors
    /// When Helm refuses.
    pub fn upgrade(&self, release: Release, settings: &Settings) -> Result<()> {
        self.helm(release, &release.upgrade(self.cluster.layout(), settings))
    }

    /// Takes one release to its chart's previous version, and does not wait for its pods.
    ///
    /// # Errors
    /// When there is no package of that version, or Helm refuses.
    pub fn downgrade(&self, release: Release, settings: &Settings) -> Result<()> {
        self.helm(release, &release.previous(self.cluster.layout(), settings)?)
    }

    fn helm(&self, release: Release, args: &[String]) -> Result<()> {
        let run = || -> Result<Output> { self.cluster.helm(args) };
        let output = run()?;
        // An upgrade that was interrupted leaves a lock behind.
        if !output.success && output.stderr.contains("another operation") {
            self.uninstall_release(release)?;
            run()?.checked()?;
            return Ok(());
        }
        output.checked()?;
        Ok(())
    }

    /// Sets the number of clients, and so the load; does not wait for them.
    ///
    /// # Errors
    /// When the Deployment is not there.
    pub fn scale_clients(&self, replicas: u32) -> Result<()> {
        let count = format!("--replicas={replicas}");
        self.cluster
            .kubectl(["scale", "deployment", CLIENT, "-n", NAMESPACE, &count])?
            .checked()?;
        Ok(())
    }

    /// Stops the load: the number of clients becomes 0. Does nothing when there is no client.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn stop_load(&self) -> Result<()> {
        match self.scale_clients(0) {
            Err(Error::Failed { stderr, .. }) if stderr.contains("not found") => Ok(()),
            result => result,
        }
    }

    /// Removes all releases, clients first, and the namespaces that were made for them.
    ///
    /// # Errors
    /// When Helm or the API refuses.
    pub fn uninstall(&self) -> Result<()> {
        for release in Release::ALL.into_iter().rev() {
            step(&format!("helm uninstall {}", release.name()), || {
                self.uninstall_release(release)
            })?;
        }
        step("namespaces removed", || {
            let own = Release::ALL.map(Release::namespace);
            let own = own.iter().filter(|namespace| **namespace != NAMESPACE);
            let mut args = vec!["delete", "namespace", "--ignore-not-found"];
            args.extend(own);
            self.cluster.kubectl(args)?.checked().map(drop)
        })
    }

    /// Removes one release, and waits until its objects are gone.
    ///
    /// # Errors
    /// When Helm refuses.
    pub fn uninstall_release(&self, release: Release) -> Result<()> {
        self.cluster
            .helm([
                "uninstall",
                release.name(),
                "--namespace",
                release.namespace(),
                "--ignore-not-found",
                "--wait",
            ])?
            .checked()?;
        Ok(())
    }

    /// The cluster it is on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}
