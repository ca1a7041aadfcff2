//! Credentials for Prometheus from the pod's service account or a kubeconfig: what `cluster` knows
//! to read, in the words of `prometheus`. What flags tell stays.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tracing::warn;

use crate::cli::PrometheusLogin;
use crate::cluster::kubeconfig::{self, Login, Pem};
use crate::prometheus::{Authorization, Credentials, Material, Place, Verification};

const IN_CLUSTER: &str = "--prometheus-auth-incluster";
const KUBECONFIG: &str = "--prometheus-auth-config";
/// Where the kubelet mounts a service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Adds what is not there yet.
pub(super) async fn complete(credentials: &mut Credentials, login: PrometheusLogin) -> Result<()> {
    let other = match login {
        PrometheusLogin::None => return Ok(()),
        PrometheusLogin::ServiceAccount => {
            kubeconfig::service_account(IN_CLUSTER)?;
            service_account(Path::new(SERVICE_ACCOUNT))
        }
        PrometheusLogin::Kubeconfig(path) => from_kubeconfig(&path).await?,
    };
    credentials.verification = other.verification;
    if credentials.authorities.is_none() {
        credentials.authorities = other.authorities;
    }
    if credentials.client_certificate.is_none() {
        credentials.client_certificate = other.client_certificate;
    }
    if credentials.authorization.is_none() {
        credentials.authorization = other.authorization;
    }
    Ok(())
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
    let verification = if identity.accept_invalid_certs {
        warn!("{KUBECONFIG}: insecure-skip-tls-verify: Prometheus' certificate is not verified");
        Verification::None
    } else {
        Verification::Full
    };
    Ok(Credentials {
        authorities: identity.authorities.map(|certificates| Material {
            flag: KUBECONFIG,
            place: Place::Inline(bundle(&certificates)),
        }),
        client_certificate: identity
            .client_certificate
            .map(|(certificate, key)| (material(certificate), material(key))),
        authorization: identity
            .login
            .map(authorization)
            .transpose()
            .with_context(|| format!("{KUBECONFIG} {}", path.display()))?,
        verification,
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

/// DER certificates as one PEM text.
fn bundle(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut pem = String::new();
    for certificate in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        pem.push_str(&STANDARD.encode(certificate));
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    pem.into_bytes()
}
