//! Long-running processes and the records by which they are found again. Law: a process is ended
//! only when the process id *and* its start time are the recorded ones, through a pidfd, so that a
//! recycled id is never killed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::wait_until,
    command,
    error::{Error, Result},
    layout::run,
};

/// How long a component may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// One running process, as remembered on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The component's name.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot: field 22 of /proc/PID/stat.
    pub(crate) started: u64,
}

impl Record {
    /// The record of a process that runs now.
    pub(crate) fn of(name: &str, pid: u32) -> Option<Self> {
        let (started, _) = stat(pid)?;
        Some(Self {
            name: name.to_owned(),
            pid,
            started,
        })
    }

    /// Reads the record of a component, when there is one.
    pub(crate) fn load(name: &str) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path(name)).ok()?).ok()
    }

    /// Every record on disk.
    pub(crate) fn all() -> Vec<Self> {
        let mut names: Vec<String> = fs::read_dir(run("pids"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        names.iter().filter_map(|name| Self::load(name)).collect()
    }

    /// Whether that very process still runs; a zombie does not.
    pub(crate) fn alive(&self) -> bool {
        stat(self.pid).is_some_and(|(started, state)| started == self.started && state != 'Z')
    }

    /// Sends a signal to that very process, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        // Opened first and checked second: from then on the descriptor means this process only.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if self.alive() {
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }

    /// Ends the process: politely, and after [`GRACE`] for certain. Forgets the record.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::TERM);
        if self.gone_within(GRACE).is_err() {
            self.signal(Signal::KILL);
            self.gone_within(GRACE)?;
        }
        let file = path(&self.name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", file)(error))
            }
            _ => Ok(()),
        }
    }

    fn gone_within(&self, time: Duration) -> Result<()> {
        wait_until(
            &format!("the end of {} (process {})", self.name, self.pid),
            time,
            || {
                if self.alive() {
                    Err("still running".to_owned())
                } else {
                    Ok(())
                }
            },
        )
    }

    fn save(&self) -> Result<()> {
        let file = path(&self.name);
        let text = serde_json::to_string(self).expect("a record of plain fields is valid JSON");
        fs::create_dir_all(run("pids")).map_err(Error::file("create", run("pids")))?;
        fs::write(&file, text).map_err(Error::file("write", file))
    }
}

/// Becomes a command without the descriptors beyond the standard ones; a shell knows them up to 9.
const CLOSE_AND_RUN: &str = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$@\"";

/// Starts a command in a session of its own, so that it outlives this program and its terminal,
/// with its output in a log file, and records it.
pub(crate) fn start(name: &str, command: &Command, log: &Path) -> Result<Record> {
    let previous = log.with_extension("log.old");
    if log.exists() {
        fs::rename(log, &previous).map_err(Error::file("rename", log))?;
    }
    let output = fs::File::create(log).map_err(Error::file("create", log))?;
    let errors = output.try_clone().map_err(Error::file("open", log))?;
    let mut detached = Command::new("setsid");
    // Descriptors that this program was given (a lock's, make's job server's) are not for a process
    // that outlives it.
    detached.args(["sh", "-c", CLOSE_AND_RUN, "sh"]);
    detached.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(key, value),
            None => detached.env_remove(key),
        };
    }
    let child = detached
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|cause| command::spawn(&detached, cause))?;
    let pid = child.id();
    reap(child);
    let record = Record::of(name, pid).ok_or_else(|| died(name, log))?;
    record.save()?;
    Ok(record)
}

/// Waits for a child in the background: a program that holds the cluster for long must not
/// collect zombies.
fn reap(mut child: std::process::Child) {
    std::thread::spawn(move || child.wait());
}

/// [`Error::Died`] with the end of the component's log.
pub(crate) fn died(name: &str, log: &Path) -> Error {
    Error::Died {
        component: name.to_owned(),
        log: log.to_owned(),
        tail: tail(log, 15),
    }
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The start time and the state letter of a process.
fn stat(pid: u32) -> Option<(u64, char)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name, the second field, may itself hold spaces and parentheses: count from the
/// last one.
fn parse_stat(text: &str) -> Option<(u64, char)> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some((
        fields.get(19)?.parse().ok()?,
        fields.first()?.chars().next()?,
    ))
}

fn path(name: &str) -> PathBuf {
    run("pids").join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let stat = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 1 0 0 0 7 9 0 0 20 0 5 0 987654 1 2";
        assert_eq!(parse_stat(stat), Some((987_654, 'S')));
        assert_eq!(parse_stat("no stat at all"), None);
        assert_eq!(parse_stat("1 (short) S 1 2"), None);
    }

    #[test]
    fn a_recycled_process_id_is_not_ours() {
        let me = Record::of("test", std::process::id()).expect("this process runs");
        assert!(me.alive());
        let other = Record {
            started: me.started + 1,
            ..me
        };
        assert!(!other.alive());
        // Must not end this test.
        other.signal(Signal::KILL);
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), "one\ntwo\nthree\n").expect("writable");
        assert_eq!(tail(file.path(), 2), "two\nthree");
        assert_eq!(tail(file.path(), 9), "one\ntwo\nthree");
    }
}
