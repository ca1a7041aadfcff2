//! Processes of the demo. Law: they end with it, however it ends: asked first, then for certain,
//! and by the kernel when there is nobody left to ask.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child as Process, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    error::{Error, Result},
    process::tail,
    progress,
};

/// How long one may take to end by itself, as with `docker stop`.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// A running process.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

/// How one ended when it was asked to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End {
    pub(super) name: &'static str,
    /// 0 for a good end; none if it had to be killed.
    pub(super) code: Option<i32>,
    pub(super) seconds: f64,
}

impl Child {
    /// Starts a program with nothing of this process' environment but what it is given.
    pub(super) fn start(
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
            .map_err(|cause| crate::command::spawn(&command, cause))?;
        Ok(Self { name, process, log })
    }

    /// Fails if it has ended already.
    pub(super) fn check(&mut self) -> Result<()> {
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
    pub(super) fn end(mut self) -> End {
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
