//! kube's errors in one readable line.

use std::error::Error as StdError;

use kube::client::AuthError;
use kube::config::KubeconfigError;

/// The line: kube-apiserver's message, or the chain of causes without repetitions.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (status {})", status.message, status.code),
        kube::Error::Auth(error) => describe_login(error),
        kube::Error::Service(error) => match error.downcast_ref() {
            Some(error) => describe_login(error),
            None => chain(error.as_ref()),
        },
        other => chain(other),
    }
}

/// As [`describe`], for a login: what a plugin prints may be a token.
fn describe_login(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            format!("auth exec command '{cmd}' failed with {}", out.status)
        }
        AuthError::AuthExecParse(error) => {
            format!("failed to parse auth exec output: {}", describe_yaml(error))
        }
        other => chain(other),
    }
}

/// As [`describe`], for a kubeconfig.
pub(super) fn describe_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => describe_yaml(error),
        other => chain(other),
    }
}

/// Position and cause of a syntax error. The parser's own text shows lines of the file and values
/// in it, which may be secrets; so only causes that cannot hold any are told.
fn describe_yaml(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let cause = match error {
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::SerdeInvalidType { expected, .. } => format!("expected {expected}"),
        Error::SerdeMissingField { field, .. } => format!("{field} is missing"),
        Error::InvalidScalar { ty, .. } => format!("expected {ty}"),
        Error::DuplicateMappingKey { .. } => "a key is there twice".to_owned(),
        _ => "cannot be read".to_owned(),
    };
    match error.location() {
        Some(at) => format!("line {}, column {}: {cause}", at.line(), at.column()),
        None => cause,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_prints_is_not_told() {
        use std::os::unix::process::ExitStatusExt as _;
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"s3cr3t".to_vec(),
            stderr: Vec::new(),
        };
        let run = || AuthError::AuthExecRun {
            cmd: "login".to_owned(),
            out: Box::new(out.clone()),
        };
        let parse = serde_saphyr::from_str::<u8>("token: s3cr3t").unwrap_err();
        for (error, expected) in [
            (kube::Error::Auth(run()), "exit status: 1"),
            (kube::Error::Service(Box::new(run())), "exit status: 1"),
            (
                kube::Error::Auth(AuthError::AuthExecParse(Box::new(parse))),
                "line 1, column 1: expected",
            ),
        ] {
            let text = describe(&error);
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}
