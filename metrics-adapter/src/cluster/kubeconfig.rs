//! What a kubeconfig says of a server that is not kube-apiserver: authorities and credentials.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;

use super::client::{self, Error};
use super::failure;

/// The current context's authorities and credentials. Its server is of no interest.
#[derive(Default)]
pub struct Identity {
    /// The authorities; `None` for the system's.
    pub authorities: Option<Pem>,
    /// Client certificate and its key.
    pub client_certificate: Option<(Pem, Pem)>,
    /// How to log in.
    pub login: Option<Login>,
}

/// PEM text or the file that holds it.
#[derive(Debug, PartialEq, Eq)]
pub enum Pem {
    /// The file.
    File(PathBuf),
    /// The text.
    Inline(Vec<u8>),
}

/// What becomes an `Authorization` header.
#[derive(PartialEq, Eq)]
pub enum Login {
    /// A bearer token.
    Token(String),
    /// A file with a bearer token.
    TokenFile(PathBuf),
    /// User name and password.
    Basic(String, String),
}

/// Reads the current context of the file that `flag` names.
///
/// # Errors
/// [`Error::Kubeconfig`]; also for what only kube-apiserver's clients can do: plugins,
/// impersonation, another name in the server's certificate, a proxy.
pub async fn identity(flag: &'static str, path: &Path) -> Result<Identity, Error> {
    let fail = |problem: String| Error::Kubeconfig {
        flag,
        path: path.to_owned(),
        problem,
    };
    let unreadable = |error| fail(failure::describe_kubeconfig(&error));
    let file = client::read(path).map_err(fail)?;
    let authorities = authorities(&file).map_err(fail)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(unreadable)?;
    let user = config.auth_info;
    let unsupported = [
        (user.exec.is_some(), "exec"),
        (user.auth_provider.is_some(), "auth-provider"),
        (user.impersonate.is_some(), "as"),
        (config.tls_server_name.is_some(), "tls-server-name"),
        (config.proxy_url.is_some(), "proxy-url"),
        // Whoever stands between could say what is scaled: there is certificate-authority.
        (config.accept_invalid_certs, "insecure-skip-tls-verify"),
    ];
    if let Some((_, field)) = unsupported.into_iter().find(|(set, _)| *set) {
        return Err(fail(format!("{field} is not supported for Prometheus")));
    }
    Ok(Identity {
        authorities,
        client_certificate: client_certificate(&user).map_err(fail)?,
        login: login(&user),
    })
}

/// Makes sure that there is a service account, as `--prometheus-auth-incluster` promises.
///
/// # Errors
/// [`Error::ServiceAccount`].
pub fn service_account(flag: &'static str) -> Result<(), Error> {
    match client::in_cluster() {
        Ok(_) => Ok(()),
        Err(problem) => Err(Error::ServiceAccount { flag, problem }),
    }
}

/// Those of the current context's cluster. As a file they can be read again.
fn authorities(file: &Kubeconfig) -> Result<Option<Pem>, String> {
    let named = file.contexts.iter();
    let mut current = named.filter(|context| Some(&context.name) == file.current_context.as_ref());
    let context = current.next().and_then(|named| named.context.as_ref());
    let Some(name) = context.map(|context| &context.cluster) else {
        return Ok(None);
    };
    let cluster = file.clusters.iter().find(|named| named.name == *name);
    match cluster.and_then(|named| named.cluster.as_ref()) {
        None => Ok(None),
        Some(cluster) => pem(
            "certificate-authority-data",
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
        ),
    }
}

fn client_certificate(user: &AuthInfo) -> Result<Option<(Pem, Pem)>, String> {
    let certificate = pem(
        "client-certificate-data",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
    )?;
    let key = pem(
        "client-key-data",
        user.client_key_data
            .as_ref()
            .map(|data| data.expose_secret()),
        user.client_key.as_deref(),
    )?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        _ => Err("a client certificate and its key belong together".to_owned()),
    }
}

