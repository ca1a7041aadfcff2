//! Which pool, and how to reach its API: the same for both programs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::refuse;
use crate::api::{Options, PoolId, Retry};
use crate::credential::{Credentials, Secret};

/// Of one attempt; the API answers within a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The zone of the course, by the ID that the API's first version used.
const VIENNA: (&str, &str) = ("4da1b188-dcd6-4ff5-b7fd-bde984055548", "at-vie-1");

/// Which pool, and how to reach its API.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// ID of the instance pool.
    #[arg(
        long,
        env = "EXOSCALE_INSTANCEPOOL_ID",
        value_name = "EXOSCALE_INSTANCEPOOL_ID"
    )]
    instance_pool_id: PoolId,

    /// Name of the zone, for example at-vie-1; it chooses the API's address.
    #[arg(long, env = "EXOSCALE_ZONE", value_name = "EXOSCALE_ZONE")]
    exoscale_zone: Option<String>,

    /// ID of the zone, for the API's first version; accepted, and only looked at when there is
    /// neither a zone's name nor an endpoint.
    #[arg(long, env = "EXOSCALE_ZONE_ID", value_name = "EXOSCALE_ZONE_ID")]
    exoscale_zone_id: Option<String>,

    /// Address of the API, with /v2 at its end; by default the zone's at api-ZONE.exoscale.com.
    #[arg(long, env = "EXOSCALE_ENDPOINT", value_name = "EXOSCALE_ENDPOINT")]
    exoscale_endpoint: Option<String>,

    /// API key; rather in the environment or in a file.
    #[arg(
        long,
        env = "EXOSCALE_KEY",
        value_name = "EXOSCALE_KEY",
        hide_env_values = true
    )]
    exoscale_api_key: Option<String>,

    /// File that holds the API key; wins over the key itself.
    #[arg(long, env = "EXOSCALE_KEY_FILE", value_name = "EXOSCALE_KEY_FILE")]
    exoscale_api_key_file: Option<OsString>,

    /// API secret; rather in the environment or in a file: everybody on the machine can read a
    /// command line.
    #[arg(
        long,
        env = "EXOSCALE_SECRET",
        value_name = "EXOSCALE_SECRET",
        hide_env_values = true
    )]
    exoscale_api_secret: Option<String>,

    /// File that holds the API secret; wins over the secret itself.
    #[arg(
        long,
        env = "EXOSCALE_SECRET_FILE",
        value_name = "EXOSCALE_SECRET_FILE"
    )]
    exoscale_api_secret_file: Option<OsString>,
}

/// Which pool, and how to reach its API; valid by construction.
#[derive(Clone, Debug)]
pub struct Access {
    /// The pool.
    pub pool: PoolId,
    /// The API.
    pub api: Options,
    /// Whether the secret was on the command line, which deserves a warning.
    pub secret_in_arguments: bool,
}

impl AccessArgs {
    /// `arguments` is the command line, in order to tell a flag from its variable.
    pub(super) fn into_config(self, arguments: &clap::ArgMatches) -> Result<Access, clap::Error> {
        // A variable that is set to nothing is as good as none: compose files make such ones.
        let endpoint = match self.exoscale_endpoint.filter(|text| !text.is_empty()) {
            Some(text) => checked(&text)?,
            None => zone_endpoint(
                self.exoscale_zone.as_deref(),
                self.exoscale_zone_id.as_deref(),
            )?,
        };
        let source = arguments.value_source("exoscale_api_secret");
        let secret_in_arguments = source == Some(clap::parser::ValueSource::CommandLine);
        let credentials = Credentials {
            key: secret(
                "--exoscale-api-key",
                "EXOSCALE_KEY",
                self.exoscale_api_key,
                self.exoscale_api_key_file,
            )?,
            secret: secret(
                "--exoscale-api-secret",
                "EXOSCALE_SECRET",
                self.exoscale_api_secret,
                self.exoscale_api_secret_file,
            )?,
        };
        Ok(Access {
            pool: self.instance_pool_id,
            api: Options {
                endpoint,
                credentials,
                timeout: TIMEOUT,
                retry: Retry::default(),
            },
            secret_in_arguments,
        })
    }
}

fn secret(
    flag: &str,
    variable: &str,
    text: Option<String>,
    file: Option<OsString>,
) -> Result<Secret, clap::Error> {
    if let Some(path) = file.filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let read = Secret::read(&path);
        return read.map_err(|error| refuse(format!("{flag}-file: {} {error}", path.display())));
    }
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Secret::new(&text).map_err(|error| refuse(format!("{flag}: {error}"))),
        None => Err(refuse(format!(
            "{flag}: is missing; give {variable} or {variable}_FILE"
        ))),
    }
}

/// A zone's name becomes part of a host name, so it must not be anything else.
fn zone_endpoint(zone: Option<&str>, id: Option<&str>) -> Result<Url, clap::Error> {
    let zone = match (zone.filter(|zone| !zone.is_empty()), id) {
        (Some(zone), _) => zone,
        (None, Some(id)) if id.eq_ignore_ascii_case(VIENNA.0) => VIENNA.1,
        (None, _) => {
            return Err(refuse(
                "--exoscale-zone: is missing; give EXOSCALE_ZONE, for example at-vie-1",
            ));
        }
    };
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let url = format!("https://api-{zone}.exoscale.com/v2");
    match Url::parse(&url) {
        Ok(url) if zone.bytes().all(valid) => Ok(url),
        _ => Err(refuse(format!("--exoscale-zone: {zone:?} is not a zone"))),
    }
}

/// Encrypted, or on this machine.
fn checked(text: &str) -> Result<Url, clap::Error> {
    const FLAG: &str = "--exoscale-endpoint";
    let url = Url::parse(text).map_err(|error| refuse(format!("{FLAG}: {error}")))?;
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let problem = if url.path().trim_end_matches('/').ends_with("/v1") {
        "version 1 of the api is gone; leave the flag out, and give EXOSCALE_ZONE"
    } else if url.query().is_some() || url.fragment().is_some() {
        "has a query or a fragment"
    } else if !url.username().is_empty() || url.password().is_some() {
        "has a user or a password"
    } else {
        match url.scheme() {
            "https" => return Ok(url),
            "http" if here => return Ok(url),
            "http" => "without tls it must be on loopback",
            _ => "is neither http nor https",
        }
    };
    Err(refuse(format!("{FLAG}: {problem}")))
}
