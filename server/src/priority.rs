//! The priority of threads that burn: below that of the threads that answer.

/// How much nicer a burning thread is than the rest: on a busy CPU it gets a tenth of what a
/// thread that answers gets, and on an idle one everything.
const NICENESS: i32 = 10;

/// Lowers the calling thread's priority, and no other's: on Linux niceness belongs to threads.
pub fn lower() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "cannot lower the priority of a burning thread");
    }
}
