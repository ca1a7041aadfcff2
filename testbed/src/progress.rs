//! Shows each step with its elapsed time on standard error: one line per step on a terminal,
//! which counts the seconds while the step runs; plain lines otherwise, with a sign of life every
//! 20 seconds.

use std::{
    io::{IsTerminal, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How often a long step says that it still runs when nobody watches a terminal.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Runs one step, showing its name and how long it took.
///
/// # Errors
/// The step's own.
pub fn step<T, E>(name: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let started = now();
    let terminal = std::io::stderr().is_terminal();
    let (done, ended) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            let tick = if terminal {
                Duration::from_secs(1)
            } else {
                HEARTBEAT
            };
            if terminal {
                write(&format!("\r  {name:<44}"));
            }
            while ended.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                let seconds = started.elapsed().as_secs();
                if terminal {
                    write(&format!("\r  {name:<44} {seconds:>6} s"));
                } else {
                    write(&format!("  {name:<44} {seconds:>6} s so far\n"));
                }
            }
        });
        let result = run();
        drop(done);
        result
    });
    let mark = if result.is_ok() { "" } else { "  FAILED" };
    let start = if terminal { "\r" } else { "" };
    let seconds = started.elapsed().as_secs_f64();
    write(&format!("{start}  {name:<44} {seconds:>6.1} s{mark}\n"));
    result
}

/// Says one line.
pub fn say(line: &str) {
    write(&format!("{line}\n"));
}

/// The clock that steps and waits are measured by.
#[allow(
    clippy::disallowed_methods,
    reason = "this program has no runtime whose clock could pause"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A closed standard error must not end a half-built cluster.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
