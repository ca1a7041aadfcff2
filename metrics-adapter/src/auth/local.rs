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
use telemetry::reload::Source;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use super::authority::{Authority, AuthorityError};
use super::caller::Callers;
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
    /// Nobody waits for it; `--authentication-tolerate-lookup-failure`. Until it is there, the
    /// owner of a certificate that it would vouch for is anonymous, or refused where a flag tells
    /// of other authorities: as in k8s.io/apiserver.
    Tolerated,
    /// It is not looked up; `--authentication-skip-lookup`.
    Skipped,
}

/// Why a file of authorities cannot be used. Names the flag and the file.
#[derive(Debug, thiserror::Error)]
pub enum LocalTrustError {
    /// It cannot be read.
    #[error("{flag} {}: {reason}", path.display())]
    Read {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// It is no bundle of authorities.
    #[error("{flag} {}: {reason}", path.display())]
    Authority {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: AuthorityError,
    },
}

/// The cluster's trust and that of flags, made one.
pub struct TrustMerge {
    local: LocalTrust,
    cluster: TrustReceiver,
    publish: watch::Sender<Option<Arc<Trust>>>,
    client: Option<Bundle<Authority>>,
    front_proxy: Option<Bundle<RequestHeader>>,
    /// What became of the two files.
    sources: [Source; 2],
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
    pub async fn load(
        local: LocalTrust,
        cluster: TrustReceiver,
        metrics: &Metrics,
    ) -> Result<(Self, TrustReceiver), LocalTrustError> {
        let (publish, receiver) = watch::channel(None);
        let mut merge = Self {
            local,
            cluster,
            publish,
            client: None,
            front_proxy: None,
            sources: [(); 2].map(|()| metrics.authorities.source()),
        };
        merge.read_client().await?;
        merge.read_front_proxy().await?;
        merge.publish();
        Ok((merge, receiver))
    }

    /// Follows the cluster and looks at the files every `interval`, until cancelled.
    pub async fn run(mut self, interval: Duration, token: CancellationToken) {
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
                () = tokio::time::sleep(interval) => self.refresh().await,
            }
        }
    }

    /// Reads the files again and publishes what is new. Each of the two is taken on its own: a
    /// broken one must not keep a revoked authority of the other in trust.
    async fn refresh(&mut self) {
        let outcomes = [self.read_client().await, self.read_front_proxy().await];
        if outcomes.iter().any(|outcome| matches!(outcome, Ok(true))) {
            tracing::info!("the files of trusted authorities have changed");
            self.publish();
        }
        for (source, outcome) in self.sources.iter_mut().zip(outcomes) {
            match outcome {
                Ok(true) => source.replaced(),
                Ok(false) => {
                    if source.restored() {
                        tracing::info!("the files of trusted authorities are good again");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if source.broken(&error) {
                        tracing::error!(%error, "keeping the last good authorities");
                    }
                }
            }
        }
    }

    /// Whether something changed.
    async fn read_client(&mut self) -> Result<bool, LocalTrustError> {
        let Some(path) = &self.local.client_ca_file else {
            return Ok(false);
        };
        renew(&mut self.client, "--client-ca-file", path, |authority| {
            authority
        })
        .await
    }

    /// Whether something changed.
    async fn read_front_proxy(&mut self) -> Result<bool, LocalTrustError> {
        let Some(local) = &self.local.request_header else {
            return Ok(false);
        };
        const FLAG: &str = "--requestheader-client-ca-file";
        renew(&mut self.front_proxy, FLAG, &local.ca_file, |authority| {
            local.with(authority)
        })
        .await
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
            callers: Callers::default(),
        }
    }
}

/// Takes what is new in a file of authorities; whether there was anything.
async fn renew<T>(
    bundle: &mut Option<Bundle<T>>,
    flag: &'static str,
    path: &Path,
    make: impl FnOnce(Authority) -> T,
) -> Result<bool, LocalTrustError> {
    let content =
        tokio::fs::read_to_string(path)
            .await
            .map_err(|reason| LocalTrustError::Read {
                flag,
                path: path.to_owned(),
                reason,
            })?;
    if bundle
        .as_ref()
        .is_some_and(|bundle| bundle.content == content)
    {
        return Ok(false);
    }
    let authority = Authority::from_pem(&content).map_err(|reason| LocalTrustError::Authority {
        flag,
        path: path.to_owned(),
        reason,
    })?;
    *bundle = Some(Bundle {
        content,
        parsed: Arc::new(make(authority)),
    });
    Ok(true)
}

#[cfg(test)]
mod tests;
