//! The connection to Prometheus.

use std::path::PathBuf;

use reqwest::header;

use super::super::error::UsageError;
use super::super::flags::{LimitFlags, PrometheusFlags};
use super::{nonzero, pair};
use crate::prometheus::{Authorization, Credentials, Material, Options};

/// Largest answer of Prometheus that is read, in bytes: some 200,000 series with a dozen labels.
const MAX_BODY: usize = 128 << 20;

const CA: &str = "--prometheus-ca-file";
const CERTIFICATE: &str = "--prometheus-client-tls-cert-file";
const KEY: &str = "--prometheus-client-tls-key-file";
const IN_CLUSTER: &str = "--prometheus-auth-incluster";
const KUBECONFIG: &str = "--prometheus-auth-config";
const TOKEN: &str = "--prometheus-token-file";

/// Credentials for Prometheus from elsewhere; those that flags tell come before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrometheusLogin {
    /// There are no others.
    None,
    /// The pod's service account; `--prometheus-auth-incluster`.
    ServiceAccount,
    /// A kubeconfig; `--prometheus-auth-config`.
    Kubeconfig(PathBuf),
}

pub(in super::super) fn build(
    flags: PrometheusFlags,
    limits: &LimitFlags,
    notices: &mut Vec<String>,
) -> Result<(Options, PrometheusLogin), UsageError> {
    let login = login(&flags, notices)?;
    let has_header = |name| flags.prometheus_header.iter().any(|(own, _)| own == name);
    if has_header(header::AUTHORIZATION) && flags.prometheus_token_file.0.is_some() {
        notices.push(format!(
            "{TOKEN} has no effect: --prometheus-header gives an Authorization"
        ));
    }
    let client_certificate = pair(
        (CERTIFICATE, flags.prometheus_client_tls_cert_file.0),
        (KEY, flags.prometheus_client_tls_key_file.0),
    )?;
    let token = flags.prometheus_token_file.0;
    let credentials = Credentials {
        authorities: flags
            .prometheus_ca_file
            .0
            .map(|path| Material::file(CA, path)),
        client_certificate: client_certificate.map(|(certificate, key)| {
            (
                Material::file(CERTIFICATE, certificate),
                Material::file(KEY, key),
            )
        }),
        authorization: token.map(|path| Authorization::TokenFile { flag: TOKEN, path }),
    };
    let options = Options {
        url: flags.prometheus_url,
        verb: flags.prometheus_verb,
        headers: flags.prometheus_header,
        credentials,
        timeout: nonzero("--prometheus-timeout", limits.prometheus_timeout)?,
        concurrency: limits.prometheus_max_concurrency.into(),
        max_body: MAX_BODY,
        max_query_length: limits.prometheus_max_query_length as usize,
    };
    Ok((options, login))
}

/// prometheus-adapter does not even look at these two beside a CA file. To refuse that would
/// break command lines that work, to send the token after all would send it where it never went.
fn login(
    flags: &PrometheusFlags,
    notices: &mut Vec<String>,
) -> Result<PrometheusLogin, UsageError> {
    let kubeconfig = flags.prometheus_auth_config.0.clone();
    if flags.prometheus_ca_file.0.is_some() {
        let given = [
            (flags.prometheus_auth_incluster, IN_CLUSTER),
            (kubeconfig.is_some(), KUBECONFIG),
        ];
        for (_, flag) in given.into_iter().filter(|(given, _)| *given) {
            notices.push(format!(
                "{flag} has no effect beside {CA}, as in prometheus-adapter"
            ));
        }
        return Ok(PrometheusLogin::None);
    }
    match (flags.prometheus_auth_incluster, kubeconfig) {
        (true, Some(_)) => Err(UsageError::Conflict(IN_CLUSTER, KUBECONFIG)),
        (true, None) => Ok(PrometheusLogin::ServiceAccount),
        (false, Some(path)) => Ok(PrometheusLogin::Kubeconfig(path)),
        (false, None) => Ok(PrometheusLogin::None),
    }
}
