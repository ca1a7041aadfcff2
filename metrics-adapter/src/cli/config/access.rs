//! Authentication and authorization.

use reqwest::header::HeaderName;

use super::super::error::UsageError;
use super::super::flags::{AuthenticationFlags, AuthorizationFlags};
use super::super::value;
use crate::auth::{LocalRequestHeader, LocalTrust, Lookup, Options};

pub(super) fn options(
    authentication: &AuthenticationFlags,
    authorization: &AuthorizationFlags,
) -> Result<Options, UsageError> {
    let paths = value::flatten(authorization.authorization_always_allow_paths.clone());
    Ok(Options {
        token_ttl: authentication.authentication_token_webhook_cache_ttl,
        allow_ttl: authorization.authorization_webhook_cache_authorized_ttl,
        deny_ttl: authorization.authorization_webhook_cache_unauthorized_ttl,
        always_allow_paths: paths
            .iter()
            .map(|path| open_path(path))
            .collect::<Result<_, _>>()?,
        ..Options::default()
    })
}

/// With a slash in front, which may be left out.
fn open_path(path: &str) -> Result<String, UsageError> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    if relative.strip_suffix('*').unwrap_or(relative).contains('*') {
        return Err(UsageError::unsupported(
            "--authorization-always-allow-paths",
            format!("only the last letter can be *, in {path:?}"),
        ));
    }
    Ok(format!("/{relative}"))
}

pub(super) fn trust(
    flags: &AuthenticationFlags,
    notices: &mut Vec<String>,
) -> Result<LocalTrust, UsageError> {
    // Checked even if they do not count: a typo is a typo.
    let front_proxy = front_proxy(flags)?;
    let defaults = (["x-remote-user"], ["x-remote-group"], ["x-remote-extra-"]);
    let is_default = front_proxy.allowed_names.is_empty()
        && front_proxy.username_headers == defaults.0
        && front_proxy.group_headers == defaults.1
        && front_proxy.extra_prefixes == defaults.2;
    let request_header =
        flags
            .requestheader_client_ca_file
            .0
            .clone()
            .map(|ca_file| LocalRequestHeader {
                ca_file,
                ..front_proxy
            });
    if request_header.is_none() && !is_default {
        notices.push(
            "the --requestheader flags have no effect without --requestheader-client-ca-file: the \
             cluster's authentication ConfigMap tells these names"
                .to_owned(),
        );
    }
    let lookup = if flags.authentication_skip_lookup {
        Lookup::Skipped
    } else if flags.authentication_tolerate_lookup_failure {
        Lookup::Tolerated
    } else {
        Lookup::Required
    };
    if lookup == Lookup::Skipped && request_header.is_none() {
        notices.push(
            "--authentication-skip-lookup without --requestheader-client-ca-file: kube-apiserver \
             cannot forward requests to this server"
                .to_owned(),
        );
    }
    Ok(LocalTrust {
        client_ca_file: flags.client_ca_file.0.clone(),
        request_header,
        lookup,
    })
}

/// The names of a front proxy whose file is still open.
fn front_proxy(flags: &AuthenticationFlags) -> Result<LocalRequestHeader, UsageError> {
    let username_headers = headers(
        "--requestheader-username-headers",
        value::flatten(flags.requestheader_username_headers.clone()),
    )?;
    if username_headers.is_empty() && flags.requestheader_client_ca_file.0.is_some() {
        return Err(UsageError::unsupported(
            "--requestheader-username-headers",
            "without a header nobody can be named",
        ));
    }
    let prefixes = headers(
        "--requestheader-extra-headers-prefix",
        value::flatten(flags.requestheader_extra_headers_prefix.clone()),
    )?;
    let allowed_names = value::flatten(flags.requestheader_allowed_names.clone());
    if allowed_names.iter().any(|name| name.trim().is_empty()) {
        return Err(UsageError::unsupported(
            "--requestheader-allowed-names",
            "a name is empty",
        ));
    }
    Ok(LocalRequestHeader {
        ca_file: std::path::PathBuf::new(),
        allowed_names,
        username_headers,
        group_headers: headers(
            "--requestheader-group-headers",
            value::flatten(flags.requestheader_group_headers.clone()),
        )?,
        extra_prefixes: prefixes.iter().map(ToString::to_string).collect(),
    })
}

/// Names of headers, in lower case.
fn headers(flag: &str, names: Vec<String>) -> Result<Vec<HeaderName>, UsageError> {
    names
        .into_iter()
        .map(|name| {
            name.trim().parse().map_err(|_invalid| {
                UsageError::unsupported(flag, format!("{name:?} is not a header name"))
            })
        })
        .collect()
}