fn pem(field: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<Pem>, String> {
    let filled = |text: &&str| !text.is_empty();
    if let Some(data) = data.filter(filled) {
        let text = STANDARD
            .decode(data)
            .map_err(|error| format!("{field}: {error}"))?;
        return Ok(Some(Pem::Inline(text)));
    }
    Ok(file.filter(filled).map(|file| Pem::File(file.into())))
}

/// The order is client-go's: a token's file is read again, so it comes first.
fn login(user: &AuthInfo) -> Option<Login> {
    if let Some(file) = user.token_file.as_ref().filter(|file| !file.is_empty()) {
        return Some(Login::TokenFile(file.into()));
    }
    if let Some(token) = &user.token {
        return Some(Login::Token(token.expose_secret().to_owned()));
    }
    let name = user.username.clone()?;
    let password = user.password.as_ref();
    let password = password.map_or("", |password| password.expose_secret());
    Some(Login::Basic(name, password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(user: &str, cluster: &str) -> Result<Identity, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
              clusters: [{{name: k, cluster: {{server: 'https://nowhere' {cluster}}}}}], \
              users: [{{name: u, user: {{{user}}}}}], \
              contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}"
        );
        std::fs::write(&path, text).unwrap();
        identity("--prometheus-auth-config", &path)
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn credentials_are_read() {
        let token = read("token: secret", "").await.unwrap();
        assert!(token.login == Some(Login::Token("secret".to_owned())));
        let basic = read("username: me, password: p", "").await.unwrap();
        assert!(basic.login == Some(Login::Basic("me".to_owned(), "p".to_owned())));
        let pair = read("client-certificate-data: YQ==, client-key: /key", "").await;
        let pair = pair.unwrap();
        let expected = (Pem::Inline(b"a".to_vec()), Pem::File("/key".into()));
        assert_eq!(pair.client_certificate, Some(expected));
        assert!(pair.login.is_none());
    }

    #[tokio::test]
    async fn a_file_of_authorities_stays_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca");
        let pem = crate::serving::tests::support::Ca::new("Prometheus").pem();
        std::fs::write(&path, &pem).unwrap();
        let cluster = format!(", certificate-authority: '{}'", path.display());
        let file = read("", &cluster).await.unwrap();
        assert_eq!(file.authorities, Some(Pem::File(path)));
        // Data comes before a file, as in client-go.
        let cluster = format!(
            "{cluster}, certificate-authority-data: {}",
            STANDARD.encode(&pem)
        );
        let data = read("", &cluster).await.unwrap();
        assert_eq!(data.authorities, Some(Pem::Inline(pem.into_bytes())));
        assert_eq!(read("", "").await.unwrap().authorities, None);
    }

    #[test]
    fn a_missing_service_account_is_told_as_such() {
        let error = service_account("--prometheus-auth-incluster").unwrap_err();
        let error = error.to_string();
        let expected = "--prometheus-auth-incluster: this is no pod with a service account: ";
        assert!(error.starts_with(expected), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_does_not_parse_keeps_its_secrets() {
        let error = read("token: [s3cr3t]", "").await.err().unwrap();
        assert!(error.contains(": line 1, column "), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }

    #[tokio::test]
    async fn what_cannot_be_honoured_is_refused_by_name() {
        for (user, cluster, field) in [
            ("exec: {command: x}", "", "exec is not supported"),
            ("as: root", "", "as is not supported"),
            (
                "",
                ", insecure-skip-tls-verify: true",
                "insecure-skip-tls-verify is not supported",
            ),
            ("", ", tls-server-name: x", "tls-server-name is not"),
            ("client-certificate: /c", "", "belong together"),
            (
                "client-certificate-data: '?', client-key: /k",
                "",
                "client-certificate-data",
            ),
        ] {
            let error = read(user, cluster).await.err().unwrap();
            assert!(error.starts_with("--prometheus-auth-config /"), "{error}");
            assert!(error.contains(field), "{error}");
        }
    }
}
