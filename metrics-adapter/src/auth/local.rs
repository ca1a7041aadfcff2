//! Trust that flags tell, in place of the cluster's ConfigMap.
//!
//! As in k8s.io/apiserver's `DelegatingAuthenticationOptions`: `--client-ca-file` replaces the
//! cluster's authority for clients, `--requestheader-client-ca-file` everything that the cluster
//! says about front proxies. Law: the files are read again when they change, and broken ones
//! leave the last good trust in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::authority::{Authority, AuthorityError};
use super::request_header::RequestHeader;
use super::trust::{Trust, TrustReceiver};

/// What flags say about whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTrust {
    /// `--client-ca-file`.
    pub client_ca_file: Option<PathBuf>,
    /// `--requestheader-client-ca-file` and its companions.
    pub request_header: Option<LocalRequestHeader>,
    /// What the cluster's ConfigMap is for.
    pub lookup: Lookup,
}

/// A front proxy, as flags tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRequestHeader {
    /// `--requestheader-client-ca-file`.
    pub ca_file: PathBuf,
    /// `--requestheader-allowed-names`; any if empty.
    pub allowed_names: Vec<String>,
    /// `--requestheader-username-headers`.
    pub username_headers: Vec<HeaderName>,
    /// `--requestheader-group-headers`.
    pub group_headers: Vec<HeaderName>,
    /// `--requestheader-extra-headers-prefix`, in lower case.
    pub extra_prefixes: Vec<String>,
}

/// What the cluster's ConfigMap is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// Without it nobody is ready.
    #[default]
    Required,
    /// Until it is there certificates count for nothing, and their owners are anonymous;
    /// `--authentication-tolerate-lookup-failure`.
    Tolerated,
    /// It is not looked up; `--authentication-skip-lookup`.
    Skipped,
}

/// Why a file of authorities cannot be used. Names the flag and the file.
#[derive(Debug, thiserror::Error)]
pub enum LocalTrustError {
    /// It cannot be read.
    #[error("{flag} {}: {source}", path.display())]
    Read {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no bundle of authorities.
    #[error("{flag} {}: {source}", path.display())]
    Authority {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: AuthorityError,
    },
}

/// The cluster's trust and that of flags, made one.
pub struct TrustMerge {
    local: LocalTrust,
    cluster: TrustReceiver,
    publish: watch::Sender<Option<Arc<Trust>>>,
    client: Option<Bundle<Authority>>,
    front_proxy: Option<Bundle<RequestHeader>>,
}

/// A file's content and what was made of it.
struct Bundle<T> {
    content: String,
    parsed: Arc<T>,
}

impl LocalTrust {
    /// Whether the ConfigMap would tell anything that flags do not.
    pub const fn needs_cluster(&self) -> bool {
        let complete = self.client_ca_file.is_some() && self.request_header.is_some();
        !complete && !matches!(self.lookup, Lookup::Skipped)
    }
}

impl TrustMerge {
    /// Reads the files and publishes what is known so far.
    ///
    /// # Errors
    /// [`LocalTrustError`].
    pub fn load(
        local: LocalTrust,
        cluster: TrustReceiver,
    ) -> Result<(Self, TrustReceiver), LocalTrustError> {
        let (publish, receiver) = watch::channel(None);
        let mut merge = Self {
            local,
            cluster,
            publish,
            client: None,
            front_proxy: None,
        };
        merge.read()?;
        merge.publish();
        Ok((merge, receiver))
    }

    /// Follows the cluster and looks at the files every `interval`, until cancelled.
    pub async fn run(mut self, interval: Duration, token: CancellationToken) {
        let mut failing = None;
        let mut cluster = self.cluster.clone();
        let mut cluster_follows = true;
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                changed = cluster.changed(), if cluster_follows => {
                    // The sender is gone when nothing is looked up.
                    cluster_follows = changed.is_ok();
                    self.publish();
                }
                () = tokio::time::sleep(interval) => match self.read() {
                    Ok(false) => failing = None,
                    Ok(true) => {
                        failing = None;
                        tracing::info!("the files of trusted authorities have changed");
                        self.publish();
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if failing.as_ref() != Some(&error) {
                            tracing::error!(%error, "keeping the last good authorities");
                            failing = Some(error);
                        }
                    }
                },
            }
        }
    }

    /// Reads the files again; whether something changed.
    fn read(&mut self) -> Result<bool, LocalTrustError> {
        let mut changed = false;
        if let Some(path) = &self.local.client_ca_file {
            const FLAG: &str = "--client-ca-file";
            let content = read_file(FLAG, path)?;
            if self.client.as_ref().map(|bundle| &bundle.content) != Some(&content) {
                let parsed = Arc::new(authority(FLAG, path, &content)?);
                self.client = Some(Bundle { content, parsed });
                changed = true;
            }
        }
        if let Some(local) = &self.local.request_header {
            const FLAG: &str = "--requestheader-client-ca-file";
            let content = read_file(FLAG, &local.ca_file)?;
            if self.front_proxy.as_ref().map(|bundle| &bundle.content) != Some(&content) {
                let authority = authority(FLAG, &local.ca_file, &content)?;
                let parsed = Arc::new(local.with(authority));
                self.front_proxy = Some(Bundle { content, parsed });
                changed = true;
            }
        }
        Ok(changed)
    }

    fn publish(&self) {
        let cluster = self.cluster.borrow().clone();
        if cluster.is_none() && self.local.needs_cluster() && self.local.lookup == Lookup::Required
        {
            return;
        }
        let local_proxy = self.front_proxy.as_ref().map(|bundle| &bundle.parsed);
        let local_client = self.client.as_ref().map(|bundle| &bundle.parsed);
        let cluster = cluster.as_deref();
        let request_header =
            local_proxy.or(cluster.and_then(|trust| trust.request_header.as_ref()));
        let client = local_client.or(cluster.and_then(|trust| trust.client.as_ref()));
        self.publish.send_replace(Some(Arc::new(Trust {
            request_header: request_header.cloned(),
            client: client.cloned(),
        })));
    }
}

impl LocalRequestHeader {
    fn with(&self, authority: Authority) -> RequestHeader {
        RequestHeader {
            authority,
            allowed_names: self.allowed_names.clone(),
            username_headers: self.username_headers.clone(),
            uid_headers: Vec::new(),
            group_headers: self.group_headers.clone(),
            extra_prefixes: self.extra_prefixes.clone(),
        }
    }
}

fn read_file(flag: &'static str, path: &Path) -> Result<String, LocalTrustError> {
    std::fs::read_to_string(path).map_err(|source| LocalTrustError::Read {
        flag,
        path: path.to_owned(),
        source,
    })
}

fn authority(flag: &'static str, path: &Path, content: &str) -> Result<Authority, LocalTrustError> {
    Authority::from_pem(content).map_err(|source| LocalTrustError::Authority {
        flag,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
