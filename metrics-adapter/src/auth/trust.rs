//! What the cluster tells its aggregated servers about authentication.
//!
//! The source is ConfigMap `kube-system/extension-apiserver-authentication`; `cluster` watches
//! it and publishes every good version. Law: a [`Trust`] is whole and valid, or does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use tokio::sync::watch;

use super::authority::{Authority, AuthorityError};
use super::caller::Callers;
use super::request_header::RequestHeader;

/// The current trust; `None` until it was read for the first time.
pub type TrustReceiver = watch::Receiver<Option<Arc<Trust>>>;

/// The authorities that may vouch for callers.
#[derive(Debug)]
pub struct Trust {
    /// Front proxies; absent if kube-apiserver has no `--requestheader-client-ca-file`.
    pub request_header: Option<Arc<RequestHeader>>,
    /// Clients with certificates of the cluster; absent without `--client-ca-file`.
    pub client: Option<Arc<Authority>>,
}

/// Why the ConfigMap cannot be used. Names the key.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TrustError {
    /// A bundle of authorities is broken.
    #[error("{key}: {reason}")]
    Authority {
        /// The key in the ConfigMap.
        key: &'static str,
        /// What is wrong.
        reason: AuthorityError,
    },
    /// A list is not a JSON array of strings.
    #[error("{key}: not a JSON array of strings: {problem}")]
    List {
        /// The key in the ConfigMap.
        key: &'static str,
        /// serde_json's words.
        problem: String,
    },
    /// A header's name cannot be one.
    #[error("{key}: {name:?} is not a header name")]
    HeaderName {
        /// The key in the ConfigMap.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// A front proxy could never name a user.
    #[error("requestheader-username-headers: empty, but requestheader-client-ca-file is set")]
    NoUsernameHeader,
    /// There is nothing to trust.
    #[error("neither requestheader-client-ca-file nor client-ca-file is set")]
    Nothing,
}

const REQUEST_HEADER_CA: &str = "requestheader-client-ca-file";
const CLIENT_CA: &str = "client-ca-file";

impl Trust {
    /// Reads the ConfigMap's data.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        let request_header = authority(data, REQUEST_HEADER_CA)?
            .map(|authority| {
                let username_headers = header_names(data, "requestheader-username-headers")?;
                if username_headers.is_empty() {
                    return Err(TrustError::NoUsernameHeader);
                }
                Ok(Arc::new(RequestHeader {
                    authority,
                    allowed_names: list(data, "requestheader-allowed-names")?,
                    username_headers,
                    uid_headers: header_names(data, "requestheader-uid-headers")?,
                    group_headers: header_names(data, "requestheader-group-headers")?,
                    extra_prefixes: prefixes(data, "requestheader-extra-headers-prefix")?,
                    callers: Callers::default(),
                }))
            })
            .transpose()?;
        let client = authority(data, CLIENT_CA)?.map(Arc::new);
        if request_header.is_none() && client.is_none() {
            return Err(TrustError::Nothing);
        }
        Ok(Self {
            request_header,
            client,
        })
    }

    /// Whether no certificate of a client means anything.
    pub(super) const fn is_empty(&self) -> bool {
        self.request_header.is_none() && self.client.is_none()
    }
}

fn authority(
    data: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<Authority>, TrustError> {
    match data.get(key).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(bundle) => Authority::from_pem(bundle)
            .map(Some)
            .map_err(|reason| TrustError::Authority { key, reason }),
    }
}

fn list(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, TrustError> {
    match data.get(key).map(String::as_str) {
        None | Some("") => Ok(Vec::new()),
        // `null` is an empty list in Go's JSON.
        Some(json) => serde_json::from_str::<Option<Vec<String>>>(json)
            .map(Option::unwrap_or_default)
            .map_err(|error| TrustError::List {
                key,
                problem: error.to_string(),
            }),
    }
}

fn header_names(
    data: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Vec<HeaderName>, TrustError> {
    list(data, key)?
        .into_iter()
        .map(|name| {
            name.parse()
                .map_err(|_invalid| TrustError::HeaderName { key, name })
        })
        .collect()
}

/// Prefixes in lower case, as header names are. An empty one would match every header.
fn prefixes(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, TrustError> {
    list(data, key)?
        .into_iter()
        .map(|name| match name.parse::<HeaderName>() {
            Ok(name) => Ok(name.as_str().to_owned()),
            Err(_invalid) => Err(TrustError::HeaderName { key, name }),
        })
        .collect()
}
