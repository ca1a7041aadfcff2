//! Processes of a demo that needs no cluster. Law: they end with it, however it ends: asked first,
//! then for certain, and by the kernel when there is nobody left to ask.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child as Process, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cluster::wait_until,
    command,
    error::{Error, Result},
    layout::Layout,
    process::tail,
    progress,
};

/// How long a program may take to listen.
pub(crate) const START: Duration = Duration::from_secs(20);

/// How long one may take to end by itself, as with `docker stop`.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// A running process.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

/// How one ended when it was asked to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct End {
    pub(crate) name: &'static str,
    /// 0 for a good end; none if it had to be killed.
    pub(crate) code: Option<i32>,
    pub(crate) seconds: f64,
}

impl Child {
    /// Starts a program with nothing of this process' environment but what it is given.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        args: &[String],
        env: &[(&str, String)],
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).map_err(Error::file("create", &log))?;
        let copy = file.try_clone().map_err(Error::file("open", &log))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(env.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy);
        let process = command
            .spawn()
            .map_err(|cause| command::spawn(&command, cause))?;
        Ok(Self { name, process, log })
    }

    /// The process' id; setpriv became the program.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails if it has ended already.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Error::Died {
                component: self.name.to_owned(),
                log: self.log.clone(),
                tail: tail(&self.log, 10),
            }),
        }
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(mut self) -> End {
        let (status, seconds) = self.stop();
        End {
            name: self.name,
            code: status.and_then(|status| status.code()),
            seconds,
        }
    }

    fn stop(&mut self) -> (Option<ExitStatus>, f64) {
        let started = progress::now();
        let id = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        // Not waited for yet, so the id is still this process'.
        if let (Ok(None), Some(id)) = (self.process.try_wait(), id) {
            let _ = kill_process(id, Signal::TERM);
        }
        while started.elapsed() < GRACE {
            if let Ok(Some(status)) = self.process.try_wait() {
                return (Some(status), started.elapsed().as_secs_f64());
            }
            std::thread::sleep(POLL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        (None, started.elapsed().as_secs_f64())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

/// All processes of a demo, in the order of being started.
#[derive(Debug, Default)]
pub(crate) struct Children(Vec<Child>);

impl Children {
    /// Keeps a process that listens there soon.
    pub(crate) fn add(&mut self, mut child: Child, address: SocketAddr) -> Result<()> {
        let mut died = None;
        let listens = wait_until(&format!("a listener on {address}"), START, || {
            if let Err(error) = child.check() {
                died = Some(error);
                return Ok(());
            }
            TcpStream::connect(address)
                .map(drop)
                .map_err(|error| error.to_string())
        });
        self.0.push(child);
        died.map_or(listens, Err)
    }

    /// Ends everything, the last one first, and says how.
    pub(crate) fn end(&mut self) -> Vec<End> {
        let mut ends = Vec::new();
        while let Some(child) = self.0.pop() {
            ends.push(child.end());
        }
        ends
    }
}

/// Builds programs of this workspace, as they are when somebody works on them; where they are.
pub(crate) fn build(layout: &Layout, packages: &[&str]) -> Result<PathBuf> {
    let cargo = crate::cli::variable("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(layout.workspace())
        .args(["build", "--quiet"])
        .args(packages.iter().map(|it| format!("--package={it}")));
    command::capture(&mut build)?.checked()?;
    Ok(layout.workspace().join("target/debug"))
}

/// Ports that were free a moment ago, all at the same time.
pub(crate) fn free_ports<const N: usize>() -> Result<[SocketAddr; N]> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let taken = || -> std::io::Result<Vec<TcpListener>> {
        (0..N).map(|_| TcpListener::bind(address)).collect()
    };
    let listeners = taken().map_err(|cause| Error::Missing(format!("no free port: {cause}")))?;
    let mut ports = [address; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().unwrap_or(address);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ() {
        let [one, two] = free_ports().expect("free ports");
        assert_ne!(one, two);
    }
}
