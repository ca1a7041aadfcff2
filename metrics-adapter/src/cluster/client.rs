//! The client for kube-apiserver.

use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::{Metrics, failure, transport};
use crate::token::TokenFile;

/// Seconds after which kube-apiserver ends a watch, to be resumed at once. Over HTTP/1.1 it also
/// is how a connection that silently died behind a proxy is found out.
pub(super) const WATCH_TIMEOUT_SECONDS: u32 = 60;

/// Why there is no client. Names the flag, and the file if there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig file cannot be used.
    #[error("{flag} {}: {problem}", path.display())]
    Kubeconfig {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No file was named, and this is no pod with a service account.
    #[error("{flag} is not set, and the in-cluster configuration cannot be used: {problem}")]
    InCluster {
        /// The flag that would name a file.
        flag: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A service account was asked for, and this is no pod with one.
    #[error("{flag}: this is no pod with a service account: {problem}")]
    ServiceAccount {
        /// The flag that asks for it.
        flag: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Makes a client from the kubeconfig file that `flag` names, or else from the pod's service
/// account. Does not connect yet: kube-apiserver may come later. A token file is read again for
/// every request, a service account's authority every minute.
///
/// # Errors
/// [`Error`].
pub async fn client(
    flag: &'static str,
    kubeconfig: Option<&Path>,
    metrics: &Metrics,
) -> Result<Client, Error> {
    let config = config(flag, kubeconfig, None).await?;
    make(flag, kubeconfig, config, metrics)
}

/// Likewise for somebody who waits: of another context than the current one, if one is named, and
/// asking nothing again, for what fails is what is looked for.
///
/// # Errors
/// [`Error`].
pub async fn without_retries(
    flag: &'static str,
    kubeconfig: Option<&Path>,
    context: Option<String>,
    metrics: &Metrics,
) -> Result<Client, Error> {
    let mut config = config(flag, kubeconfig, context).await?;
    config.default_retry = false;
    make(flag, kubeconfig, config, metrics)
}

async fn config(
    flag: &'static str,
    kubeconfig: Option<&Path>,
    context: Option<String>,
) -> Result<Config, Error> {
    let fail = failure_of(flag, kubeconfig);
    Ok(match kubeconfig {
        Some(path) => {
            let file = read(path).map_err(&fail)?;
            let options = KubeConfigOptions {
                context,
                ..KubeConfigOptions::default()
            };
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| fail(failure::describe_kubeconfig(&error)))?
        }
        None => in_cluster().map_err(fail)?,
    })
}

fn make(
    flag: &'static str,
    kubeconfig: Option<&Path>,
    mut config: Config,
    metrics: &Metrics,
) -> Result<Client, Error> {
    let fail = failure_of(flag, kubeconfig);
    let token = token_file(&mut config.auth_info, metrics).map_err(&fail)?;
    transport::client(config, token, metrics).map_err(|error| fail(failure::describe(&error)))
}

/// What is wrong, with the flag and the file.
fn failure_of(flag: &'static str, kubeconfig: Option<&Path>) -> impl Fn(String) -> Error {
    move |problem| match kubeconfig {
        Some(path) => Error::Kubeconfig {
            flag,
            path: path.to_owned(),
            problem,
        },
        None => Error::InCluster { flag, problem },
    }
}

/// Takes over the token file, where kube would use it: kube sends what is in it as it is, with a
/// line's end or without a token, and does so for 50 s.
fn token_file(login: &mut AuthInfo, metrics: &Metrics) -> Result<Option<TokenFile>, String> {
    let other = login.auth_provider.is_some() || login.token.is_some();
    let basic = login.username.is_some() && login.password.is_some();
    let path = match login.token_file.take_if(|_| !other && !basic) {
        Some(path) => PathBuf::from(path),
        None => return Ok(None),
    };
    let problem = format!("tokenFile {}", path.display());
    let file = TokenFile::open("tokenFile", path, "kube-apiserver", metrics.token.source())
        .map_err(|error| format!("{problem}: {error}"))?;
    file.header()?;
    Ok(Some(file))
}

/// Reads a kubeconfig file, or says what is wrong with it, without its lines.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, String> {
    // kube 5.0 panics at half a character of UTF-16 at the end.
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if matches!(bytes[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) && bytes.len() % 2 == 1 {
        return Err("the file ends in the middle of a character of UTF-16".to_owned());
    }
    Kubeconfig::read_from(path).map_err(|error| failure::describe_kubeconfig(&error))
}

/// The pod's service account, or what is wrong with it.
pub(super) fn in_cluster() -> Result<Config, String> {
    Config::incluster().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn mk_client(path: Option<&Path>) -> Result<Client, Error> {
        client("--lister-kubeconfig", path, &Metrics::default()).await
    }

    #[tokio::test]
    async fn errors_name_flag_and_file() {
        let missing = mk_client(Some(Path::new("/nowhere/config"))).await;
        let text = missing.err().unwrap().to_string();
        assert!(
            text.starts_with("--lister-kubeconfig /nowhere/config: "),
            "{text}"
        );

        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"clusters: 7").unwrap();
        let mut half = tempfile::NamedTempFile::new().unwrap();
        half.write_all(b"\xff\xfea").unwrap();
        let half = mk_client(Some(half.path())).await;
        assert!(half.err().unwrap().to_string().contains("UTF-16"));

        let broken = mk_client(Some(file.path())).await;
        let text = broken.err().unwrap().to_string();
        assert!(text.contains(&file.path().display().to_string()), "{text}");
    }

    #[tokio::test]
    async fn a_file_that_does_not_parse_keeps_its_secrets() {
        for (user, place) in [
            ("{token: [s3cr3t]}", "line 3, column "),
            ("s3cr3t", "line 3, column "),
            ("{token: s3cr3t, exec: {interactiveMode: s3cr3t}}", "line "),
            ("{token: \"s3cr3t}", "line "),
            ("{token: s3cr3t, token: s3cr3t}", "line 3, column "),
            ("{password: *s3cr3t}", "line "),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let text = format!("apiVersion: v1\nusers:\n- {{name: u, user: {user}}}\n");
            file.write_all(text.as_bytes()).unwrap();
            let broken = mk_client(Some(file.path())).await;
            let text = broken.err().unwrap().to_string();
            assert!(text.contains(place), "{user}: {text}");
            assert!(!text.contains("s3cr3t"), "{user}: {text}");
            assert_eq!(text.lines().count(), 1, "{user}: {text}");
        }
    }

    #[tokio::test]
    async fn a_good_file_needs_no_server() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(
            b"{apiVersion: v1, kind: Config, current-context: c, \
              clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}], \
              users: [{name: u, user: {}}], \
              contexts: [{name: c, context: {cluster: k, user: u}}]}",
        )
        .unwrap();
        mk_client(Some(file.path())).await.unwrap();
    }
}
