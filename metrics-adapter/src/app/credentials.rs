//! Credentials for Prometheus from the pod's service account or a kubeconfig: what `cluster` knows
//! to read, in the words of `prometheus`. What flags tell stays.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tracing::warn;

use crate::cli::PrometheusLogin;
use crate::cluster::kubeconfig::{self, Login, Pem};
use crate::prometheus::{Authorization, Credentials, Material, Options, Place};

const IN_CLUSTER: &str = "--prometheus-auth-incluster";
const KUBECONFIG: &str = "--prometheus-auth-config";
/// Where the kubelet mounts a service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Adds what is not there yet, and tells what is there in vain.
pub(super) async fn complete(options: &mut Options, login: PrometheusLogin) -> Result<()> {
    let (flag, other) = match login {
        PrometheusLogin::None => return Ok(()),
        PrometheusLogin::ServiceAccount => {
            kubeconfig::service_account(IN_CLUSTER)?;
            (IN_CLUSTER, service_account(Path::new(SERVICE_ACCOUNT)))
        }
        PrometheusLogin::Kubeconfig(path) => (KUBECONFIG, from_kubeconfig(&path).await?),
    };
    for notice in merge(options, flag, other) {
        warn!("{notice}");
    }
    Ok(())
}

/// What flags tell comes first; a notice for each credential that is therefore not used.
fn merge(options: &mut Options, flag: &str, other: Credentials) -> Vec<String> {
    let mut notices = Vec::new();
    let own = &mut options.credentials;
    if own.authorities.is_none() {
        own.authorities = other.authorities;
    }
    if own.client_certificate.is_none() {
        own.client_certificate = other.client_certificate;
    } else if other.client_certificate.is_some() {
        notices.push(format!(
            "the client certificate of {flag} has no effect: --prometheus-client-tls-cert-file \
             gives one"
        ));
    }
    if other.authorization.is_some() {
        let is_login = |(name, _): &(HeaderName, HeaderValue)| name == AUTHORIZATION;
        let before = if options.headers.iter().any(is_login) {
            Some("--prometheus-header")
        } else {
            own.authorization
                .as_ref()
                .map(|_| "--prometheus-token-file")
        };
        match before {
            Some(first) => notices.push(format!(
                "the credentials of {flag} have no effect: {first} gives others"
            )),
            None => own.authorization = other.authorization,
        }
    }
    notices
}

fn service_account(directory: &Path) -> Credentials {
    Credentials {
        authorities: Some(Material::file(IN_CLUSTER, directory.join("ca.crt"))),
        authorization: Some(Authorization::TokenFile {
            flag: IN_CLUSTER,
            path: directory.join("token"),
        }),
        ..Credentials::default()
    }
}

async fn from_kubeconfig(path: &Path) -> Result<Credentials> {
    let identity = kubeconfig::identity(KUBECONFIG, path).await?;
    Ok(Credentials {
        authorities: identity.authorities.map(material),
        client_certificate: identity
            .client_certificate
            .map(|(certificate, key)| (material(certificate), material(key))),
        authorization: identity
            .login
            .map(authorization)
            .transpose()
            .with_context(|| format!("{KUBECONFIG} {}", path.display()))?,
    })
}

fn material(pem: Pem) -> Material {
    Material {
        flag: KUBECONFIG,
        place: match pem {
            Pem::File(path) => Place::File(path),
            Pem::Inline(text) => Place::Inline(text),
        },
    }
}

fn authorization(login: Login) -> Result<Authorization> {
    let text = match login {
        Login::TokenFile(path) => {
            return Ok(Authorization::TokenFile {
                flag: KUBECONFIG,
                path,
            });
        }
        Login::Token(token) => format!("Bearer {}", token.trim()),
        Login::Basic(name, password) => {
            format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
        }
    };
    let mut header = HeaderValue::from_str(&text).context("the token is not usable as a header")?;
    header.set_sensitive(true);
    Ok(Authorization::Header(header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::Verb;

    fn mk_options() -> Options {
        Options {
            url: "https://localhost".parse().unwrap(),
            verb: Verb::Post,
            headers: Vec::new(),
            credentials: Credentials::default(),
            timeout: std::time::Duration::from_secs(1),
            concurrency: 1,
            max_body: 1,
            max_query_length: 0,
        }
    }

    fn account() -> Credentials {
        service_account(Path::new("/account"))
    }

    #[test]
    fn a_credential_that_is_not_used_is_told() {
        let mut options = mk_options();
        assert!(merge(&mut options, IN_CLUSTER, account()).is_empty());
        assert!(options.credentials.authorization.is_some());
        assert!(options.credentials.authorities.is_some());

        let mut options = mk_options();
        options.credentials.authorization = Some(Authorization::TokenFile {
            flag: "--prometheus-token-file",
            path: "/own".into(),
        });
        let notices = merge(&mut options, KUBECONFIG, account());
        let expected = "the credentials of --prometheus-auth-config have no effect: \
                        --prometheus-token-file gives others";
        assert_eq!(notices, [expected]);
        let kept = options.credentials.authorization;
        assert!(
            matches!(kept, Some(Authorization::TokenFile { path, .. }) if path == Path::new("/own"))
        );

        let mut options = mk_options();
        let header = (AUTHORIZATION, HeaderValue::from_static("Basic x"));
        options.headers.push(header);
        let notices = merge(&mut options, IN_CLUSTER, account());
        let expected = "the credentials of --prometheus-auth-incluster have no effect: \
                        --prometheus-header gives others";
        assert_eq!(notices, [expected]);
    }

    #[test]
    fn a_client_certificate_that_is_not_used_is_told() {
        let pair = || {
            Some((
                material(Pem::File("/c".into())),
                material(Pem::File("/k".into())),
            ))
        };
        let other = || Credentials {
            client_certificate: pair(),
            ..Credentials::default()
        };
        let mut options = mk_options();
        assert!(merge(&mut options, KUBECONFIG, other()).is_empty());
        let notices = merge(&mut options, KUBECONFIG, other());
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].starts_with("the client certificate of --prometheus-auth-config"));
    }
}
