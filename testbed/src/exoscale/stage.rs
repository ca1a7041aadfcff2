//! What is started, in order, and with which files.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::plan::{self, Changes};
use crate::{
    child::{self, Child, Children, End, free_ports},
    error::{Error, Result},
    layout::Layout,
    setup::find,
};

/// The pool's ID; any.
const POOL: &str = "11111111-2222-4333-8444-555555555555";

/// The programs of this workspace.
#[derive(Debug)]
pub(super) struct Programs {
    dir: PathBuf,
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Stage {
    children: Children,
    pub(super) fake: SocketAddr,
    pub(super) balancer: SocketAddr,
    pub(super) prometheus: SocketAddr,
}

/// Builds the programs of this workspace.
pub(super) fn build(layout: &Layout) -> Result<Programs> {
    let dir = child::build(layout, &["server", "exoscale", "exoscale-fake"])?;
    Ok(Programs { dir })
}

impl Stage {
    /// Starts everything; the directory is the demo's own.
    pub(super) fn start(layout: &Layout, programs: &Programs, dir: &Path) -> Result<Self> {
        let work = dir.join("work");
        if work.exists() {
            fs::remove_dir_all(&work).map_err(Error::file("remove", &work))?;
        }
        for sub in ["sd", "rules", "alertmanagers", "logs"] {
            let sub = work.join(sub);
            fs::create_dir_all(&sub).map_err(Error::file("create", sub))?;
        }
        let [fake, balancer, prometheus, alertmanager, autoscaler, sd] = free_ports()?;
        let targets = work.join("sd/config.json");
        let monitoring = layout.workspace().join("exoscale/monitoring");
        let addresses = Addresses {
            alertmanager,
            autoscaler,
            sd,
        };
        configure(&monitoring, &work, &targets, addresses)?;

        let mut stage = Self {
            children: Children::default(),
            fake,
            balancer,
            prometheus,
        };
        let logs = work.join("logs");
        let credentials = vec![
            ("EXOSCALE_KEY", "EXOdemo".to_owned()),
            ("EXOSCALE_SECRET", "a-demo-has-no-secrets".to_owned()),
            ("EXOSCALE_INSTANCEPOOL_ID", POOL.to_owned()),
        ];
        let program = |name: &str| programs.dir.join(name);
        let fake_args = vec![
            format!("--server={}", program("server").display()),
            format!("--api-address={fake}"),
            format!("--balancer-address={balancer}"),
            format!("--boot-ms={}", plan::BOOT.as_millis()),
            format!("--load-ms={}", plan::BURN.as_millis()),
            format!("--capacity={}", plan::CAPACITY),
            format!("--pool={POOL}"),
            "--health-interval-ms=1000".to_owned(),
        ];
        let name = "exoscale-fake";
        stage.children.add(
            Child::start(name, &program(name), &fake_args, &credentials, &logs)?,
            fake,
        )?;

        let mut env = credentials;
        env.push(("EXOSCALE_ENDPOINT", format!("http://{fake}/v2")));
        env.push(("EXOSCALE_ZONE", "at-vie-1".to_owned()));
        let sd_args = vec![
            format!("--prometheus-file={}", targets.display()),
            format!("--listen-address={sd}"),
            "--interval=2s".to_owned(),
        ];
        let name = "exoscale-sd";
        stage.children.add(
            Child::start(name, &program(name), &sd_args, &env, &logs)?,
            sd,
        )?;

        let autoscaler_args = vec![
            format!("--listen-address={}", autoscaler.ip()),
            format!("--listen-port={}", autoscaler.port()),
            format!("--interval={}s", plan::STEP.as_secs()),
        ];
        let name = "exoscale-autoscaler";
        let child = Child::start(name, &program(name), &autoscaler_args, &env, &logs)?;
        stage.children.add(child, autoscaler)?;

        let alertmanager_args = vec![
            format!("--config.file={}", work.join("alertmanager.yml").display()),
            format!("--storage.path={}", work.join("alertmanager").display()),
            format!("--web.listen-address={alertmanager}"),
            // No gossip: nothing of this demo leaves loopback.
            "--cluster.listen-address=".to_owned(),
        ];
        let program = installed("prometheus-alertmanager")?;
        let child = Child::start("alertmanager", &program, &alertmanager_args, &[], &logs)?;
        stage.children.add(child, alertmanager)?;

        let prometheus_args = vec![
            format!("--config.file={}", work.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", work.join("tsdb").display()),
            format!("--web.listen-address={prometheus}"),
            "--web.enable-lifecycle".to_owned(),
        ];
        let program = installed("prometheus")?;
        let child = Child::start("prometheus", &program, &prometheus_args, &[], &logs)?;
        stage.children.add(child, prometheus)?;
        Ok(stage)
    }

    /// Ends everything, the last one first, and says how.
    pub(super) fn end(&mut self) -> Vec<End> {
        self.children.end()
    }
}

fn installed(program: &str) -> Result<PathBuf> {
    find(program).ok_or_else(|| Error::Missing(format!("{program} is not installed")))
}

/// Where the configuration's names are in this demo.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    alertmanager: SocketAddr,
    autoscaler: SocketAddr,
    sd: SocketAddr,
}

/// Copies the files of the monitoring instance, with other addresses and times.
fn configure(monitoring: &Path, work: &Path, targets: &Path, addresses: Addresses) -> Result<()> {
    let targets = targets.display().to_string();
    let (autoscaler, sd) = (addresses.autoscaler.to_string(), addresses.sd.to_string());
    let copy = |name: &str, changes: &Changes<'_>| -> Result<()> {
        let (from, to) = (monitoring.join(name), work.join(name));
        let text = fs::read_to_string(&from).map_err(Error::file("read", &from))?;
        let text = changed(&text, changes).map_err(|what| {
            Error::Missing(format!(
                "{}: {what:?} is not there any more",
                from.display()
            ))
        })?;
        fs::write(&to, text).map_err(Error::file("write", to))
    };
    let own = [("autoscaler:8090", autoscaler.as_str())];
    let scraped = [
        ("/srv/service-discovery/config.json", targets.as_str()),
        ("servicediscovery:8091", sd.as_str()),
    ];
    copy(
        "prometheus.yml",
        &[plan::PROMETHEUS, &scraped, &own].concat(),
    )?;
    copy("rules/scaling.yaml", plan::RULES)?;
    copy("rules/autoscaling.yaml", &[])?;
    copy("alertmanager.yml", &[plan::ALERTMANAGER, &own].concat())?;
    let to = work.join("alertmanagers/local.json");
    let text = format!("[{{\"targets\":[\"{}\"]}}]\n", addresses.alertmanager);
    fs::write(&to, text).map_err(Error::file("write", to))
}

/// Every change made; what has no place is the error.
fn changed<'a>(text: &str, changes: &Changes<'a>) -> std::result::Result<String, &'a str> {
    let mut text = text.to_owned();
    for (from, to) in changes {
        if !text.contains(from) {
            return Err(from);
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_without_a_place_is_an_error() {
        let changes = [("for: 1m", "for: 10s"), ("[1m]", "[10s]")];
        assert_eq!(
            changed("for: 1m x[1m]", &changes),
            Ok("for: 10s x[10s]".into())
        );
        assert_eq!(changed("for: 1m", &changes), Err("[1m]"));
    }
}
