//! What is started, in order.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::plan;
use crate::{
    child::{self, Child, Children, free_ports},
    error::{Error, Result},
    layout::Layout,
};

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Stage {
    children: Children,
    load: Option<Child>,
    programs: PathBuf,
    logs: PathBuf,
    /// The fake's control path.
    pub(super) control: SocketAddr,
    pub(super) balancer: SocketAddr,
}

/// Builds the programs of this workspace; where they are.
pub(super) fn build(layout: &Layout) -> Result<PathBuf> {
    child::build(layout, &["server", "loadclient", "exoscale-fake"])
}

impl Stage {
    /// Starts the group with one instance; the directory is the demo's own.
    pub(super) fn start(programs: &Path, dir: &Path) -> Result<Self> {
        let logs = dir.join("logs");
        fs::create_dir_all(&logs).map_err(Error::file("create", &logs))?;
        let [control, balancer] = free_ports()?;
        let name = "exoscale-fake";
        let args = [
            format!("--server={}", programs.join("server").display()),
            format!("--api-address={control}"),
            format!("--balancer-address={balancer}"),
            format!("--boot-ms={}", plan::BOOT.as_millis()),
            format!("--load-ms={}", plan::BURN.as_millis()),
            format!("--capacity={}", plan::CAPACITY),
            format!("--size={}", plan::POLICY.min),
            format!("--health-interval-ms={}", plan::HEALTH.as_millis()),
        ];
        let fake = Child::start(name, &programs.join(name), &args, &[], &logs)?;
        let mut children = Children::default();
        children.add(fake, control)?;
        Ok(Self {
            children,
            load: None,
            programs: programs.to_owned(),
            logs,
            control,
            balancer,
        })
    }

    /// Starts the load, each request on a connection of its own, so that every one is balanced.
    pub(super) fn load(&mut self) -> Result<()> {
        let [admin] = free_ports()?;
        let args = [
            "http".to_owned(),
            format!("--url=http://{}/load", self.balancer),
            format!("--threads={}", plan::THREADS),
            format!("--rate={}", plan::RATE),
            format!("--duration={}s", plan::GROW_LIMIT.as_secs()),
            "--keep-alive=false".to_owned(),
            "--output=json".to_owned(),
            format!("--admin-address={admin}"),
        ];
        let program = self.programs.join("loadclient");
        self.load = Some(Child::start(
            "loadclient",
            &program,
            &args,
            &[],
            &self.logs,
        )?);
        Ok(())
    }

    /// Ends the load; what it says of itself, as JSON.
    pub(super) fn unload(&mut self) -> Option<serde_json::Value> {
        self.load.take()?.end();
        let text = fs::read_to_string(self.logs.join("loadclient.log")).ok()?;
        let report = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            value["requests"].is_u64().then_some(value)
        };
        text.lines().rev().find_map(report)
    }

    /// Ends everything.
    pub(super) fn end(&mut self) {
        drop(self.load.take());
        self.children.end();
    }
}
