//! kube's errors in one readable line.

use std::error::Error as StdError;

/// The line: kube-apiserver's message, or the chain of causes without repetitions.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (status {})", status.message, status.code),
        other => chain(other),
    }
}

/// As [`describe`], for a watch.
pub(super) fn describe_watch(error: &kube::runtime::watcher::Error) -> String {
    use kube::runtime::watcher::Error;
    match error {
        Error::InitialListFailed(error)
        | Error::WatchStartFailed(error)
        | Error::WatchFailed(error) => describe(error),
        Error::WatchError(status) => format!("{} (status {})", status.message, status.code),
        Error::NoResourceVersion => error.to_string(),
    }
}

/// The HTTP status behind a watch error, if there was an answer.
pub(super) fn watch_status(error: &kube::runtime::watcher::Error) -> Option<u16> {
    use kube::runtime::watcher::Error;
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
